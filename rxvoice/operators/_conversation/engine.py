"""What each input of a conversation does, and what follows from it: one subscription's state."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, cast

import numpy as np
from reactivex import Observable
from reactivex.disposable import Disposable

from rxvoice._text.words import words
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Say, Transcript
from rxvoice.errors import ModelThreadStuck
from rxvoice.events import (
    Candidate,
    Confirmed,
    Dropped,
    DropReason,
    Event,
    Idle,
    Notice,
    Partial,
    Saying,
    Speaking,
    Transcribed,
    TurnEnded,
    TurnFailed,
    TurnOpened,
)
from rxvoice.operators._conversation.candidates import Hold
from rxvoice.operators._conversation.evidence import Evidence
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor, Phase
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Alarm, Ports, just
from rxvoice.operators._conversation.reply import Answer, spoken_text
from rxvoice.operators._conversation.replying import Responder, Teller, responder_at, threads_of
from rxvoice.operators._conversation.settings import Settings
from rxvoice.operators._flat import flat
from rxvoice.operators.kernel import Subscription
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


class Engine:
    """One subscription: turns in; speech, the log and events out.

    Every input is done in the mailbox of the ports, so no two run at once. An input notes what has
    happened, and `_settle` then does all that follows from it. One that is not current and does not
    wait for the floor is a *candidate* that may interrupt the reply in progress.
    """

    def __init__(self, out: Subscription[Any], settings: Settings) -> None:
        self._settings = settings
        self._ports = ports = Ports(out, self._settle)
        self._playback = Playback(settings.sink, settings.duck)
        self._floor = Floor(settings, self._playback, ports)
        self._hold = Hold(self._playback, ports)
        self._candidates: list[Exchange] = []
        self._sayings: deque[Exchange] = deque()  # that wait until nobody has the floor
        self._last_opened: Exchange | None = None
        self._count = self._typed = 0
        self._streams = False  # whether a partial transcript was ever seen
        self._interruptions = settings.interruptions is not False
        self._is_resting = self._source_over = False
        self._told_stuck: Notice | None = None
        self._idling = Alarm(ports)
        self._next_word = Alarm(ports)

    def begin(self) -> None:
        """Follow the sink and the app, until the subscription is disposed."""
        ports, playback, settings = self._ports, self._playback, self._settings
        ports.life.add(Disposable(partial(ports.post, self._on_disposed)))
        if playback.played is not None:
            ports.follow(playback.played, ports.from_afar, lambda _: None, self._on_played_over)
        if playback.events is not None:
            ports.follow(playback.events, ports.from_afar, ports.say)
        allowed: object = settings.interruptions
        if isinstance(allowed, Observable):
            observable = cast("Observable[bool]", allowed)
            ports.follow(observable, ports.from_afar, self._on_interruptions)
        if settings.interrupts is not None:
            ports.follow(settings.interrupts, ports.from_afar, self._on_interrupt)
        if settings.says is not None:
            ports.follow(settings.says, ports.from_afar, self._on_say)
        listen = () if settings.listen is None else (settings.listen,)
        for thread in threads_of((*listen, *settings.reply)):
            told = thread.follow(lambda _, notice: ports.from_afar(partial(self._on_stuck, notice)))
            ports.life.add(told)

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
        self._floor.next()
        exchange = self._exchange(turn)
        before, self._last_opened = self._last_opened, exchange
        current = self._floor.current
        if (current or self._floor.in_echo_tail) and self._may_interrupt(turn):
            exchange.evidence = Evidence(self._settings.gates)
            if before and exchange.goes_on_from(before):
                exchange.evidence.follow()
            self._candidates.append(exchange)
            self._ports.say(Candidate(turn))
        else:
            self._ports.say(TurnOpened(turn))
            if current:
                self._floor.waiting.append(exchange)
            else:
                self._floor.give(exchange)
        self._listen(exchange)

    def _may_interrupt(self, turn: Turn) -> bool:
        """Whether this turn may end the reply in progress."""
        current = self._floor.current
        if current and current.say and not current.say.interruptible:
            return False
        allowed = self._settings.interruptions
        if callable(allowed):
            return bool(allowed(turn))
        return self._interruptions

    def _exchange(self, turn: Turn, say: Say | None = None) -> Exchange:
        self._wake()
        self._count += 1
        exchange = Exchange(turn, self._count, say)
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
        listen = self._settings.listen
        if listen is None:
            return
        self._ports.follow(
            just(exchange.turn).pipe(listen),
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
        phase = self._floor.phase
        try:
            exchange.evidence.hear(
                chunk,
                over_reply=phase is not Phase.QUIET,
                over_voice=phase is Phase.SPEAKING,
                warm_up=self._floor.is_warming_up,
            )
        except Exception as error:  # the echo detector's
            turn = exchange.turn
            self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))
            exchange.evidence.decide("failed")
        if not exchange.evidence.holds:
            self._hold.reason = "quiet"

    def _on_turn_over(self, exchange: Exchange) -> None:
        turn = exchange.turn
        if not exchange.set_aside:
            self._ports.say(TurnEnded(turn, turn.start + len(turn.audio)))
        if turn.ended_by == "discarded":
            self._discard(exchange)
        elif exchange.evidence:
            self._hold.reason = "quiet"
            exchange.evidence.end(turn)
        if self._settings.listen is None:
            self._on_listened_out(exchange)  # there are no words to wait for

    def _discard(self, exchange: Exchange) -> None:
        if exchange.evidence:
            exchange.evidence.decide("discarded")
        elif exchange in self._floor.waiting:
            self._floor.waiting.remove(exchange)
            self._drop(exchange, "discarded")
        elif exchange is self._floor.current:
            exchange.take_back()
            self._drop(exchange, "discarded")
            self._floor.leave()
        else:  # it was set aside
            exchange.transcript = Transcript(exchange.turn, "")

    def _on_listened(self, exchange: Exchange, element: object) -> None:
        if not isinstance(element, Transcript):
            if not isinstance(element, Dropped):  # of a turn that was discarded: told here
                self._pass_on(element)
            if isinstance(element, TurnFailed):
                self._on_lost(exchange)
        elif not element.final:
            self._on_partial(exchange, element.text)
        elif exchange.transcript is None:
            self._on_transcript(exchange, element)

    def _on_partial(self, exchange: Exchange, text: str) -> None:
        self._streams = True
        exchange.read(text)
        if not exchange.set_aside:
            self._ports.say(Partial(exchange.turn, text))
        if exchange.evidence:
            exchange.evidence.read(text, self._floor.spoken_words())

    def _on_transcript(self, exchange: Exchange, transcript: Transcript) -> None:
        exchange.transcript = transcript
        if not exchange.set_aside:
            self._ports.say(Transcribed(exchange.turn, transcript.text))
        if exchange.evidence:
            exchange.evidence.read(transcript.text, self._floor.spoken_words(), final=True)

    def _on_listened_out(self, exchange: Exchange) -> None:
        if exchange.transcript is None:
            exchange.transcript = Transcript(exchange.turn, "")
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
            exchange.failed, exchange.transcript = True, Transcript(exchange.turn, "")
        elif exchange is self._floor.current:
            answer.break_off()

    def _on_interrupt(self, text: str | None) -> None:
        self._advance()
        self._wake()
        if self._settings.listen is None and text is not None:
            self._ports.say(Notice("a text was typed, and this model takes none but speech"))
        elif text is None or not words(text):
            self._on_button()
        else:
            self._on_typed(text)

    def _on_button(self) -> None:
        """Let the user speak."""
        current = self._floor.current
        candidate = self._candidates[-1].evidence if self._candidates else None
        if candidate:
            candidate.decide("confirmed")
        elif current and not current.is_listened_to:
            self._floor.interrupt()
        self._floor.skip_echo_tail()

    def _on_typed(self, text: str) -> None:
        """Answer this, as if it had been said."""
        typed = self._exchange(self._turn_of_the_app())
        self._take_the_floor(typed)
        self._ports.say(TurnOpened(typed.turn))
        self._on_transcript(typed, Transcript(typed.turn, text))

    def _on_say(self, given: str | Say) -> None:
        """Say this, without a question."""
        say = Say(given) if isinstance(given, str) else given
        if not isinstance(cast("object", say), Say):
            raise TypeError(f"converse says must give a str or a Say, got {given!r}")
        saying = self._exchange(self._turn_of_the_app(), say)
        if say.when == "now":
            self._advance()
            self._take_the_floor(saying)
        else:
            self._sayings.append(saying)

    def _turn_of_the_app(self) -> Turn:
        self._typed += 1
        return Turn.of(np.empty(0, np.float32), id=-self._typed)

    def _take_the_floor(self, exchange: Exchange) -> None:
        """End the reply in progress; who is speaking still may interrupt what comes instead."""
        current = self._floor.current
        if current and current.is_listened_to:
            current.take_back()
            self._floor.current = None
            self._floor.give(exchange)
            if self._may_interrupt(current.turn):
                current.evidence = Evidence(self._settings.gates)
                current.evidence.follow(speaks=True)
                self._candidates.append(current)
                self._ports.say(Candidate(current.turn))
            else:
                self._floor.waiting.appendleft(current)
        else:
            self._floor.interrupt()
            self._floor.give(exchange)

    def _on_interruptions(self, allowed: bool) -> None:
        """From now on turns may interrupt, or must wait; candidates too."""
        self._interruptions = bool(allowed)
        if not allowed and self._floor.current:
            for exchange in self._candidates:
                exchange.evidence = None
                self._ports.say(TurnOpened(exchange.turn))
            self._floor.waiting.extend(self._candidates)
            self._candidates.clear()
            self._hold.reason = "waits"

    def _pass_on(self, element: object) -> None:
        """What a stage has to say beside its elements."""
        if isinstance(element, Notice) and isinstance(element.detail, ModelThreadStuck):
            self._on_stuck(element)
        else:
            self._ports.say(element)

    def _on_stuck(self, notice: Notice) -> None:
        """A thread that models share is stuck, or goes on; a stage at work may tell it as well."""
        if notice is not self._told_stuck:
            self._told_stuck = notice
            self._ports.say(notice)

    def _on_played_over(self) -> None:
        self._playback.played = None

    def _on_too_long(self) -> None:
        self._hold.reason = "too_long"
        for exchange in self._candidates:
            if exchange.evidence:
                exchange.evidence.give_up()

    def _on_source_over(self) -> None:
        self._source_over = True
        for exchange in self._candidates:
            if exchange.evidence and exchange.turn.is_open:
                exchange.evidence.decide("closed")
        current = self._floor.current
        if current and current.turn.is_open:
            self._drop(current, "closed")
            self._floor.leave()

    def _on_disposed(self) -> None:
        """Nothing more of a reply is heard, and the responder learns what was."""
        current = self._floor.current
        if current and current.answer:
            if current.answer.held_back:
                current.take_back()
            elif not current.answer.was_heard_whole():
                current.answer.cut()
        self._floor.leave()
        self._hold.release()

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
        current = self._floor.current
        if current and current.answer and not current.answer.held_back:
            current.answer.fail(error)
            self._floor.leave()
            self._hold.release()
        else:
            self._ports.say(Notice(f"the sink failed: {type(error).__name__}: {error}", error))
            if not any(it.evidence and it.evidence.holds for it in self._candidates):
                self._hold.release()  # it may not have gone on
        self._playback.take_error()  # one is enough
        return True

    def _advance(self) -> bool:
        """See how far playback has come."""
        current = self._floor.current
        answer = current.answer if current else None
        if current is None or answer is None or answer.held_back:
            return False
        begins = answer.begins_to_be_heard()
        if begins:
            self._floor.begins_to_speak()
            self._ports.say(Speaking(current.turn))
        if self._settings.word_events and answer.speaking:
            self._tell_words(answer)
        if not answer.is_over():
            return begins
        answer.finish()
        self._floor.leave()
        return True

    def _tell_words(self, answer: Answer) -> None:
        ms = answer.tell_words()
        if ms is not None and self._playback.played is not None:
            self._next_word.set(ms, lambda: None)  # to look again

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
                self._hold.reason = verdict
                self._drop(exchange, verdict)
            return True
        return False

    def _confirm(self, exchange: Exchange) -> None:
        current = self._floor.current
        if current and current.number > exchange.number and current.waits_for_words:
            # A later one was confirmed sooner, and nobody was asked yet.
            self._announce(exchange)
            self._floor.put_in_front(exchange, current)
            self._hold.reason = "joined"
            return
        exchange.interrupts = self._floor.phase in (Phase.THINKING, Phase.SPEAKING)
        self._floor.interrupt()
        self._floor.give(exchange)
        self._announce(exchange)

    def _announce(self, exchange: Exchange) -> None:
        self._ports.say(Confirmed(exchange.turn))
        self._ports.say(TurnOpened(exchange.turn))

    def _drop(self, exchange: Exchange, reason: DropReason) -> None:
        self._floor.hand_on(exchange)
        self._ports.life.remove(exchange.life)
        self._ports.say(Dropped(exchange.turn, reason))

    def _answer(self) -> bool:
        """Answer the current turn, once all of its words are known."""
        current = self._floor.current
        if current is None:
            return False
        if current.say:
            return current.answer is None and self._begin_saying(current, current.say)
        question, answer = current.question, current.answer
        if question is None:
            return False
        if answer:
            if not answer.held_back:
                return False
            if words(question.text) == words(answer.transcript.text):
                answer.let_out()
                return True
            current.take_back()
        for exchange in current.before:
            self._ports.life.remove(exchange.life)
        if question.text or (self._settings.listen is None and not current.failed):
            self._begin_answer(current, question, held_back=False)
            return True
        if not current.failed:
            self._drop(current, "no_words")
        self._floor.leave()
        return True

    def _preempt(self) -> bool:
        """Begin to answer before the turn is over, where asked for, or think better of it."""
        exchange, after_ms = self._floor.current, self._settings.preempt_after_ms
        if after_ms is None or not exchange or exchange.say or exchange.transcript is not None:
            return False
        said = words(exchange.partial)
        if exchange.answer:
            if said == words(exchange.answer.transcript.text):
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
        self._begin_answer(exchange, question, held_back=True)
        return True

    def _begin_answer(self, exchange: Exchange, question: Transcript, *, held_back: bool) -> None:
        stages = list(flat(self._settings.reply, question))
        at = responder_at(stages)
        answer = Answer(
            question,
            memory=Responder(stages[at]),
            interrupts=exchange.interrupts,
            pace=self._floor.pace,
            held_back=held_back,
            playback=self._playback,
            ports=self._ports,
            pass_on=self._pass_on,
        )
        self._begin(exchange, answer)
        source = just(exchange.turn if self._settings.listen is None else question)
        answer.begin(source, stages, at, partial(self._on_lost, exchange))

    def _begin_saying(self, exchange: Exchange, say: Say) -> bool:
        nothing = Transcript(exchange.turn, "")
        stages = list(flat(self._settings.reply, nothing))
        at = responder_at(stages)
        answer = Answer(
            nothing,
            memory=Teller(stages[at]),
            interrupts=False,
            pace=self._floor.pace,
            held_back=False,
            playback=self._playback,
            ports=self._ports,
            pass_on=self._pass_on,
        )
        self._ports.say(Saying(exchange.turn, say.text))
        self._begin(exchange, answer)
        text = spoken_text(nothing, say.text)
        answer.begin(text, stages[at + 1 :], -1, partial(self._on_lost, exchange))
        return True

    def _begin(self, exchange: Exchange, answer: Answer) -> None:
        exchange.answer = answer
        exchange.life.add(answer.life)

    def _go_on(self) -> bool:
        """Give the floor to the next one that waits, or to what the app wants to say."""
        if self._floor.next():
            return True
        if self._floor.current or self._candidates or not self._sayings:
            return False
        self._floor.give(self._sayings.popleft())
        return True

    def _hold_back(self) -> bool:
        """Pause while a candidate wants it; go on when none does."""
        settings = self._settings
        return self._hold.update(
            self._floor.current,
            wanted=any(it.evidence and it.evidence.holds for it in self._candidates),
            at_most_ms=settings.resume_after_ms if self._streams else settings.hold_ms,
            on_too_long=self._on_too_long,
        )

    def _rest(self) -> None:
        """Nobody is left to be answered: it is over, or only quiet."""
        if self._candidates or self._floor.current or self._floor.waiting or self._sayings:
            return
        idle_ms = self._settings.idle_ms
        if self._source_over:
            self._ports.complete(self._playback.flush)
        elif idle_ms is not None and self._floor.has_spoken and not self._is_resting:
            self._is_resting = True
            self._idling.set(idle_ms, partial(self._ports.say, Idle(round(idle_ms))))
