"""What the app does in a conversation: it interrupts, types, speaks, and allows interruptions."""

from __future__ import annotations

from typing import cast

import numpy as np
from reactivex import Observable

from rxvoice._text.words import words
from rxvoice.elements import Say, Transcript
from rxvoice.events import Notice, TurnOpened
from rxvoice.operators._conversation.candidates import Candidates
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor
from rxvoice.operators._conversation.listening import Listening
from rxvoice.operators._conversation.ports import Ports
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.turn import Turn


class App:
    """Follows the options `interruptions`, `interrupts` and `says`."""

    def __init__(
        self,
        settings: ConverseSettings,
        floor: Floor,
        candidates: Candidates,
        listening: Listening,
        ports: Ports,
    ) -> None:
        self._settings = settings
        self._floor = floor
        self._candidates = candidates
        self._listening = listening
        self._ports = ports
        self._turns = 0

    def follow(self) -> None:
        """Follow the options until the subscription ends."""
        ports, settings = self._ports, self._settings
        allowed: object = settings.interruptions
        if isinstance(allowed, Observable):
            observable = cast("Observable[bool]", allowed)
            ports.follow_from_afar("interruptions", observable, self._on_interruptions)
        if settings.interrupts is not None:
            ports.follow_from_afar("interrupts", settings.interrupts, self._on_interrupt)
        if settings.says is not None:
            ports.follow_from_afar("says", settings.says, self._on_say)

    def _on_interruptions(self, allowed: bool) -> None:
        """From here on turns may interrupt, or must wait."""
        self._floor.interruptions = bool(allowed)
        if not allowed and self._floor.current:
            self._candidates.make_wait()

    def _on_interrupt(self, text: str | None) -> None:
        self._floor.advance()
        self._floor.wake()
        if self._settings.listen is None and text is not None:
            self._ports.say(Notice("a text was typed, and this model takes none but speech"))
        elif text is None or not words(text):
            self._on_button()
        else:
            self._on_typed(text)

    def _on_button(self) -> None:
        """Let the user speak."""
        floor = self._floor
        candidate = floor.candidates[-1].evidence if floor.candidates else None
        if candidate:
            candidate.decide("confirmed")
        elif floor.current and not floor.current.is_listened_to:
            floor.interrupt()
        floor.skip_echo_tail()

    def _on_typed(self, text: str) -> None:
        """Answer the text as if the user had said it."""
        typed = self._floor.new_exchange(self._empty_turn())
        self._take_the_floor(typed)
        self._ports.say(TurnOpened(typed.turn))
        self._listening.on_transcript(typed, Transcript(typed.turn, text))

    def _on_say(self, given: str | Say) -> None:
        """Say a text of the app, without a question."""
        say = Say(given) if isinstance(given, str) else given
        if not isinstance(cast("object", say), Say):
            raise TypeError(f"converse says must give a str or a Say, got {given!r}")
        saying = self._floor.new_exchange(self._empty_turn(), say)
        if say.when == "now":
            self._floor.advance()
            self._take_the_floor(saying)
        else:
            self._floor.sayings.append(saying)

    def _empty_turn(self) -> Turn:
        self._turns += 1
        return Turn.of(np.empty(0, np.float32), id=-self._turns)

    def _take_the_floor(self, exchange: Exchange) -> None:
        """End the reply in progress. A user who is still speaking may interrupt the new one."""
        floor, current = self._floor, self._floor.current
        if current and current.is_listened_to:
            current.take_back()
            floor.give(exchange)
            if floor.may_interrupt(current.turn):
                self._candidates.add(current).follow(speaks=True)
            else:
                floor.waiting.appendleft(current)
        else:
            floor.interrupt()
            floor.give(exchange)
