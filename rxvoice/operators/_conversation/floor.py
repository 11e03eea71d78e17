"""Who has the floor: the exchange in progress, those that wait for it, and how it changes hands."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from enum import Enum

from rxvoice.events import Interrupted
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Ports
from rxvoice.operators._conversation.settings import Settings
from rxvoice.operators._conversation.spoken_reply import SpokenReply


class Phase(Enum):
    """How far the exchange that has the floor has come."""

    QUIET = "quiet"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class Floor:
    """At most one exchange has the floor, and is *current*.

    Others *wait* for it to be over, or are *unanswered*: their words go in front of the next
    question. Nothing here looks further than the change itself: what follows is the engine's.
    """

    def __init__(self, settings: Settings, playback: Playback, ports: Ports) -> None:
        self._settings = settings
        self._playback = playback
        self._ports = ports
        self.current: Exchange | None = None
        self.waiting: deque[Exchange] = deque()
        self._unanswered: list[Exchange] = []
        self._ledger = SpokenReply(0)  # of the last reply
        self._began: datetime | None = None  # when a reply was last heard to begin,
        self._ended: datetime | None = None  # and to end
        self.has_spoken = False
        """Whether any reply was ever heard."""

    @property
    def phase(self) -> Phase:
        """How far the current exchange has come."""
        current = self.current
        if current is None:
            return Phase.QUIET
        if current.answer is None or current.answer.held_back:
            return Phase.LISTENING
        return Phase.SPEAKING if current.answer.speaking else Phase.THINKING

    # It changes hands

    def give(self, exchange: Exchange) -> None:
        """Make it current; nobody is."""
        if exchange.say is None:
            exchange.before = [*self._unanswered, *exchange.before]
            self._unanswered = []
        self.current = exchange

    def next(self) -> bool:
        """Give it to the first that waits, where nobody has it; whether there was one."""
        if self.current or not self.waiting:
            return False
        self.give(self.waiting.popleft())
        return True

    def hand_on(self, exchange: Exchange) -> None:
        """It is over without an answer: what was to go in front of it is still to be answered."""
        current = self.current
        if current and current is not exchange and current.waits_for_words:
            current.before += exchange.before
        else:
            self._unanswered += exchange.before

    def put_in_front(self, exchange: Exchange, current: Exchange) -> None:
        """Answer both as one."""
        current.before += [*exchange.before, exchange]
        exchange.set_aside = True
        self._ports.say(Interrupted(exchange.turn, ""))

    def interrupt(self) -> None:
        """End the reply in progress; words that nobody has taken up go to the next turn."""
        current = self.current
        if current is None:
            return
        answer = current.answer
        if answer is None:
            self._set_aside(current)
        elif answer.held_back:
            current.take_back()
            self._set_aside(current)
        elif answer.was_heard_whole():
            answer.finish()
            self.leave()
        elif (heard := answer.cut()) is not None:
            self.leave()
            self._ports.say(Interrupted(current.turn, heard))
        else:
            current.answer = None
            self._set_aside(current)

    def _set_aside(self, exchange: Exchange) -> None:
        """Nobody was asked yet: its words, once they are known, go in front of the next turn's."""
        self.current = None
        self._unanswered += [*exchange.before, exchange]
        exchange.set_aside = True
        self._ports.say(Interrupted(exchange.turn, ""))

    def leave(self) -> None:
        """The current exchange is over."""
        left, self.current = self.current, None
        if left is None:
            return
        self._ports.life.remove(left.life)
        if left.answer:
            self._ledger = left.answer.ledger
            if left.answer.speaking:
                self._ended = self._ports.clock.now
                self.has_spoken = True

    # What is being heard

    def begins_to_speak(self) -> None:
        """The first sample of the reply was heard."""
        self._began = self._ports.clock.now

    def skip_echo_tail(self) -> None:
        """Whoever speaks now is the user."""
        self._ended = None

    @property
    def pace(self) -> float:
        """Samples per character of the last reply."""
        return self._ledger.pace

    @property
    def is_warming_up(self) -> bool:
        """Whether a reply began so recently that speech does not hold it back."""
        return self._ms_since(self._began) < self._settings.warm_up_ms

    @property
    def in_echo_tail(self) -> bool:
        """Whether a reply ended so recently that its echo may still be heard."""
        return self._ms_since(self._ended) < self._settings.echo_tail_ms

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
