"""One answer: it is made, held back where need be, written to the sink, heard, and perhaps cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.events import Dropped, Finished, ReplyDelta, ReplyStarted, Spoken, TurnFailed
from rxvoice.operators._conversation.mailbox import Action
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Ports, just, tapped
from rxvoice.operators._conversation.replying import Memory
from rxvoice.operators._conversation.settings import Stage
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.stage_error import StageError


class Answer:
    """What one run of the reply's stages makes, and how much of it has been heard.

    It ends in one of five ways: `finish`, when it was heard to its end; `cut`, when the user
    interrupts; `fail`, when the sink does; `take_back`, when it was the answer to another question;
    or the life of its exchange ends.

    Args:
        transcript: the question.
        memory: who is told what became of it.
        interrupts: whether the question has interrupted a reply.
        pace: samples per character, as of the answers before.
        held_back: whether nothing of it may come out yet: the user may go on.
        pass_on: told what a stage gives that is no speech.
    """

    def __init__(
        self,
        transcript: Transcript,
        *,
        memory: Memory,
        interrupts: bool,
        pace: float,
        held_back: bool,
        playback: Playback,
        ports: Ports,
        pass_on: Callable[[object], None],
    ) -> None:
        self.transcript = transcript
        self.ledger = SpokenReply(playback.written, pace)
        self.speaking = False
        """Whether any of it was heard."""
        self.life = CompositeDisposable()
        """What makes it; disposed, nothing more of it comes."""
        self._memory = memory
        self._interrupts = interrupts
        self._playback = playback
        self._ports = ports
        self._pass_on = pass_on
        self._held: deque[Action] | None = deque() if held_back else None
        self._asked = transcript.text
        self._begun = False  # whether a word was written
        self._made = False  # whether nothing more will come
        self._written = ""  # by the model itself
        self._told = 0  # characters of the words that were told as spoken
        self._final: Speech | None = None  # its last piece, kept until all is heard
        self._failed: str | None = None  # the stage that failed it

    # It is made

    def begin(
        self, source: Observable[Any], stages: Sequence[Stage], written_by: int, on_raised: Action
    ) -> None:
        """Have it made.

        Args:
            source: what the first stage is given.
            written_by: which of the stages writes what the memory knows of; -1: the source.
            on_raised: what is to be done after downstream has raised at what was made.
        """
        door = self._ports.door(self.life, on_raised)

        def on_reply(reply: Reply) -> None:
            door(partial(self._take, partial(self._on_reply, reply)))

        def on_written(reply: Reply) -> None:
            self._written += reply.delta

        made = source
        voice = _voice(stages)
        for index, stage in enumerate(stages):
            if index == written_by + 1:
                made = made.pipe(tapped(on_written))
            if index == voice:
                # Only what reaches the voice may be spoken, and so be heard.
                made = made.pipe(tapped(on_reply))
            made = made.pipe(stage)
        self._ports.follow(
            made,
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
        if reply.final:
            return
        self.ledger.text.add(reply)
        if not reply.written:
            return
        turn = self.transcript.turn
        if not self._begun:
            self._begun = True
            self._ports.say(ReplyStarted(turn))
        self._ports.say(ReplyDelta(turn, reply.written))

    def _on_element(self, element: object) -> None:
        if isinstance(element, Speech):
            self._on_speech(element)
            return
        if isinstance(element, Reply):
            self._on_reply(element)
        elif isinstance(element, TurnFailed):
            self._failed = element.error.stage
        elif isinstance(element, Dropped):
            self._failed = "respond"  # it does not answer this question: there is nothing to log
        self._pass_on(element)

    def _on_speech(self, speech: Speech) -> None:
        # One model that hears and speaks tells by what it says what it has understood.
        self._asked = self._asked or speech.reply.transcript.text
        if speech.final:
            self._final = speech
            self._on_made()
        elif self._playback.write(speech):
            self.ledger.add(speech)
            self._ports.say(speech)
        else:
            self.life.dispose()  # the engine fails it for what the sink has raised

    def _on_made(self) -> None:
        if not self._made:
            self._made = True
            if self._failed in (None, "respond"):  # the last sentence was spoken whole
                self.ledger.close()
            self._playback.end_reply()

    def break_off(self) -> None:
        """Make no more of it: downstream has raised. What there is will be heard."""
        self.life.dispose()
        self._made, self._failed = True, "converse"

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
        """The question was another one: the responder forgets this one."""
        self.life.dispose()
        if self._memory.withdraw(self.transcript):
            self._memory.forget()

    # It is heard

    def begins_to_be_heard(self) -> bool:
        """Whether its first sample has been heard since this was last asked."""
        ledger = self.ledger
        if self.speaking or ledger.end == ledger.start:
            return False
        self.speaking = self._playback.passed(ledger.start + 1)
        return self.speaking

    def tell_words(self) -> float | None:
        """Tell the words that were heard since the last time; milliseconds to the next."""
        position = self._playback.position
        heard = self.ledger.heard(position)
        if len(heard) > self._told:
            self._ports.say(Spoken(self.transcript.turn, heard[self._told :].strip()))
            self._told = len(heard)
        return self.ledger.ms_to_next_word(position)

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
            if self._failed != "respond" and self._memory.withdraw(self.transcript):
                self._memory.heard(self.ledger.heard(self.ledger.end))
            return
        written = self.ledger.text.written
        text = self._final.reply.text if self._final else written
        if self._final and self.ledger.is_silent:
            text = ""  # the voice has said nothing of it
            self._memory.heard(text)
        elif self._final and written != self._written:
            self._memory.heard(text)  # a stage in between has changed the words
        else:
            self._memory.finished(text)
        if self._final:
            self._ports.say(self._final)
        self._log(text)
        self._ports.say(Finished(self.transcript.turn, text))

    def cut(self) -> str | None:
        """Make and play no more of it: what was heard; None if nobody had taken the question."""
        self.life.dispose()  # first: nothing may be written to a sink that was cleared
        heard = self.ledger.heard(self._playback.clear())
        if not self._memory.withdraw(self.transcript):
            return None
        if self._failed != "respond":
            self._memory.heard(heard)
        if not self._failed:
            self._ports.say(self._last(heard))
            self._log(heard, interrupted=True)
        return heard

    def fail(self, error: Exception) -> None:
        """The sink has raised: no more of it can be played."""
        turn = self.transcript.turn
        self._failed = self._failed or "converse"
        self.cut()
        self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))

    def _last(self, heard: str) -> Speech:
        """What ends it downstream in place of its final piece."""
        reply = Reply(self.transcript, text=self.ledger.text.written, final=True)
        none = np.empty(0, np.float32)
        return Speech(reply, none, 24_000, final=True, interrupted=True, heard=heard)

    def _log(self, said: str, *, interrupted: bool = False) -> None:
        """The entry of the finished turn."""
        turn = self.transcript.turn
        over_reply = turn.barge_in or self._interrupts
        self._ports.say(
            FinishedTurn(
                turn.chunks_consumed or 0,
                self._asked,
                said,
                over_reply,
                interrupted,
                source=turn.source,
            )
        )


def spoken_text(transcript: Transcript, text: str) -> Observable[Any]:
    """A text as the stages after the one that answers are given it."""
    return just(Reply(transcript, text), Reply(transcript, text=text, final=True))


def _voice(stages: Sequence[Stage]) -> int | None:
    """Which stage speaks: the one that says so, else the last, unless that one says it writes."""
    says = [getattr(stage, "speaks", None) for stage in stages]
    if True in says:
        return says.index(True)
    return len(stages) - 1 if says and says[-1] is None else None
