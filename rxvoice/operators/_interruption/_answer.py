"""One answer: it is made, held back where need be, heard, and perhaps cut."""

from __future__ import annotations

from collections import deque
from functools import partial

import numpy as np
from reactivex.disposable import CompositeDisposable

from rxvoice.elements import Reply, Speech, Transcript, TurnFailed
from rxvoice.events import Finished, ReplyDelta, ReplyStarted
from rxvoice.operators._interruption._ledger import Ledger
from rxvoice.operators._interruption._mailbox import Action
from rxvoice.operators._interruption._playback import Playback
from rxvoice.operators._interruption._ports import Ports, just, tapped
from rxvoice.operators._interruption._responder import Responder
from rxvoice.operators._interruption._settings import Stage

__all__ = ["Answer"]


class Answer:
    """What one run of the reply's stages makes, and how much of it has been heard.

    It ends in one of four ways: `finish`, when it was heard to its end; `cut`, when the user
    interrupts; `take_back`, when it was the answer to another question; or the life of its
    exchange ends.

    Args:
        transcript: the question.
        pace: samples per character, as of the answers before.
        held_back: whether nothing of it may come out yet: the user may go on.
        on_progress: told when more of it may have been heard, or it may be over.
    """

    def __init__(
        self,
        transcript: Transcript,
        *,
        pace: float,
        held_back: bool,
        playback: Playback,
        responder: Responder,
        ports: Ports,
        on_progress: Action,
    ) -> None:
        self.transcript = transcript
        self.ledger = Ledger(playback.written, pace)
        self.speaking = False
        """Whether any of it was heard."""
        self.life = CompositeDisposable()
        """What makes it; disposed, nothing more of it comes."""
        self._playback = playback
        self._responder = responder
        self._ports = ports
        self._on_progress = on_progress
        self._held: deque[Action] | None = deque() if held_back else None
        self._begun = False  # whether a word was written
        self._made = False  # whether nothing more will come
        self._final: Speech | None = None  # its last piece, kept until all is heard
        self._failed: str | None = None  # the stage that failed it

    # It is made

    def begin(self, stages: tuple[Stage, ...], on_raised: Action) -> None:
        """Have it made.

        Args:
            on_raised: what is to be done after downstream has raised at what was made.
        """
        door = self._ports.door(self.life, on_raised)

        def note(reply: Reply) -> None:
            door(partial(self._take, partial(self._on_reply, reply)))

        made = just(self.transcript)
        for stage in stages[:-1]:
            made = made.pipe(stage, tapped(note))
        self._ports.follow(
            made.pipe(stages[-1]),
            door,
            lambda element: self._take(partial(self._on_element, element)),
            lambda: self._take(self._on_made),
            life=self.life,
        )

    def _take(self, step: Action) -> None:
        if self._held is None:
            step()
        else:
            self._held.append(step)

    def _on_reply(self, reply: Reply) -> None:
        if not reply.delta:
            return
        turn = self.transcript.turn
        if not self._begun:
            self._begun = True
            self._ports.say(ReplyStarted(turn))
        self.ledger.text += reply.delta
        self._ports.say(ReplyDelta(turn, reply.delta))

    def _on_element(self, element: object) -> None:
        if isinstance(element, Speech) and element.final:
            self._final = element
            self._on_made()
            return
        if isinstance(element, Reply):
            self._on_reply(element)
        elif isinstance(element, Speech):
            self.ledger.add(element)
            self._playback.written += element.samples.shape[0]
        elif isinstance(element, TurnFailed):
            self._failed = element.error.stage
        self._ports.say(element)
        # When it has gone out: what this confirms clears the sink, and must find the piece there.
        self._ports.post(self._on_progress)

    def _on_made(self) -> None:
        if not self._made:
            self._made = True
            if self._failed in (None, "respond"):  # the last sentence was spoken whole
                self.ledger.close()
            self._playback.end_reply()
        self._on_progress()

    def break_off(self) -> None:
        """Make no more of it: downstream has raised. What there is will be heard."""
        self.life.dispose()
        self._made, self._failed = True, "interruptible"

    # It is held back as long as the user may go on

    @property
    def held_back(self) -> bool:
        """Whether nothing of it may come out yet."""
        return self._held is not None

    def let_out(self) -> None:
        """The question was this one: out with what there is, and all that follows at once."""
        held, self._held = self._held or (), None
        for step in held:
            if not self.life.is_disposed:
                step()

    def take_back(self) -> None:
        """The question was another one: nobody has asked this one."""
        self.life.dispose()
        if self._responder.withdraw(self.transcript):
            self._responder.forget()

    # It is heard

    def begins_to_be_heard(self) -> bool:
        """Whether its first sample has been heard since this was last asked."""
        ledger = self.ledger
        if self.speaking or ledger.end == ledger.start:
            return False
        self.speaking = self._playback.passed(ledger.start + 1)
        return self.speaking

    def is_over(self) -> bool:
        """Whether it was heard to its end, as far as the sink says when."""
        return self._made and self._playback.passed(self.ledger.end)

    def was_heard_whole(self) -> bool:
        """Whether it was heard to its end, by where the sink is now; one that failed has none."""
        return self._made and not self._failed and self._playback.position >= self.ledger.end

    def finish(self) -> None:
        """It was heard to its end."""
        if self._failed:
            # The rest of what the responder wrote was never spoken.
            if self._failed != "respond" and self._responder.withdraw(self.transcript):
                self._responder.heard(self.ledger.heard(self.ledger.end))
            return
        text = self.ledger.text
        if self._final:
            text = self._final.reply.text
            self._ports.say(self._final)
        self._ports.say(Finished(self.transcript.turn, text))

    def cut(self) -> str | None:
        """Make and play no more of it: what was heard; None if nobody had taken the question."""
        self.life.dispose()  # first: nothing may be written to a sink that was cleared
        heard = self.ledger.heard(self._playback.clear())
        if not self._responder.withdraw(self.transcript):
            return None
        if self._failed != "respond":
            self._responder.heard(heard)
        if not self._failed:
            self._ports.say(self._last(heard))
        return heard

    def _last(self, heard: str) -> Speech:
        """What ends it downstream in place of its final piece."""
        reply = Reply(self.transcript, text=self.ledger.text, final=True)
        none = np.empty(0, np.float32)
        return Speech(reply, none, 24_000, final=True, interrupted=True, heard=heard)
