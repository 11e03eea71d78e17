"""Who speaks, and who is to fall silent: one subscription's state."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from reactivex.disposable import Disposable

from rxvoice.elements import AudioChunk, Event, Transcript, TurnFailed
from rxvoice.events import (
    Confirmed,
    Dropped,
    Idle,
    Partial,
    Transcribed,
    TurnOpened,
)
from rxvoice.operators._interruption._alarm import Alarm
from rxvoice.operators._interruption._candidates import Candidates
from rxvoice.operators._interruption._exchange import Exchange
from rxvoice.operators._interruption._floor import Floor
from rxvoice.operators._interruption._pause import Pause
from rxvoice.operators._interruption._playback import Playback
from rxvoice.operators._interruption._ports import Ports, just
from rxvoice.operators._interruption._settings import Settings
from rxvoice.operators._interruption._words import words
from rxvoice.operators._kernel import Subscription
from rxvoice.turn import Turn

__all__ = ["Dialogue"]


class Dialogue:
    """One subscription: turns in, answers and events out.

    It says what each input does, to the exchange that has the floor and to the candidates that may
    yet interrupt it. Whatever comes in is done in the mailbox of the ports, so no two methods from
    `_on_turn` on run at once, and what they have to say goes downstream once they are done.
    """

    def __init__(self, out: Subscription[Any], settings: Settings) -> None:
        self._settings = settings
        self._ports = ports = Ports(out)
        self._playback = playback = Playback(settings.sink, settings.duck)
        self._pause = pause = Pause(playback, settings.resume_after_ms, ports)
        self._idling = Alarm(ports)
        self._floor = Floor(
            settings,
            playback,
            pause,
            ports,
            on_speaking=self._on_speaking,
            on_raised=self._on_lost,
            on_settled=self._on_settled,
        )
        self._candidates = Candidates(
            settings.gates,
            self._floor,
            pause,
            ports,
            on_confirmed=self._on_confirmed,
            on_dropped=self._on_settled,
        )
        self._count = 0
        self._source_over = False

    def begin(self) -> None:
        """Follow the sink and the app, until the subscription is disposed."""
        ports, playback = self._ports, self._playback
        ports.life.add(Disposable(partial(ports.post, self._pause.give_up)))
        if playback.played is not None:
            ports.follow(playback.played, ports.from_afar, self._on_played, self._on_played_over)
        if playback.events is not None:
            ports.follow(playback.events, ports.from_afar, ports.say)
        if self._settings.interrupts is not None:
            ports.follow(self._settings.interrupts, ports.from_afar, self._on_interrupt)

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

    # A turn opens

    def _on_turn(self, turn: Turn) -> None:
        self._floor.advance()  # a reply may end at this very moment
        self._idling.cancel()
        exchange = self._exchange(turn)
        if self._settings.interruptions and (self._floor.current or self._floor.in_echo_tail):
            self._candidates.add(exchange)
        elif self._floor.current:
            self._floor.wait(exchange)
            self._ports.say(TurnOpened(turn))
        else:
            self._floor.give(exchange)
            self._ports.say(TurnOpened(turn))
        self._listen(exchange)

    def _exchange(self, turn: Turn) -> Exchange:
        self._count += 1
        exchange = Exchange(turn, self._count)
        self._ports.life.add(exchange.life)
        return exchange

    # It is listened to

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
        if exchange in self._candidates:
            self._candidates.hear(exchange, chunk)
        else:
            self._floor.preempt(exchange)

    def _on_turn_over(self, exchange: Exchange) -> None:
        if exchange in self._candidates:
            self._candidates.end(exchange)

    def _on_listened(self, exchange: Exchange, element: object) -> None:
        if isinstance(element, Transcript):
            if element.final:
                self._on_text(exchange, element.text)
            else:
                self._on_partial(exchange, element.text)
            return
        self._ports.say(element)
        if isinstance(element, TurnFailed):
            self._on_lost(exchange)

    def _on_partial(self, exchange: Exchange, text: str) -> None:
        self._candidates.streams = True
        exchange.read(text)
        self._ports.say(Partial(exchange.turn, text))
        if exchange in self._candidates:
            self._candidates.read(exchange, text)
        else:
            self._floor.preempt(exchange)

    def _on_text(self, exchange: Exchange, text: str) -> None:
        if exchange.text is None:
            self._ports.say(Transcribed(exchange.turn, text))
            self._on_words(exchange, text)

    def _on_listened_out(self, exchange: Exchange) -> None:
        if exchange.text is None:
            self._on_words(exchange, "")

    def _on_words(self, exchange: Exchange, text: str) -> None:
        exchange.text = text
        if exchange in self._candidates:
            self._candidates.decide(exchange, text)
        else:
            self._floor.answer()

    def _on_lost(self, exchange: Exchange) -> None:
        """It cannot go on: its recogniser failed, or downstream raised at what came of it."""
        if exchange.life.is_disposed:
            return
        answer = exchange.answer
        if exchange in self._candidates:
            self._candidates.drop(exchange, "failed")
        elif answer is None or answer.held_back:
            exchange.failed, exchange.text = True, ""
            self._floor.answer()
        elif exchange is self._floor.current:
            answer.break_off()
            self._floor.advance()

    # A candidate is confirmed

    def _on_confirmed(self, exchange: Exchange) -> None:
        current = self._floor.current
        if current and current.number > exchange.number and current.answer is None:
            # A later one was confirmed sooner, and nobody was asked yet.
            self._ports.say(Confirmed(exchange.turn))
            self._floor.put_in_front(exchange, current)
            if not self._candidates:
                self._pause.resume()
        else:
            self._floor.interrupt()
            self._floor.give(exchange)
            self._ports.say(Confirmed(exchange.turn))
            if self._candidates:
                self._candidates.hold_playback()
        self._floor.answer()

    # The app interrupts

    def _on_interrupt(self, text: str | None) -> None:
        self._floor.advance()
        self._idling.cancel()
        if text is None or not words(text):
            self._on_button()
        else:
            self._on_typed(text)

    def _on_button(self) -> None:
        """Let the user speak."""
        current = self._floor.current
        if self._candidates:
            self._candidates.confirm_last()
        elif current and not current.is_listened_to:
            self._floor.interrupt()
            self._floor.go_on()
        self._floor.skip_echo_tail()

    def _on_typed(self, text: str) -> None:
        """Answer this, as if it had been said."""
        typed = self._exchange(Turn.of(np.empty(0, np.float32), id=0))
        current = self._floor.current
        if current and current.is_listened_to:
            self._ports.say(TurnOpened(typed.turn))
            self._on_text(typed, text)
            self._floor.put_in_front(typed, current)
        else:
            self._floor.interrupt()
            self._floor.give(typed)
            self._ports.say(TurnOpened(typed.turn))
            if self._candidates:
                self._candidates.hold_playback()
            self._on_text(typed, text)

    # Playback goes on

    def _on_played(self, _: int) -> None:
        self._floor.advance()

    def _on_played_over(self) -> None:
        self._playback.played = None
        self._floor.advance()

    def _on_speaking(self) -> None:
        self._candidates.judge_all()

    # It ends, or is only quiet

    def _on_settled(self) -> None:
        if self._candidates or not self._floor.is_free:
            return
        idle_ms = self._settings.idle_ms
        if self._source_over:
            self._ports.complete()
        elif idle_ms is not None and self._floor.has_spoken:
            self._idling.set(idle_ms, partial(self._ports.say, Idle(round(idle_ms))))

    def _on_source_over(self) -> None:
        self._source_over = True
        self._candidates.drop_open()
        current = self._floor.current
        if current and current.turn.is_open:
            self._ports.say(Dropped(current.turn, "closed"))
            self._floor.leave()
        self._floor.go_on()
