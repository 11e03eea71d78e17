"""The user of ``rxvoice demo``: a recording whose parts are said on cue."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from reactivex import Observable
from reactivex import operators as ops

from rxvoice import events
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.sources._emit import emit
from rxvoice.turn import Turn

_RATE = 16_000
_BLOCK_MS = 32
_BLOCK = _RATE * _BLOCK_MS // 1000
_PATIENCE_BLOCKS = 40_000 // _BLOCK_MS
"""How long the user waits for a reply before going on without it."""
_LEAVING_BLOCKS = 600 // _BLOCK_MS
"""How long the user stays after the last reply."""


@dataclass(frozen=True, kw_only=True)
class UserPart:
    """Something that the user says, or a sound that the user makes.

    Args:
        text: what is said; empty for a sound.
        cue: said in the quiet after a reply, or over a reply.
        after_s: how long after the cue, in seconds.
        start_s: where it begins in the recording, in seconds.
        end_s: where it ends.
        voice: who speaks.
    """

    text: str
    cue: Literal["quiet", "reply"]
    after_s: float
    start_s: float
    end_s: float
    voice: str

    @property
    def interrupts(self) -> bool:
        """Whether it is said over a reply, to interrupt it."""
        return bool(self.text) and self.cue == "reply"


class Actor:
    """Says the parts of a recording, each on its cue.

    Call `on_event` with every event of the conversation, on the conversation thread.

    Args:
        recording: a WAV file of 16 kHz. Before the first part there is only the sound of the room.
            Beside it, a JSON file of the same name lists the parts.
    """

    def __init__(self, recording: Path) -> None:
        read, _ = soundfile.read(recording, dtype="float32")
        sound = read.astype(np.float32, copy=False)
        told = json.loads(recording.with_suffix(".json").read_text("utf-8"))["parts"]
        self.parts = [UserPart(**it) for it in told]
        self._sounds = [
            _blocks(sound[int(it.start_s * _RATE) : int(it.end_s * _RATE)]) for it in self.parts
        ]
        self._room = _blocks(sound[: int(self.parts[0].start_s * _RATE)])
        self._asked = 0
        self._answering: Turn | None = None
        self._over: set[Turn] = set()
        self._candidates: set[Turn] = set()

    @property
    def microphone(self) -> Observable[AudioChunk | events.Event]:
        """The user's sound at the speed of speech, with the room between the parts.

        Emits a `Notice` when the user makes a sound that is no speech. Completes after the last
        reply.
        """
        notices: list[events.Event] = []
        sound = emit(
            lambda: self._play(notices), sample_rate=_RATE, block_ms=_BLOCK_MS, realtime=True
        )

        def told(chunk: AudioChunk) -> list[AudioChunk | events.Event]:
            before = list(notices)
            notices.clear()
            return [*before, chunk]

        return sound.pipe(ops.flat_map(told))

    def on_event(self, event: object) -> None:
        """Note what the assistant does."""
        match event:
            case events.Speaking(turn):
                self._answering = turn
            case events.Candidate(turn):
                self._candidates.add(turn)
            case events.Confirmed(turn):
                self._candidates.discard(turn)
            case events.Finished(turn) | events.Interrupted(turn) | events.TurnFailed(turn):
                self._end(turn)
            case events.Dropped(turn) if turn not in self._candidates:
                self._end(turn)
            case _:
                pass

    def _end(self, turn: Turn) -> None:
        self._over.add(turn)
        if self._answering is turn:
            self._answering = None

    def _play(self, notices: list[events.Event]) -> Generator[Samples]:
        room = self._endless_room()
        for part, sound in zip(self.parts, self._sounds, strict=True):
            yield from self._wait(part, room)
            if part.text:
                self._asked += 1
            else:
                notices.append(events.Notice("(the user coughs)"))
            yield from sound
        yield from self._until_quiet(_LEAVING_BLOCKS, room)

    def _wait(self, part: UserPart, room: Generator[Samples]) -> Generator[Samples]:
        blocks = round(1000 * part.after_s / _BLOCK_MS)
        if part.cue == "quiet":
            yield from self._until_quiet(blocks, room)
            return
        heard = 0
        for _ in range(_PATIENCE_BLOCKS):
            yield next(room)
            heard += self._answering is not None
            if heard >= blocks or self._is_quiet:
                return

    def _until_quiet(self, blocks: int, room: Generator[Samples]) -> Generator[Samples]:
        quiet = 0
        for _ in range(_PATIENCE_BLOCKS):
            if quiet >= blocks:
                return
            yield next(room)
            quiet = quiet + 1 if self._is_quiet else 0

    @property
    def _is_quiet(self) -> bool:
        return len(self._over) >= self._asked

    def _endless_room(self) -> Generator[Samples]:
        while True:
            yield from self._room


def _blocks(sound: Samples) -> list[Samples]:
    """Cut into whole blocks; the rest, shorter than a block, is left out."""
    return [sound[at : at + _BLOCK] for at in range(0, len(sound) - _BLOCK + 1, _BLOCK)]
