"""Who speaks, and who is to fall silent: one subscription's state."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import TimeoutScheduler

from rxvoice.elements import AudioChunk, Event, Reply, Speech, Transcript, TurnFailed
from rxvoice.errors import StageError
from rxvoice.events import (
    Candidate,
    Confirmed,
    Dropped,
    DropReason,
    Finished,
    Idle,
    Interrupted,
    Partial,
    Paused,
    ReplyDelta,
    ReplyStarted,
    Resumed,
    Speaking,
    Transcribed,
    TurnOpened,
)
from rxvoice.operators._interruption._alarm import Alarm, home
from rxvoice.operators._interruption._evidence import Evidence
from rxvoice.operators._interruption._exchange import Answer, Exchange
from rxvoice.operators._interruption._inlets import Bring, door, follow, foreign, just, tapped
from rxvoice.operators._interruption._ledger import Ledger
from rxvoice.operators._interruption._mailbox import Action, Mailbox
from rxvoice.operators._interruption._playback import Playback
from rxvoice.operators._interruption._settings import Settings, Stage
from rxvoice.operators._interruption._words import words
from rxvoice.operators._kernel import Subscription
from rxvoice.turn import Turn

__all__ = ["Dialogue"]

_log = logging.getLogger("rxvoice")


class Dialogue:
    """One subscription: turns in, replies and events out.

    At any time there is one *current* exchange at the most: a turn that is being spoken, written
    down, thought about or answered aloud. *Candidates* are turns that opened meanwhile and may yet
    interrupt it. *Waiting* are those that may not.

    Every method from `_on_turn` on runs in the mailbox, and so alone. What it has to say goes
    downstream once it is done.
    """

    def __init__(self, out: Subscription[Any], settings: Settings) -> None:
        self._out = out
        self._settings = settings
        self._mailbox = Mailbox(self._broken)
        self._home = home(out.scheduler)
        self._clock = self._home or TimeoutScheduler.singleton()
        self._pausing = Alarm(out.scheduler, self._mailbox, out.life)
        self._idling = Alarm(out.scheduler, self._mailbox, out.life)
        self._playback = Playback(settings.sink, settings.duck)
        self._responder = next(filter(_is_responder, settings.reply), None)
        self._current: Exchange | None = None
        self._candidates: list[Exchange] = []
        self._waiting: deque[Exchange] = deque()
        self._unanswered: list[Exchange] = []  # whose words go in front of the next turn's
        self._count = 0
        self._streams = False  # whether a partial transcript was ever seen
        self._paused = False  # whether somebody was told so
        self._ledger = Ledger(0)  # of the last reply
        self._began: datetime | None = None  # when a reply was last heard to begin,
        self._ended: datetime | None = None  # and to end
        self._talked = False  # whether any was heard
        self._source_over = self._completed = False

    def begin(self) -> None:
        """Follow the sink and the app, until the subscription is disposed."""
        out, playback = self._out, self._playback
        out.life.add(Disposable(lambda: self._mailbox.post(self._on_disposed)))
        bring = foreign(self._mailbox, out)
        if playback.played is not None:
            self._follow(playback.played, bring, self._on_played, self._on_played_over)
        if playback.events is not None:
            self._follow(playback.events, bring, self._say)
        if self._settings.interrupts is not None:
            self._follow(self._settings.interrupts, bring, self._on_interrupt)

    # What comes in, on any thread

    def take(self, element: Turn | Event) -> None:
        """A turn opens, or something happened upstream."""
        if isinstance(element, Turn):
            self._mailbox.post(partial(self._on_turn, element))
        else:
            self._mailbox.post(partial(self._say, element))

    def complete(self) -> None:
        """There will be no more turns."""
        self._mailbox.post(self._on_source_over)

    def fail(self, error: Exception) -> None:
        """The source has failed."""
        self._mailbox.post(partial(self._fail, error))

    def _follow(
        self,
        observable: Observable[Any],
        bring: Bring,
        on_next: Callable[[Any], None],
        on_completed: Action | None = None,
        on_error: Callable[[Exception], None] | None = None,
        life: CompositeDisposable | None = None,
    ) -> None:
        follow(
            observable,
            bring,
            on_next,
            on_error or self._fail,
            on_completed,
            life=self._out.life if life is None else life,
            scheduler=self._out.scheduler,
        )

    # What goes out

    def _say(self, element: object) -> None:
        self._mailbox.send(partial(self._emit, element))

    def _emit(self, element: object) -> None:
        if not self._out.life.is_disposed:
            self._out.emit(element)

    # A turn opens

    def _on_turn(self, turn: Turn) -> None:
        self._advance()  # a reply may end at this very moment
        self._idling.cancel()
        exchange = self._exchange(turn)
        if self._settings.interruptions and (self._current or self._in_echo_tail()):
            exchange.evidence = Evidence(self._settings.gates)
            self._candidates.append(exchange)
            self._say(Candidate(turn))
        elif self._current:
            self._waiting.append(exchange)
            self._say(TurnOpened(turn))
        else:
            self._make_current(exchange)
            self._say(TurnOpened(turn))
        self._listen(exchange)

    def _exchange(self, turn: Turn) -> Exchange:
        self._count += 1
        exchange = Exchange(turn, self._count)
        self._out.life.add(exchange.life)
        return exchange

    def _make_current(self, exchange: Exchange) -> None:
        exchange.before, self._unanswered = self._unanswered, []
        self._current = exchange

    def _in_echo_tail(self) -> bool:
        return self._ms_since(self._ended) < self._settings.echo_tail_ms

    def _ms_since(self, then: datetime | None) -> float:
        if then is None:
            return float("inf")
        return (self._clock.now - then).total_seconds() * 1000

    # It is listened to

    def _listen(self, exchange: Exchange) -> None:
        life = exchange.life
        bring = door(self._mailbox, life, partial(self._on_lost, exchange))
        # Its chunks first: a cough is dropped before a recogniser of whole turns is asked.
        self._follow(
            exchange.turn,
            bring,
            partial(self._on_chunk, exchange),
            partial(self._on_turn_over, exchange),
            lambda _: None,  # `listen` tells it
            life=life,
        )
        self._follow(
            just(exchange.turn).pipe(self._settings.listen),
            bring,
            partial(self._on_listened, exchange),
            partial(self._on_listened_out, exchange),
            life=life,
        )

    def _on_chunk(self, exchange: Exchange, chunk: AudioChunk) -> None:
        if chunk.speech:
            exchange.silence_ms = 0
        else:
            exchange.silence_ms += len(chunk.samples) * 1000 / chunk.sample_rate
        if exchange.evidence is None:
            self._preempt(exchange)
            return
        warming_up = self._ms_since(self._began) < self._settings.warm_up_ms
        try:
            counts = exchange.evidence.hear(chunk, deaf=warming_up)
        except Exception as error:
            turn = exchange.turn
            self._say(TurnFailed(turn, StageError("interruptible", turn, error)))
            self._on_lost(exchange)
        else:
            if counts and not exchange.held:
                exchange.held = True
                self._hold()
            self._judge(exchange)

    def _on_turn_over(self, exchange: Exchange) -> None:
        evidence = exchange.evidence
        if evidence is None or evidence.spoke:
            return
        if self._settings.gates.stop_words:
            if self._candidates == [exchange]:
                self._resume()  # and wait for what it said
        else:
            self._drop(exchange, evidence.against)

    def _on_listened(self, exchange: Exchange, element: object) -> None:
        if isinstance(element, Transcript):
            if element.final:
                self._on_text(exchange, element.text)
            else:
                self._on_partial(exchange, element.text)
            return
        self._say(element)
        if isinstance(element, TurnFailed):
            self._on_lost(exchange)

    def _on_listened_out(self, exchange: Exchange) -> None:
        if exchange.text is None:
            self._understood(exchange, "")

    def _on_partial(self, exchange: Exchange, text: str) -> None:
        self._streams = True
        if words(text) != words(exchange.partial):
            exchange.silence_ms = 0
        exchange.partial = text
        self._say(Partial(exchange.turn, text))
        if exchange.evidence is None:
            self._preempt(exchange)
        else:
            exchange.evidence.read(text, self._spoken_words())
            self._judge(exchange)

    def _on_text(self, exchange: Exchange, text: str) -> None:
        if exchange.text is None:
            self._say(Transcribed(exchange.turn, text))
            self._understood(exchange, text)

    def _understood(self, exchange: Exchange, text: str) -> None:
        exchange.text = text
        evidence = exchange.evidence
        if evidence is None:
            self._answer_current()
            return
        evidence.read(text, self._spoken_words())
        if evidence.stops or (evidence.spoke and evidence.has_words):
            self._confirm(exchange)
        else:
            self._drop(exchange, evidence.against)

    def _on_lost(self, exchange: Exchange) -> None:
        """It cannot go on: its recogniser failed, or a subscriber raised."""
        if exchange.life.is_disposed:
            return
        if exchange.evidence is not None:
            self._drop(exchange, "failed")
        elif exchange.answer is None or exchange.answer.held is not None:
            exchange.failed, exchange.text = True, ""
            self._answer_current()
        elif exchange is self._current:
            exchange.answer.life.dispose()
            exchange.answer.over, exchange.answer.failed = True, "interruptible"
            self._advance()

    # A candidate is judged

    def _judge(self, exchange: Exchange) -> None:
        evidence = exchange.evidence
        if evidence is None:
            return
        needs_words = self._streams or self._is_thinking()
        if evidence.stops or (evidence.spoke and (evidence.has_words or not needs_words)):
            self._confirm(exchange)

    def _is_thinking(self) -> bool:
        """Whether nothing of the reply was heard: noise, which has no words, must not end it."""
        current = self._current
        return current is not None and not (current.answer and current.answer.speaking)

    def _spoken_words(self) -> frozenset[str]:
        current = self._current
        if current and current.answer:
            return current.answer.ledger.words_at(self._playback.position)
        return self._ledger.words_at(self._playback.position) if self._in_echo_tail() else _NONE

    def _confirm(self, exchange: Exchange) -> None:
        self._candidates.remove(exchange)
        current = self._current
        exchange.evidence = None
        if current and current.number > exchange.number and current.answer is None:
            self._say(Confirmed(exchange.turn))
            self._put_in_front(exchange, current)
            if not self._candidates:
                self._resume()
        else:
            self._interrupt()
            self._make_current(exchange)
            self._say(Confirmed(exchange.turn))
            if self._candidates:
                self._hold()
        self._answer_current()

    def _drop(self, exchange: Exchange, reason: DropReason) -> None:
        self._candidates.remove(exchange)
        self._out.life.remove(exchange.life)
        self._say(Dropped(exchange.turn, reason))
        if not self._candidates:
            self._resume()
        self._settle()

    # Playback is held back meanwhile

    def _hold(self) -> None:
        current = self._current
        if current is None:
            return
        if self._playback.hold() and not self._paused:
            self._paused = True
            self._say(Paused(current.turn))
        self._pausing.set(self._settings.resume_after_ms, self._on_pause_over)

    def _on_pause_over(self) -> None:
        # What it says is not known yet, but it did speak: better than to speak over the user.
        if not self._streams:
            for exchange in self._candidates:
                if exchange.evidence and exchange.evidence.spoke:
                    self._confirm(exchange)
                    return
        self._resume()

    def _resume(self) -> None:
        current = self._current
        if self._release() and current:
            self._say(Resumed(current.turn))

    def _release(self) -> bool:
        """Let the sink go on; whether somebody was told that it did not."""
        self._pausing.cancel()
        self._playback.release()
        paused, self._paused = self._paused, False
        return paused

    # The current turn is answered

    def _answer_current(self) -> None:
        """Answer the current turn, once all of its words are known."""
        current = self._current
        if current is None or (question := current.question) is None:
            return
        answer = current.answer
        if answer is not None:
            if answer.held is None:
                return
            if words(question) == words(answer.transcript.text):
                self._let_speak(answer)
                return
            self._take_back(current)
        for exchange in current.before:
            self._out.life.remove(exchange.life)
        if question:
            self._answer(current, question, held=None)
            return
        if not current.failed:
            self._say(Dropped(current.turn, "no_words"))
        self._leave()
        self._next()

    def _answer(self, exchange: Exchange, question: str, held: deque[Action] | None) -> None:
        transcript = Transcript(exchange.turn, question)
        ledger = Ledger(self._playback.written, self._ledger.pace)
        answer = exchange.answer = Answer(transcript, ledger, held)
        exchange.life.add(answer.life)

        bring = door(self._mailbox, answer.life, partial(self._on_lost, exchange))

        def note(reply: Reply) -> None:
            bring(partial(self._on_made, answer, partial(self._on_reply, answer, reply)))

        made = just(transcript)
        for stage in self._settings.reply[:-1]:
            made = made.pipe(stage, tapped(note))
        self._follow(
            made.pipe(self._settings.reply[-1]),
            bring,
            lambda element: self._on_made(answer, partial(self._on_element, answer, element)),
            lambda: self._on_made(answer, partial(self._on_made_out, answer)),
            life=answer.life,
        )

    def _on_made(self, answer: Answer, action: Action) -> None:
        if answer.held is None:
            action()
        else:
            answer.held.append(action)

    def _on_reply(self, answer: Answer, reply: Reply) -> None:
        if not reply.delta:
            return
        turn = answer.transcript.turn
        if not answer.begun:
            answer.begun = True
            self._say(ReplyStarted(turn))
        answer.ledger.text += reply.delta
        self._say(ReplyDelta(turn, reply.delta))

    def _on_element(self, answer: Answer, element: object) -> None:
        if isinstance(element, Speech) and element.final:
            answer.final = element
            self._on_made_out(answer)
            return
        if isinstance(element, Reply):
            self._on_reply(answer, element)
        elif isinstance(element, Speech):
            answer.ledger.add(element)
            self._playback.written += element.samples.shape[0]
        elif isinstance(element, TurnFailed):
            answer.failed = element.error.stage
        self._say(element)
        # When it has gone out: what this confirms clears the sink, and must find the piece there.
        self._mailbox.post(self._advance)

    def _on_made_out(self, answer: Answer) -> None:
        if not answer.over:
            answer.over = True
            if answer.failed in (None, "respond"):  # the last sentence was spoken whole
                answer.ledger.close()
            self._playback.end_reply()
        self._advance()

    # And begun before the turn is over, where asked for

    def _preempt(self, exchange: Exchange) -> None:
        after_ms = self._settings.preempt_after_ms
        if after_ms is None or exchange is not self._current or exchange.text is not None:
            return
        said = words(exchange.partial)
        if exchange.answer and said != words(exchange.answer.transcript.text):
            self._take_back(exchange)
        if (
            exchange.answer is None
            and said
            and not exchange.before
            and exchange.silence_ms >= after_ms
            and exchange.tries < self._settings.preempt_tries
        ):
            exchange.tries += 1
            self._answer(exchange, exchange.partial.strip(), deque())

    def _let_speak(self, answer: Answer) -> None:
        held, answer.held = answer.held or (), None
        for action in held:
            if not answer.life.is_disposed:
                action()

    def _take_back(self, exchange: Exchange) -> None:
        answer, exchange.answer = exchange.answer, None
        if answer is None:
            return
        exchange.life.remove(answer.life)
        if self._withdrawn(answer):
            self._tell("forget")

    # It is heard

    def _advance(self) -> None:
        """See how far playback has come."""
        current = self._current
        answer = current.answer if current else None
        if current is None or answer is None or answer.held is not None:
            return
        ledger, passed = answer.ledger, self._playback.passed
        if not answer.speaking and ledger.end > ledger.start and passed(ledger.start + 1):
            answer.speaking = True
            self._began = self._clock.now
            self._say(Speaking(current.turn))
            for candidate in self._candidates.copy():
                self._judge(candidate)
        if current is self._current and answer.over and passed(ledger.end):
            self._finish(current, answer)
            self._next()

    def _on_played(self, _: int) -> None:
        self._advance()

    def _on_played_over(self) -> None:
        self._playback.played = None
        self._advance()

    def _finish(self, exchange: Exchange, answer: Answer) -> None:
        """The reply was heard to its end."""
        ledger = answer.ledger
        if answer.failed:
            # The rest of what the responder wrote was never spoken.
            if answer.failed != "respond" and self._withdrawn(answer):
                self._tell("heard", ledger.heard(ledger.end))
        else:
            if answer.final:
                self._say(answer.final)
            text = answer.final.reply.text if answer.final else ledger.text
            self._say(Finished(exchange.turn, text))
        self._leave()

    def _leave(self) -> None:
        """The current exchange is over."""
        current, self._current = self._current, None
        self._release()
        if current is None:
            return
        self._out.life.remove(current.life)
        if current.answer:
            self._ledger = current.answer.ledger
            if current.answer.speaking:
                self._ended = self._clock.now
                self._talked = True

    def _next(self) -> None:
        """Answer who waits, if nobody is being answered."""
        if self._waiting and self._current is None:
            self._make_current(self._waiting.popleft())
            self._answer_current()
        self._settle()

    # Or interrupted

    def _interrupt(self) -> None:
        """End the reply in progress; words that nobody has taken up go to the next turn."""
        current = self._current
        answer = current.answer if current else None
        if current is None:
            return
        if answer is None or answer.held is not None:
            self._take_back(current)
            self._set_aside(current)
            return
        position = self._playback.position
        if answer.over and not answer.failed and position >= answer.ledger.end:
            self._finish(current, answer)
            return
        answer.life.dispose()
        heard = answer.ledger.heard(self._playback.clear())
        if not self._withdrawn(answer):
            current.answer = None
            self._set_aside(current)
            return
        if answer.failed != "respond":
            self._tell("heard", heard)
        if not answer.failed:
            self._say(_last(answer, heard))
        self._leave()
        self._say(Interrupted(current.turn, heard))

    def _set_aside(self, exchange: Exchange) -> None:
        """Nobody was asked yet: its words, once they are known, go in front of the next turn's."""
        self._current = None
        self._unanswered = [*exchange.before, exchange]
        self._release()
        self._say(Interrupted(exchange.turn, ""))

    def _on_interrupt(self, text: str | None) -> None:
        """The app interrupts, with what the user says instead or to hear what that is."""
        self._advance()
        self._idling.cancel()
        current = self._current
        if text is None or not words(text):
            if self._candidates:
                self._confirm(self._candidates[-1])
            elif current and not current.turn.is_open:
                self._interrupt()
                self._next()
            self._ended = None  # whoever speaks now is the user
            return
        typed = self._exchange(Turn.of(np.empty(0, np.float32), id=0))
        if current and current.turn.is_open:
            self._say(TurnOpened(typed.turn))
            self._on_text(typed, text)
            self._put_in_front(typed, current)
            return
        self._interrupt()
        self._make_current(typed)
        self._say(TurnOpened(typed.turn))
        self._on_text(typed, text)

    def _put_in_front(self, exchange: Exchange, current: Exchange) -> None:
        """Both are answered as one."""
        current.before.append(exchange)
        self._say(Interrupted(exchange.turn, ""))

    def _withdrawn(self, answer: Answer) -> bool:
        """Whether the responder had taken the question; if not, it never will."""
        withdraw = getattr(self._responder, "withdraw", None)
        return withdraw is None or bool(withdraw(answer.transcript))

    def _tell(self, name: str, *args: str) -> None:
        told = getattr(self._responder, name, None)
        if told is not None:
            told(*args)

    # It ends

    def _settle(self) -> None:
        """Nobody may be speaking now: is it over, or only quiet?"""
        if self._current or self._candidates or self._waiting:
            return
        if self._source_over:
            self._mailbox.send(self._complete)
        elif self._settings.idle_ms is not None and self._talked:
            idle = Idle(round(self._settings.idle_ms))
            self._idling.set(self._settings.idle_ms, partial(self._say, idle))

    def _complete(self) -> None:
        if not self._completed and not self._out.life.is_disposed:
            self._completed = True
            self._out.complete()

    def _on_source_over(self) -> None:
        self._source_over = True
        for exchange in self._candidates.copy():
            if exchange.turn.is_open:
                self._drop(exchange, "closed")
        if self._current and self._current.turn.is_open:
            self._say(Dropped(self._current.turn, "closed"))
            self._leave()
        self._next()

    def _broken(self, error: Exception) -> None:
        """The sink, or another part that was called here, has raised."""
        self._fail(StageError("interruptible", None, error))

    def _fail(self, error: Exception) -> None:
        self._mailbox.send(partial(self._end_by, error))

    def _end_by(self, error: Exception) -> None:
        if not self._out.life.is_disposed:
            self._out.fail(error)

    def _on_disposed(self) -> None:
        # What is held back is not to be heard later; the sink stays fit for use.
        if self._playback.held:
            try:
                self._playback.clear()
                self._playback.release()
            except Exception:
                _log.exception("the sink could not be cleared")


_NONE: frozenset[str] = frozenset()


def _is_responder(stage: Stage) -> bool:
    return hasattr(stage, "heard") or hasattr(stage, "withdraw")


def _last(answer: Answer, heard: str) -> Speech:
    """What ends a reply that was interrupted."""
    reply = Reply(answer.transcript, text=answer.ledger.text, final=True)
    return Speech(reply, np.empty(0, np.float32), 24_000, final=True, interrupted=True, heard=heard)
