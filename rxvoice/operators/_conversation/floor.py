"""Who has the floor: the exchange in progress, who wants the floor, and how it changes hands."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from enum import Enum
from functools import partial
from itertools import count

from rxvoice.elements import Say
from rxvoice.events import Dropped, DropReason, Idle, Interrupted, Speaking
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Alarm, Ports
from rxvoice.operators._conversation.reply import OngoingReply
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.turn import Turn


class Phase(Enum):
    """How far the exchange that has the floor has come."""

    QUIET = "quiet"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class Floor:
    """All exchanges that are not over. At most one has the floor.

    Each method makes one change. The engine settles what follows from it.

    Attributes:
        current: the exchange that has the floor.
        candidates: turns that may interrupt the reply in progress.
        waiting: turns that wait for the reply in progress to end.
        sayings: what the app wants to say once nobody has the floor.
        interruptions: whether turns may interrupt; see `may_interrupt`.
        has_spoken: whether any reply was ever heard.
    """

    def __init__(self, settings: ConverseSettings, playback: Playback, ports: Ports) -> None:
        self._settings = settings
        self._playback = playback
        self._ports = ports
        self.current: Exchange | None = None
        self.candidates: list[Exchange] = []
        self.waiting: deque[Exchange] = deque()
        self.sayings: deque[Exchange] = deque()
        self.interruptions = settings.interruptions is not False
        self.has_spoken = False
        self._unanswered: list[Exchange] = []  # their words go in front of the next question
        self._last_reply = SpokenReply(0)
        self._began: datetime | None = None  # when a reply last began to be heard
        self._ended: datetime | None = None  # when a reply last ended
        self._numbers = count()
        self._is_idle = False
        self._idling = Alarm(ports)
        self._next_word = Alarm(ports)

    @property
    def phase(self) -> Phase:
        """How far the current exchange has come."""
        current = self.current
        if current is None:
            return Phase.QUIET
        if current.reply is None or current.reply.held_back:
            return Phase.LISTENING
        return Phase.SPEAKING if current.reply.is_heard else Phase.THINKING

    # Exchanges come

    def new_exchange(self, turn: Turn, say: Say | None = None) -> Exchange:
        """Make an exchange, which has not got the floor yet."""
        self.wake()
        exchange = Exchange(turn, next(self._numbers), say)
        self._ports.life.add(exchange.life)
        return exchange

    def may_interrupt(self, turn: Turn) -> bool:
        """Whether this turn may end the reply in progress."""
        current = self.current
        if current and current.say and not current.say.interruptible:
            return False
        allowed = self._settings.interruptions
        if callable(allowed):
            return self._ports.call("interruptions", lambda: bool(allowed(turn)), True)
        return self.interruptions

    # The floor changes hands

    def give(self, exchange: Exchange) -> None:
        """Make this exchange the current one. Nobody else may have the floor any more."""
        if exchange.say is None:
            exchange.before = [*self._unanswered, *exchange.before]
            self._unanswered = []
        self.current = exchange

    def give_next(self) -> bool:
        """Give the floor to the first turn that waits, if nobody has it. True if it did."""
        if self.current or not self.waiting:
            return False
        self.give(self.waiting.popleft())
        return True

    def drop(self, exchange: Exchange, reason: DropReason) -> None:
        """End an exchange without a reply. Earlier words that it carries go to another one."""
        current = self.current
        if current and current is not exchange and current.waits_for_words:
            current.before += exchange.before
        else:
            self._unanswered += exchange.before
        self._ports.life.remove(exchange.life)
        self._ports.say(Dropped(exchange.turn, reason))

    def put_in_front(self, exchange: Exchange, current: Exchange) -> None:
        """Answer both as one question."""
        current.before += [*exchange.before, exchange]
        exchange.set_aside = True
        self._ports.say(Interrupted(exchange.turn, ""))

    def interrupt(self) -> None:
        """End the exchange in progress. Words that the model has not taken go to the next turn."""
        current = self.current
        if current is None:
            return
        reply = current.reply
        if reply is None:
            self._set_aside(current)
        elif reply.held_back:
            current.take_back()
            self._set_aside(current)
        elif reply.was_heard_whole():
            reply.finish()
            self.leave()
        elif (heard := reply.cut()) is not None:
            self.leave()
            self._ports.say(Interrupted(current.turn, heard))
        else:
            self._set_aside(current)

    def _set_aside(self, exchange: Exchange) -> None:
        """Take the floor from an unanswered turn. Its words go in front of the next turn's."""
        self.current = None
        self._unanswered += [*exchange.before, exchange]
        exchange.set_aside = True
        self._ports.say(Interrupted(exchange.turn, ""))

    def leave(self) -> None:
        """End the current exchange."""
        left, self.current = self.current, None
        if left:
            self._ports.life.remove(left.life)
        if left and left.reply:
            self._last_reply = left.reply.spoken
            if left.reply.is_heard:
                self._ended = self._ports.clock.now
                self.has_spoken = True

    # The reply is heard

    def advance(self) -> None:
        """Look how far playback has come. A reply may begin or end by that."""
        current = self.current
        reply = current.reply if current else None
        if current is None or reply is None:
            return
        if reply.note_first_heard():
            self._began = self._ports.clock.now
            self._ports.say(Speaking(current.turn))
        if self._settings.word_events and reply.is_heard:
            self._tell_words(reply)
        if reply.is_over():
            reply.finish()
            self.leave()

    def _tell_words(self, reply: OngoingReply) -> None:
        ms = reply.tell_words()
        if ms is not None:
            self._next_word.set(ms, lambda: None)  # the engine looks again after each action

    @property
    def pace(self) -> float:
        """Samples per character of the last reply."""
        return self._last_reply.pace

    @property
    def is_warming_up(self) -> bool:
        """Whether a reply began so recently that speech does not pause it."""
        return self._ms_since(self._began) < self._settings.warm_up_ms

    @property
    def in_echo_tail(self) -> bool:
        """Whether a reply ended so recently that the microphone may still have its echo."""
        return self._ms_since(self._ended) < self._settings.echo_tail_ms

    def skip_echo_tail(self) -> None:
        """From here on, speech is the user's."""
        self._ended = None

    def spoken_words(self) -> frozenset[str]:
        """The words that the assistant is saying, or has just said."""
        if self.current and self.current.reply:
            spoken = self.current.reply.spoken
        elif self.in_echo_tail:
            spoken = self._last_reply
        else:
            return frozenset()
        return spoken.words_at(self._playback.position)

    def _ms_since(self, then: datetime | None) -> float:
        if then is None:
            return float("inf")
        return (self._ports.clock.now - then).total_seconds() * 1000

    # Nobody speaks

    @property
    def is_free(self) -> bool:
        """Whether nobody has the floor or may get it. To who waits, the engine has given it."""
        return not (self.candidates or self.current)

    def idle(self) -> None:
        """Tell ``Idle`` once nobody has spoken for `idle_ms` after a reply, if it is wanted."""
        idle_ms = self._settings.idle_ms
        if idle_ms is not None and self.has_spoken and not self._is_idle:
            self._is_idle = True
            self._idling.set(idle_ms, partial(self._ports.say, Idle(round(idle_ms))))

    def wake(self) -> None:
        """Somebody has the floor, or wants it."""
        self._is_idle = False
        self._idling.cancel()
