"""The reply to the current exchange is begun: when, and with which stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from rxvoice._answers.stuck import SharedThread, shared_thread
from rxvoice._text.words import words
from rxvoice.elements import Reply, Say, Transcript
from rxvoice.events import Saying
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor
from rxvoice.operators._conversation.listening import Listening
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Ports, just
from rxvoice.operators._conversation.reply import OngoingReply
from rxvoice.operators._conversation.report import ReplyReport, SayingReport
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.operators._stage_operator import Stage, StageOperator, take_apart


class Replying:
    """Begins the reply to the current exchange once its words are known, or before."""

    def __init__(
        self,
        settings: ConverseSettings,
        floor: Floor,
        listening: Listening,
        playback: Playback,
        ports: Ports,
    ) -> None:
        self._settings = settings
        self._floor = floor
        self._listening = listening
        self._playback = playback
        self._ports = ports

    def answer(self) -> bool:
        """Begin the reply once all words are known. True if anything changed."""
        current = self._floor.current
        if current is None:
            return False
        if current.say:
            return current.reply is None and self._begin_saying(current, current.say)
        question, reply = current.question, current.reply
        if question is None:
            return False
        if reply:
            if not reply.held_back:
                return False
            if words(question.text) == words(reply.question.text):
                reply.let_out()
                return True
            current.take_back()
        for exchange in current.before:
            self._ports.life.remove(exchange.life)
        if question.text or (self._settings.listen is None and not current.failed):
            self._begin_reply(current, question, held_back=False)
            return True
        if not current.failed:
            self._floor.drop(current, "no_words")
        self._floor.leave()
        return True

    def preempt(self) -> bool:
        """Begin the reply before the turn is over, or take it back. True if anything changed."""
        exchange, after_ms = self._floor.current, self._settings.preempt_after_ms
        if after_ms is None or not exchange or exchange.transcript is not None:
            return False
        said = words(exchange.partial)
        if exchange.reply:
            if said == words(exchange.reply.question.text):
                return False
            exchange.take_back()
            return True
        if (
            not said
            or exchange.before
            or exchange.silence_ms < after_ms
            or exchange.tries >= self._settings.preempt_tries
        ):
            return False
        exchange.tries += 1
        question = Transcript(exchange.turn, exchange.partial.strip())
        self._begin_reply(exchange, question, held_back=True)
        return True

    def _begin_reply(self, exchange: Exchange, question: Transcript, *, held_back: bool) -> None:
        stages, at = self._stages(question)
        report = ReplyReport(stages[at].memory, self._ports.call)
        reply = self._make(exchange, question, report, held_back=held_back)
        source = just(exchange.turn if self._settings.listen is None else question)
        reply.begin(source, stages, at, partial(self._listening.on_raised, exchange))

    def _begin_saying(self, exchange: Exchange, say: Say) -> bool:
        question = Transcript(exchange.turn, "")
        stages, at = self._stages(question)
        reply = self._make(
            exchange, question, SayingReport(stages[at].memory, self._ports.call), held_back=False
        )
        self._ports.say(Saying(exchange.turn, say.text))
        # The text goes into the stages after the responder.
        text = just(Reply(question, say.text), Reply(question, text=say.text, final=True))
        reply.begin(text, stages[at + 1 :], -1, partial(self._listening.on_raised, exchange))
        return True

    def _stages(self, question: Transcript) -> tuple[list[StageOperator[Any, Any]], int]:
        """The stages for this question, and which of them is the responder.

        That is the first one with a memory, or else the first one.
        """
        stages = list(take_apart(self._settings.reply, question))
        return stages, next((at for at, it in enumerate(stages) if it.memory), 0)

    def _make(
        self, exchange: Exchange, question: Transcript, report: ReplyReport, *, held_back: bool
    ) -> OngoingReply:
        exchange.reply = reply = OngoingReply(
            question,
            report=report,
            interrupts=exchange.interrupts,
            pace=self._floor.pace,
            held_back=held_back,
            playback=self._playback,
            ports=self._ports,
            pass_on=self._listening.pass_on,
        )
        exchange.life.add(reply.life)
        return reply


def shared_threads(stages: Iterable[Stage]) -> Iterator[SharedThread]:
    """The threads that models of these stages share with others, each once."""
    seen: list[SharedThread] = []
    for stage in take_apart(stages):
        thread = shared_thread(stage.worker)
        if thread is not None and thread not in seen:
            seen.append(thread)
            yield thread
