"""Who has the floor: the exchange in progress, from its turn to its answer's last sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial

from rxvoice.elements import Transcript
from rxvoice.events import Dropped, Interrupted, Speaking
from rxvoice.operators._interruption._answer import Answer
from rxvoice.operators._interruption._exchange import Exchange
from rxvoice.operators._interruption._ledger import Ledger
from rxvoice.operators._interruption._mailbox import Action
from rxvoice.operators._interruption._pause import Pause
from rxvoice.operators._interruption._playback import Playback
from rxvoice.operators._interruption._ports import Ports
from rxvoice.operators._interruption._responder import Responder
from rxvoice.operators._interruption._settings import Settings
from rxvoice.operators._interruption._words import words

__all__ = ["Floor"]


class Floor:
    """The *current* exchange, one at the most; those that *wait* for it to be over; and those
    that nobody answered, whose words go in front of the next question.

    Args:
        on_speaking: after the first sample of an answer was heard.
        on_raised: after downstream has raised at what came of an exchange.
        on_settled: when nobody is left to be answered, perhaps.
    """

    def __init__(
        self,
        settings: Settings,
        playback: Playback,
        pause: Pause,
        ports: Ports,
        *,
        on_speaking: Action,
        on_raised: Callable[[Exchange], None],
        on_settled: Action,
    ) -> None:
        self._settings = settings
        self._playback = playback
        self._pause = pause
        self._ports = ports
        self._on_speaking = on_speaking
        self._on_raised = on_raised
        self._on_settled = on_settled
        self._responder = Responder(settings.reply)
        self.current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._unanswered: list[Exchange] = []
        self._ledger = Ledger(0)  # of the last reply
        self._began: datetime | None = None  # when a reply was last heard to begin,
        self._ended: datetime | None = None  # and to end
        self.has_spoken = False
        """Whether any reply was ever heard."""

    # What a candidate is judged by

    @property
    def is_free(self) -> bool:
        """Whether nobody is current and nobody waits."""
        return not self.current and not self._waiting

    @property
    def is_thinking(self) -> bool:
        """Whether nothing of the reply in progress was heard."""
        current = self.current
        return current is not None and not (current.answer and current.answer.speaking)

    @property
    def is_warming_up(self) -> bool:
        """Whether a reply began so recently that no speech counts."""
        return self._ms_since(self._began) < self._settings.warm_up_ms

    @property
    def in_echo_tail(self) -> bool:
        """Whether a reply ended so recently that its echo may still be heard."""
        return self._ms_since(self._ended) < self._settings.echo_tail_ms

    def skip_echo_tail(self) -> None:
        """Whoever speaks now is the user."""
        self._ended = None

    def spoken_words(self) -> frozenset[str]:
        """What the assistant is saying, or has just said: words that may be its echo."""
        if self.current and self.current.answer:
            ledger = self.current.answer.ledger
        elif self.in_echo_tail:
            ledger = self._ledger
        else:
            return frozenset()
        return ledger.words_at(self._playback.position)

    def _ms_since(self, then: datetime | None) -> float:
        if then is None:
            return float("inf")
        return (self._ports.clock.now - then).total_seconds() * 1000

    # It is given

    def give(self, exchange: Exchange) -> None:
        """Make it current; nobody is."""
        exchange.before, self._unanswered = self._unanswered, []
        self.current = exchange

    def wait(self, exchange: Exchange) -> None:
        """Give it the floor when those before it are over."""
        self._waiting.append(exchange)

    def put_in_front(self, exchange: Exchange, current: Exchange) -> None:
        """Answer both as one."""
        current.before.append(exchange)
        self._ports.say(Interrupted(exchange.turn, ""))

    # It is answered

    def answer(self) -> None:
        """Answer the current turn, once all of its words are known."""
        current = self.current
        if current is None or (question := current.question) is None:
            return
        answer = current.answer
        if answer:
            if not answer.held_back:
                return
            if words(question) == words(answer.transcript.text):
                answer.let_out()
                return
            self._take_back(current, answer)
        for exchange in current.before:
            self._ports.life.remove(exchange.life)
        if question:
            self._begin_answer(current, question, held_back=False)
            return
        if not current.failed:
            self._ports.say(Dropped(current.turn, "no_words"))
        self.leave()
        self.go_on()

    def preempt(self, exchange: Exchange) -> None:
        """Begin to answer before the turn is over, where asked for, or think better of it."""
        after_ms = self._settings.preempt_after_ms
        if after_ms is None or exchange is not self.current or exchange.text is not None:
            return
        said = words(exchange.partial)
        if exchange.answer and said != words(exchange.answer.transcript.text):
            self._take_back(exchange, exchange.answer)
        if (
            exchange.answer is None
            and said
            and not exchange.before
            and exchange.silence_ms >= after_ms
            and exchange.tries < self._settings.preempt_tries
        ):
            exchange.tries += 1
            self._begin_answer(exchange, exchange.partial.strip(), held_back=True)

    def _begin_answer(self, exchange: Exchange, question: str, *, held_back: bool) -> None:
        answer = exchange.answer = Answer(
            Transcript(exchange.turn, question),
            pace=self._ledger.pace,
            held_back=held_back,
            playback=self._playback,
            responder=self._responder,
            ports=self._ports,
            on_progress=self.advance,
        )
        exchange.life.add(answer.life)
        answer.begin(self._settings.reply, partial(self._on_raised, exchange))

    def _take_back(self, exchange: Exchange, answer: Answer) -> None:
        exchange.answer = None
        answer.take_back()

    # The answer is heard

    def advance(self) -> None:
        """See how far playback has come."""
        current = self.current
        answer = current.answer if current else None
        if current is None or answer is None or answer.held_back:
            return
        if answer.begins_to_be_heard():
            self._began = self._ports.clock.now
            self._ports.say(Speaking(current.turn))
            self._on_speaking()  # which may interrupt it
        if current is self.current and answer.is_over():
            self._finish(answer)
            self.go_on()

    def _finish(self, answer: Answer) -> None:
        answer.finish()
        self.leave()

    # Or interrupted

    def interrupt(self) -> None:
        """End the reply in progress; words that nobody has taken up go to the next turn."""
        current = self.current
        if current is None:
            return
        answer = current.answer
        if answer is None:
            self._set_aside(current)
        elif answer.held_back:
            self._take_back(current, answer)
            self._set_aside(current)
        elif answer.was_heard_whole():
            self._finish(answer)
        elif (heard := answer.cut()) is not None:
            self.leave()
            self._ports.say(Interrupted(current.turn, heard))
        else:
            current.answer = None
            self._set_aside(current)

    def _set_aside(self, exchange: Exchange) -> None:
        """Nobody was asked yet: its words, once they are known, go in front of the next turn's."""
        self.current = None
        self._unanswered = [*exchange.before, exchange]
        self._pause.release()
        self._ports.say(Interrupted(exchange.turn, ""))

    # It is free again

    def leave(self) -> None:
        """The current exchange is over."""
        left, self.current = self.current, None
        self._pause.release()
        if left is None:
            return
        self._ports.life.remove(left.life)
        if left.answer:
            self._ledger = left.answer.ledger
            if left.answer.speaking:
                self._ended = self._ports.clock.now
                self.has_spoken = True

    def go_on(self) -> None:
        """Answer who waits, if nobody is being answered."""
        if self._waiting and self.current is None:
            self.give(self._waiting.popleft())
            self.answer()
        self._on_settled()
