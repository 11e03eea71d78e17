"""Who speaks, and who is to fall silent: one subscription's state."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
from reactivex.disposable import Disposable

from rxvoice._words import words
from rxvoice.elements import AudioChunk, Event, Notice, Transcript, TurnFailed
from rxvoice.errors import StageError
from rxvoice.events import (
    Candidate,
    Confirmed,
    Dropped,
    DropReason,
    Idle,
    Interrupted,
    Partial,
    Paused,
    Resumed,
    ResumeReason,
    Speaking,
    Transcribed,
    TurnEnded,
    TurnOpened,
)
from rxvoice.operators._conversation._alarm import Alarm
from rxvoice.operators._conversation._answer import Answer
from rxvoice.operators._conversation._candidate import Evidence
from rxvoice.operators._conversation._exchange import Exchange
from rxvoice.operators._conversation._ledger import Ledger
from rxvoice.operators._conversation._playback import Playback
from rxvoice.operators._conversation._ports import Ports, just
from rxvoice.operators._conversation._responder import Responder
from rxvoice.operators._conversation._settings import Settings
from rxvoice.operators.kernel import Subscription
from rxvoice.turn import Turn

__all__ = ["Engine", "Phase"]


class Phase(Enum):
    """How far the exchange that has the floor has come."""

    QUIET = "quiet"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class Engine:
    """One subscription: turns in; speech, the log and events out.

    Every input is done in the mailbox of the ports, so no two run at once. An input notes what has
    happened, and `_settle` then does all that follows from it.

    At most one exchange has the floor, and is *current*. Others *wait* for it to be over, are
    *candidates* that may interrupt it, or are *unanswered*: their words go in front of the next
    question.
    """

    def __init__(self, out: Subscription[Any], settings: Settings) -> None:
        self._settings = settings
        self._ports = ports = Ports(out, self._settle)
        self._playback = Playback(settings.sink, settings.duck)
        self._responder = Responder(settings.reply)
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._candidates: list[Exchange] = []
        self._unanswered: list[Exchange] = []
        self._last_opened: Exchange | None = None
        self._count = self._typed = 0
        self._streams = False  # whether a partial transcript was ever seen
        self._held_back: Exchange | None = None  # whose reply is paused for a candidate
        self._is_paused = False  # and not only ducked
        self._resume_reason: ResumeReason = "quiet"
        self._too_long = Alarm(ports)
        self._idling = Alarm(ports)
        self._has_spoken = self._is_resting = False
        self._ledger = Ledger(0)  # of the last reply
        self._began: datetime | None = None  # when a reply was last heard to begin,
        self._ended: datetime | None = None  # and to end
        self._source_over = False

    def begin(self) -> None:
        """Follow the sink and the app, until the subscription is disposed."""
        ports, playback = self._ports, self._playback
        ports.life.add(Disposable(partial(ports.post, self._on_disposed)))
        if playback.played is not None:
            ports.follow(playback.played, ports.from_afar, lambda _: None, self._on_played_over)
        if playback.events is not None:
            ports.follow(playback.events, ports.from_afar, ports.say)
        if self._settings.interrupts is not None:
            ports.follow(self._settings.interrupts, ports.from_afar, self._on_interrupt)

    @property
    def phase(self) -> Phase:
        """How far the current exchange has come."""
        current = self._current
        if current is None:
            return Phase.QUIET
        if current.answer is None or current.answer.held_back:
            return Phase.LISTENING
        return Phase.SPEAKING if current.answer.speaking else Phase.THINKING

    # From upstream, on any thread

    def take(self, element: Turn | Event) -> None:
        """A turn opens, or something happened upstream."""
        if isinstance(element, Turn):
            self._ports.post(partial(self._on_turn, element))
        else:
            self._ports.post(partial(self._ports.say, element))

    def complete(self) -> None:
        """There will be no more turns."""
        self._ports.post(self._on_source_over)

    def fail(self, error: Exception) -> None:
        """The source has failed."""
        self._ports.post(partial(self._ports.fail, error))

    # The inputs

    def _on_turn(self, turn: Turn) -> None:
        self._advance()  # a reply may end at this very moment
        exchange = self._exchange(turn)
        before, self._last_opened = self._last_opened, exchange
        if self._settings.interruptions and (self._current or self._in_echo_tail):
            exchange.evidence = Evidence(self._settings.gates)
            if before and exchange.goes_on_from(before):
                exchange.evidence.follow()
            self._candidates.append(exchange)
            self._ports.say(Candidate(turn))
        else:
            self._open(exchange)
        self._listen(exchange)

    def _open(self, exchange: Exchange) -> None:
        self._ports.say(TurnOpened(exchange.turn))
        if self._current:
            self._waiting.append(exchange)
        else:
            self._give(exchange)

    def _exchange(self, turn: Turn) -> Exchange:
        self._wake()
        self._count += 1
        exchange = Exchange(turn, self._count)
        self._ports.life.add(exchange.life)
        return exchange

    def _wake(self) -> None:
        """Somebody is there."""
        self._is_resting = False
        self._idling.cancel()

    def _listen(self, exchange: Exchange) -> None:
        life = exchange.life
        door = self._ports.door(life, partial(self._on_lost, exchange))
        # Its chunks first: a cough is dropped before a recogniser of whole turns is asked.
        self._ports.follow(
            exchange.turn,
            door,
            partial(self._on_chunk, exchange),
            partial(self._on_turn_over, exchange),
            lambda _: None,  # `listen` tells it
            life=life,
        )
        self._ports.follow(
            just(exchange.turn).pipe(self._settings.listen),
            door,
            partial(self._on_listened, exchange),
            partial(self._on_listened_out, exchange),
            life=life,
        )

    def _on_chunk(self, exchange: Exchange, chunk: AudioChunk) -> None:
        exchange.hear(chunk)
        if exchange.evidence is None:
            return
        self._advance()  # what it is spoken over is what is being heard by now
        phase = self.phase
        try:
            exchange.evidence.hear(
                chunk,
                over_reply=phase is not Phase.QUIET,
                over_voice=phase is Phase.SPEAKING,
                warm_up=self._ms_since(self._began) < self._settings.warm_up_ms,
            )
        except Exception as error:  # the echo detector's
            turn = exchange.turn
            self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))
            exchange.evidence.decide("failed")
        if not exchange.evidence.holds:
            self._resume_reason = "quiet"

    def _on_turn_over(self, exchange: Exchange) -> None:
        turn = exchange.turn
        if not exchange.set_aside:
            self._ports.say(TurnEnded(turn, turn.start + len(turn.audio)))
        if turn.ended_by == "discarded":
            self._discard(exchange)
        elif exchange.evidence:
            self._resume_reason = "quiet"
            exchange.evidence.end(turn)

    def _discard(self, exchange: Exchange) -> None:
        if exchange.evidence:
            exchange.evidence.decide("discarded")
        elif exchange in self._waiting:
            self._waiting.remove(exchange)
            self._drop(exchange, "discarded")
        elif exchange is self._current:
            if exchange.answer:
                exchange.answer.take_back()
            self._drop(exchange, "discarded")
            self._leave()
        else:
            exchange.text = ""  # it was set aside

    def _on_listened(self, exchange: Exchange, element: object) -> None:
        if not isinstance(element, Transcript):
            self._ports.say(element)
            if isinstance(element, TurnFailed):
                self._on_lost(exchange)
        elif not element.final:
            self._on_partial(exchange, element.text)
        elif exchange.text is None:
            self._on_text(exchange, element.text)

    def _on_partial(self, exchange: Exchange, text: str) -> None:
        self._streams = True
        exchange.read(text)
        if not exchange.set_aside:
            self._ports.say(Partial(exchange.turn, text))
        if exchange.evidence:
            exchange.evidence.read(text, self._spoken_words())

    def _on_text(self, exchange: Exchange, text: str) -> None:
        exchange.text = text
        if not exchange.set_aside:
            self._ports.say(Transcribed(exchange.turn, text))
        if exchange.evidence:
            exchange.evidence.read(text, self._spoken_words(), final=True)

    def _on_listened_out(self, exchange: Exchange) -> None:
        if exchange.text is None:
            exchange.text = ""
            if exchange.evidence:
                exchange.evidence.read("", frozenset(), final=True)

    def _on_lost(self, exchange: Exchange) -> None:
        """It cannot go on: its recogniser failed, or downstream raised at what came of it."""
        if exchange.life.is_disposed:
            return
        answer = exchange.answer
        if exchange.evidence:
            exchange.evidence.decide("failed")
        elif answer is None or answer.held_back:
            exchange.failed, exchange.text = True, ""
        elif exchange is self._current:
            answer.break_off()

    def _on_interrupt(self, text: str | None) -> None:
        self._advance()
        self._wake()
        if text is None or not words(text):
            self._on_button()
        else:
            self._on_typed(text)

    def _on_button(self) -> None:
        """Let the user speak."""
        current = self._current
        candidate = self._candidates[-1].evidence if self._candidates else None
        if candidate:
            candidate.decide("confirmed")
        elif current and not current.is_listened_to:
            self._interrupt()
        self._ended = None  # whoever speaks now is the user

    def _on_typed(self, text: str) -> None:
        """Answer this, as if it had been said."""
        self._typed += 1
        typed = self._exchange(Turn.of(np.empty(0, np.float32), id=-self._typed))
        current = self._current
        if current and current.is_listened_to:
            self._ports.say(TurnOpened(typed.turn))
            self._on_text(typed, text)
            self._put_in_front(typed, current)
        else:
            self._interrupt()
            self._give(typed)
            self._ports.say(TurnOpened(typed.turn))
            self._on_text(typed, text)

    def _on_played_over(self) -> None:
        self._playback.played = None

    def _on_too_long(self) -> None:
        self._resume_reason = "too_long"
        for exchange in self._candidates:
            if exchange.evidence:
                exchange.evidence.give_up()

    def _on_source_over(self) -> None:
        self._source_over = True
        for exchange in self._candidates:
            if exchange.evidence and exchange.turn.is_open:
                exchange.evidence.decide("closed")
        current = self._current
        if current and current.turn.is_open:
            self._drop(current, "closed")
            self._leave()

    def _on_disposed(self) -> None:
        """Nothing more of a reply is heard, and the responder learns what was."""
        current = self._current
        if current and current.answer:
            if current.answer.held_back:
                current.answer.take_back()
            elif not current.answer.was_heard_whole():
                current.answer.cut()
        self._leave()

    # What follows from an input

    def _settle(self) -> None:
        """Do all that follows, until nothing does."""
        if self._ports.life.is_disposed:
            return
        while (
            self._fail_by_sink()
            or self._advance()
            or self._judge()
            or self._answer()
            or self._preempt()
            or self._go_on()
            or self._hold_back()
        ):
            pass
        self._rest()

    def _fail_by_sink(self) -> bool:
        """What the sink has raised fails the turn that is being answered, and no more."""
        error = self._playback.take_error()
        if error is None:
            return False
        current = self._current
        if current and current.answer and not current.answer.held_back:
            current.answer.fail(error)
            self._leave()
        else:
            self._ports.say(Notice(f"the sink failed: {type(error).__name__}: {error}", error))
            if not self._held_back:
                self._playback.release()  # it may not have gone on
        self._playback.take_error()  # one is enough
        return True

    def _advance(self) -> bool:
        """See how far playback has come."""
        current = self._current
        answer = current.answer if current else None
        if current is None or answer is None or answer.held_back:
            return False
        begins = answer.begins_to_be_heard()
        if begins:
            self._began = self._ports.clock.now
            self._ports.say(Speaking(current.turn))
        if not answer.is_over():
            return begins
        answer.finish()
        self._leave()
        return True

    def _judge(self) -> bool:
        """Confirm or drop the first candidate of which is known what it is."""
        for exchange in self._candidates:
            verdict = exchange.evidence.verdict if exchange.evidence else None
            if verdict is None:
                continue
            self._candidates.remove(exchange)
            exchange.evidence = None
            if verdict == "confirmed":
                self._confirm(exchange)
            else:
                self._resume_reason = verdict
                self._drop(exchange, verdict)
            return True
        return False

    def _confirm(self, exchange: Exchange) -> None:
        current = self._current
        if current and current.number > exchange.number and current.answer is None:
            # A later one was confirmed sooner, and nobody was asked yet.
            self._announce(exchange)
            self._put_in_front(exchange, current)
            self._resume_reason = "joined"
            return
        exchange.interrupts = self.phase in (Phase.THINKING, Phase.SPEAKING)
        self._interrupt()
        self._give(exchange)
        self._announce(exchange)

    def _announce(self, exchange: Exchange) -> None:
        self._ports.say(Confirmed(exchange.turn))
        self._ports.say(TurnOpened(exchange.turn))

    def _drop(self, exchange: Exchange, reason: DropReason) -> None:
        self._ports.life.remove(exchange.life)
        self._ports.say(Dropped(exchange.turn, reason))

    def _answer(self) -> bool:
        """Answer the current turn, once all of its words are known."""
        current = self._current
        if current is None or (question := current.question) is None:
            return False
        answer = current.answer
        if answer:
            if not answer.held_back:
                return False
            if words(question) == words(answer.transcript.text):
                answer.let_out()
                return True
            self._take_back(current, answer)
        for exchange in current.before:
            self._ports.life.remove(exchange.life)
        if question:
            self._begin_answer(current, question, held_back=False)
            return True
        if not current.failed:
            self._drop(current, "no_words")
        self._leave()
        return True

    def _preempt(self) -> bool:
        """Begin to answer before the turn is over, where asked for, or think better of it."""
        exchange, after_ms = self._current, self._settings.preempt_after_ms
        if after_ms is None or exchange is None or exchange.text is not None:
            return False
        said = words(exchange.partial)
        if exchange.answer:
            if said == words(exchange.answer.transcript.text):
                return False
            self._take_back(exchange, exchange.answer)
            return True
        if (
            not said
            or exchange.before
            or exchange.silence_ms < after_ms
            or exchange.tries >= self._settings.preempt_tries
        ):
            return False
        exchange.tries += 1
        self._begin_answer(exchange, exchange.partial.strip(), held_back=True)
        return True

    def _begin_answer(self, exchange: Exchange, question: str, *, held_back: bool) -> None:
        answer = exchange.answer = Answer(
            Transcript(exchange.turn, question),
            interrupts=exchange.interrupts,
            pace=self._ledger.pace,
            held_back=held_back,
            playback=self._playback,
            responder=self._responder,
            ports=self._ports,
        )
        exchange.life.add(answer.life)
        answer.begin(self._settings.reply, partial(self._on_lost, exchange))

    def _take_back(self, exchange: Exchange, answer: Answer) -> None:
        exchange.answer = None
        answer.take_back()

    def _go_on(self) -> bool:
        """Give the floor to the next one that waits."""
        if self._current or not self._waiting:
            return False
        self._give(self._waiting.popleft())
        return True

    def _hold_back(self) -> bool:
        """Pause while a candidate wants it; go on when none does. Never the cause of more."""
        current = self._current
        wanted = any(it.evidence and it.evidence.holds for it in self._candidates)
        if current and wanted and self._held_back is not current:
            self._held_back = current
            self._is_paused = self._playback.hold()
            if self._is_paused:
                self._ports.say(Paused(current.turn))
            limit = self._settings.resume_after_ms if self._streams else self._settings.hold_ms
            self._too_long.set(limit, self._on_too_long)
        elif self._held_back and not wanted:
            self._release()
            if current and self._is_paused:
                self._ports.say(Resumed(current.turn, self._resume_reason))
        else:
            return False
        return True

    def _release(self) -> None:
        self._held_back = None
        self._too_long.cancel()
        self._playback.release()

    def _rest(self) -> None:
        """Nobody is left to be answered: it is over, or only quiet."""
        if self._candidates or self._current or self._waiting:
            return
        idle_ms = self._settings.idle_ms
        if self._source_over:
            self._ports.complete(self._playback.flush)
        elif idle_ms is not None and self._has_spoken and not self._is_resting:
            self._is_resting = True
            self._idling.set(idle_ms, partial(self._ports.say, Idle(round(idle_ms))))

    # The floor is given, taken and left

    def _give(self, exchange: Exchange) -> None:
        """Make it current; nobody is."""
        exchange.before, self._unanswered = self._unanswered, []
        self._current = exchange

    def _put_in_front(self, exchange: Exchange, current: Exchange) -> None:
        """Answer both as one."""
        current.before.append(exchange)
        exchange.set_aside = True
        self._ports.say(Interrupted(exchange.turn, ""))

    def _interrupt(self) -> None:
        """End the reply in progress; words that nobody has taken up go to the next turn."""
        current = self._current
        if current is None:
            return
        answer = current.answer
        if answer is None:
            self._set_aside(current)
        elif answer.held_back:
            self._take_back(current, answer)
            self._set_aside(current)
        elif answer.was_heard_whole():
            answer.finish()
            self._leave()
        elif (heard := answer.cut()) is not None:
            self._leave()
            self._ports.say(Interrupted(current.turn, heard))
        else:
            current.answer = None
            self._set_aside(current)

    def _set_aside(self, exchange: Exchange) -> None:
        """Nobody was asked yet: its words, once they are known, go in front of the next turn's."""
        self._current = None
        self._unanswered = [*exchange.before, exchange]
        exchange.set_aside = True
        self._release()
        self._ports.say(Interrupted(exchange.turn, ""))

    def _leave(self) -> None:
        """The current exchange is over."""
        left, self._current = self._current, None
        self._release()
        if left is None:
            return
        self._ports.life.remove(left.life)
        if left.answer:
            self._ledger = left.answer.ledger
            if left.answer.speaking:
                self._ended = self._ports.clock.now
                self._has_spoken = True

    # What a candidate is judged by

    @property
    def _in_echo_tail(self) -> bool:
        """Whether a reply ended so recently that its echo may still be heard."""
        return self._ms_since(self._ended) < self._settings.echo_tail_ms

    def _spoken_words(self) -> frozenset[str]:
        """What the assistant is saying, or has just said: words that may be its echo."""
        if self._current and self._current.answer:
            ledger = self._current.answer.ledger
        elif self._in_echo_tail:
            ledger = self._ledger
        else:
            return frozenset()
        return ledger.words_at(self._playback.position)

    def _ms_since(self, then: datetime | None) -> float:
        if then is None:
            return float("inf")
        return (self._ports.clock.now - then).total_seconds() * 1000
