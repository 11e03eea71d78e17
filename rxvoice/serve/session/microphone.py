"""`FarMicrophone`: the sound of the client goes into the pipe, and becomes turns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.serve.session.buffer import SoundBuffer
from rxvoice.serve.session.happenings import Activity, Happening, SoundCleared
from rxvoice.serve.session.judging import CHUNK, RATE
from rxvoice.serve.session.moments import Moments
from rxvoice.serve.session.pipe import Pipe
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.settings import DialogueSettings
from rxvoice.serve.session.turns import Turns, ms_of
from rxvoice.turn import Turn

_LEAST_MS = 100
"""Milliseconds of sound that make a turn."""
_ACTIVITY = 3 * CHUNK
"""Samples between two reports of voice activity."""
_GIVEN = 1_000_000
"""The number before that of the first turn that the client cuts out of silence."""


class FarMicrophone:
    """Cuts sound into chunks, and ends turns for the client.

    Args:
        pipe: takes the chunks.
        turns: the turns that the pipe opens.
        moments: notes when the user spoke.
        settings: gives the settings.
        tell: takes what happens.
        later: runs an action after what the pipe is doing.
    """

    def __init__(
        self,
        pipe: Pipe,
        turns: Turns,
        moments: Moments,
        settings: Callable[[], DialogueSettings],
        tell: Callable[[Happening], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._pipe = pipe
        self._turns = turns
        self._moments = moments
        self._settings = settings
        self._tell = tell
        self._later = later
        self._buffer = SoundBuffer()
        self._closing: Turn | None = None  # that the client has ended, and the pipe has not yet
        self._held: list[Samples] = []  # sound after it
        self._held_samples = 0
        self._reported = 0
        self._given = _GIVEN
        self._tails = 0  # samples that were no chunk when the client ended the turn
        self._cleared = 0  # and when the client dropped it

    @property
    def position(self) -> int:
        """Samples that came."""
        return self._buffer.position + self._held_samples

    def hear(self, samples: Samples) -> None:
        """Take sound: float32 at 16 kHz."""
        if self._closing is not None:
            self._held.append(samples)
            self._held_samples += len(samples)
            return
        for chunk in self._buffer.feed(samples):
            self._hear(chunk)

    def commit(self) -> None:
        """Make the sound so far an item.

        Raises:
            Refused: there is too little of it.
        """
        self._settle()
        ms = (self._buffer.position - self._turns.taken_to) * 1000 / RATE
        if ms < _LEAST_MS:
            raise Refused("too_short", f"{ms:.2f}")
        tail = self._buffer.tail()
        if tail is not None:
            self._tails += len(tail.samples)
            self._pipe.hear(tail)
        heard = self._turns.open
        end = self._buffer.position
        self._moments.turn_ended()
        if heard is not None:
            self._turns.take(heard, end)
            self._close(heard.turn, self._pipe.end_turn)
        else:
            start = self._turns.taken_to
            self._given += 1
            turn = Turn.of(self._buffer.since(start), id=self._given, start=start)
            self._turns.given(turn, end)
            self._pipe.give_turn(turn)

    def clear(self) -> None:
        """Drop the sound that is no item yet."""
        self._settle()
        self._cleared += self._buffer.left
        self._buffer.forget()
        dropped = self._turns.forget_sound(self._buffer.position)
        if dropped is not None:
            self._close(dropped.turn, self._pipe.discard_turn)
        self._tell(SoundCleared())

    def close(self) -> tuple[int, int, int]:
        """Let go of all sound. Returns the samples that came, were judged, and were dropped."""
        judge = self._pipe.judge
        dropped = self._cleared + self._buffer.left + self._held_samples + judge.waiting
        account = self.position, judge.judged + self._tails, dropped
        self._buffer.forget()
        self._closing, self._held = None, []
        return account

    def _hear(self, chunk: AudioChunk) -> None:
        self._pipe.hear(chunk)
        if self._settings().tells_activity and chunk.start - self._reported >= _ACTIVITY:
            self._reported = chunk.start
            at_ms = ms_of(chunk.start + len(chunk.samples))
            self._tell(Activity(self._pipe.judge.take_highest(), at_ms))

    def _close(self, turn: Turn, close: Callable[[], None]) -> None:
        """Have the pipe end a turn. It does so a moment later: sound after it has to wait."""
        if not turn.is_open:
            return
        self._closing = turn
        on_over = partial(self._later, partial(self._go_on, turn))
        turn.subscribe(on_error=lambda _: on_over(), on_completed=on_over)
        close()

    def _go_on(self, turn: Turn) -> None:
        if self._closing is turn:
            self._settle()

    def _settle(self) -> None:
        """Hear what was held, and judge all of it."""
        self._closing = None
        held, self._held, self._held_samples = self._held, [], 0
        for samples in held:
            self.hear(samples)
        self._pipe.judge.settle()
