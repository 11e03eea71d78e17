"""One reply in progress: it is made, written to the sink, heard, and maybe cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from reactivex import Observable

from rxvoice._threads.life import Life
from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.events import Dropped, Finished, Notice, ReplyDelta, ReplyStarted, Spoken, TurnFailed
from rxvoice.operators._conversation.mailbox import Action
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Ports, tapped
from rxvoice.operators._conversation.report import ReplyReport
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.operators._stage_operator import StageOperator
from rxvoice.stage_error import StageError


class OngoingReply:
    """What one run of the reply's stages makes, and how much of it has been heard.

    It ends in one of five ways:

    - `finish`: it was heard to its end.
    - `cut`: the user interrupts.
    - `fail`: the sink fails.
    - `take_back`: the question has changed.
    - The life of its exchange ends.

    Args:
        question: what is answered; empty for what the app says by itself.
        report: tells the model what became of the reply.
        interrupts: whether the question interrupted a reply.
        pace: samples per character of the reply before.
        held_back: whether nothing may come out yet, because the user may go on.
        playback: where the speech goes.
        ports: where everything else goes.
        pass_on: receives what a stage gives beside text and speech.
    """

    def __init__(
        self,
        question: Transcript,
        *,
        report: ReplyReport,
        interrupts: bool,
        pace: float,
        held_back: bool,
        playback: Playback,
        ports: Ports,
        pass_on: Callable[[object], None],
    ) -> None:
        self.question = question
        self.spoken = SpokenReply(playback.written, pace)
        self.is_heard = False
        """Whether any of it has been heard."""
        self.life = Life()
        """Disposed, it makes nothing more."""
        self._report = report
        self._interrupts = interrupts
        self._playback = playback
        self._ports = ports
        self._pass_on = pass_on
        self._held: deque[Action] | None = deque() if held_back else None
        self._user_text = question.text
        self._begun = False  # whether any text was written
        self._made = False  # whether nothing more will come
        self._written = ""  # by the model itself
        self._told = 0  # characters of the words that were told as spoken
        self._final: Speech | None = None  # the last piece, kept until all is heard
        self._failed: str | None = None  # the stage that failed

    # It is made

    def begin(
        self,
        source: Observable[Any],
        stages: Sequence[StageOperator[Any, Any]],
        written_by: int,
        on_raised: Callable[[BaseException], None],
    ) -> None:
        """Run the stages.

        Args:
            source: goes into the first stage.
            stages: the operators that make the reply.
            written_by: the index of the stage whose model writes the text; -1 for the source.
            on_raised: runs after downstream has raised at what was made, with what it raised.
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
                # Only text that reaches the voice can be heard.
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
        self.spoken.text.add(reply)
        if not reply.written:
            return
        turn = self.question.turn
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
        # A speech-to-speech model says only with its speech what it understood.
        self._user_text = self._user_text or speech.reply.transcript.text
        if speech.final:
            self._final = speech
            self._on_made()
        elif self._playback.write(speech):
            self.spoken.add(speech)
            self._ports.say(speech)
        else:
            self.life.dispose()  # the engine fails this reply with the sink's error

    def _on_made(self) -> None:
        if not self._made:
            self._made = True
            if self._failed in (None, "respond"):  # the voice spoke its last sentence whole
                self.spoken.close()
            self._playback.end_reply()

    @property
    def has_failed(self) -> bool:
        """Whether it was told that the turn has failed, or that it is not answered."""
        return self._failed is not None

    def break_off(self) -> None:
        """Make nothing more, because downstream has raised. What there is will be heard."""
        self.life.dispose()
        self._made, self._failed = True, self._failed or "converse"

    # It is held back while the user may go on

    @property
    def held_back(self) -> bool:
        """Whether nothing of it may come out yet."""
        return self._held is not None

    def let_out(self) -> None:
        """The question stays as it is: let out what there is, and all that follows."""
        held, self._held = self._held or (), None
        for step in held:
            if not self.life.is_disposed:
                step()

    def take_back(self) -> None:
        """The question has changed: drop this reply, and have the model forget the question."""
        self.life.dispose()
        if not self._report.withdraw(self.question):
            self._report.forget()

    # It is heard

    def note_first_heard(self) -> bool:
        """Look at the sink. True once: when the first sample has been heard."""
        spoken = self.spoken
        if self.is_heard or spoken.end == spoken.start:
            return False
        self.is_heard = self._playback.passed(spoken.start + 1)
        return self.is_heard

    def tell_words(self) -> float | None:
        """Tell the words that were heard since the last call.

        Returns:
            Milliseconds until the next word.
        """
        position = self._playback.position
        heard = self.spoken.heard(position)
        if len(heard) > self._told:
            self._ports.say(Spoken(self.question.turn, heard[self._told :].strip()))
            self._told = len(heard)
        return self.spoken.ms_to_next_word(position)

    def is_over(self) -> bool:
        """Whether it was heard to its end. Without ``played``: whether it was written."""
        return self._made and self._playback.passed(self.spoken.end)

    def was_heard_whole(self) -> bool:
        """Whether it did not fail, and the sink's position is at its end."""
        return self._made and not self._failed and self._playback.position >= self.spoken.end

    def finish(self) -> None:
        """End a reply that was heard to its end."""
        if self._failed:
            # The user never heard the rest of what the model wrote.
            if self._failed != "respond" and not self._report.withdraw(self.question):
                self._report.heard(self.spoken.heard(self.spoken.end))
            return
        written = self.spoken.text.written
        text = self._final.reply.text if self._final else written
        said = self.spoken.said if self._final else None
        if said is not None:
            text = said  # the voice has left words out
            self._report.heard(text)
        elif written != self._written:
            self._report.heard(text)  # a stage in between changed the words
        else:
            self._report.heard_whole(text)
        if self._final:
            self._ports.say(self._final)
        self._log(text)
        self._ports.say(Finished(self.question.turn, text))

    def cut(self) -> str | None:
        """Make and play no more.

        Returns:
            The text that was heard; None if the model had not taken the question.
        """
        try:
            self.life.dispose()  # before the sink is cleared: nothing may be written after that
        except KeyboardInterrupt as error:
            self._ports.raise_after(error)
        heard = self.spoken.heard(self._playback.clear())
        if self._report.withdraw(self.question):
            return None
        if self._failed != "respond":
            self._report.heard(heard)
        if not self._failed:
            self._ports.say(self._interrupted(heard))
            self._log(heard, interrupted=True)
        return heard

    def fail(self, error: BaseException) -> None:
        """End the reply because the sink has raised. A turn fails once: later it is a notice."""
        turn, told = self.question.turn, self.has_failed
        self._failed = self._failed or "converse"
        self.cut()
        if told:
            message = f"the sink failed: {type(error).__name__}: {error}"
            self._ports.say(Notice(message, error, turn, "converse"))
        else:
            self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))

    def _interrupted(self, heard: str) -> Speech:
        """The final piece of an interrupted reply."""
        reply = Reply(self.question, text=self.spoken.text.written, final=True)
        nothing = np.empty(0, np.float32)
        return Speech(reply, nothing, 24_000, final=True, interrupted=True, heard=heard)

    def _log(self, assistant_text: str, *, interrupted: bool = False) -> None:
        turn = self.question.turn
        self._ports.say(
            FinishedTurn(
                turn.chunks_consumed or 0,
                self._user_text,
                assistant_text,
                barge_in_observed=turn.barge_in or self._interrupts,
                interrupted=interrupted,
                source=turn.source,
            )
        )


def _voice(stages: Sequence[StageOperator[Any, Any]]) -> int | None:
    """The index of the voice: the stage that says it speaks, else the last one.

    None if the last one says it makes text.
    """
    says = [stage.speaks for stage in stages]
    if True in says:
        return says.index(True)
    return len(stages) - 1 if says and says[-1] is None else None
