"""Turns that may yet interrupt: each is judged, and playback held back meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from rxvoice.elements import AudioChunk, TurnFailed
from rxvoice.errors import StageError
from rxvoice.events import Candidate, Dropped, DropReason
from rxvoice.operators._interruption._evidence import Evidence, Gates
from rxvoice.operators._interruption._exchange import Exchange
from rxvoice.operators._interruption._floor import Floor
from rxvoice.operators._interruption._mailbox import Action
from rxvoice.operators._interruption._pause import Pause
from rxvoice.operators._interruption._ports import Ports

__all__ = ["Candidates"]


class Candidates:
    """The candidates that there are, in the order in which they opened.

    Playback is held back from the first chunk of speech of any of them until none is left. One
    ends by being confirmed or dropped.

    Args:
        on_confirmed: given one that is no candidate any more, but a turn.
        on_dropped: after one has turned out to be none.
    """

    def __init__(
        self,
        gates: Gates,
        floor: Floor,
        pause: Pause,
        ports: Ports,
        *,
        on_confirmed: Callable[[Exchange], None],
        on_dropped: Action,
    ) -> None:
        self._gates = gates
        self._floor = floor
        self._pause = pause
        self._ports = ports
        self._on_confirmed = on_confirmed
        self._on_dropped = on_dropped
        self._all: dict[Exchange, Evidence] = {}
        self.streams = False
        """Whether a partial transcript was ever seen, so that words can be waited for."""

    def __bool__(self) -> bool:
        return bool(self._all)

    def __contains__(self, exchange: Exchange) -> bool:
        return exchange in self._all

    def add(self, exchange: Exchange) -> None:
        """A turn has opened during a reply, or in its echo."""
        self._all[exchange] = Evidence(self._gates)
        self._ports.say(Candidate(exchange.turn))

    # What comes of one

    def hear(self, exchange: Exchange, chunk: AudioChunk) -> None:
        """It goes on."""
        turn = exchange.turn
        try:
            first = self._all[exchange].hear(chunk, deaf=self._floor.is_warming_up)
        except Exception as error:
            self._ports.say(TurnFailed(turn, StageError("interruptible", turn, error)))
            self.drop(exchange, "failed")
        else:
            if first:
                self.hold_playback()
            self._judge(exchange)

    def read(self, exchange: Exchange, partial: str) -> None:
        """It has said this so far."""
        self._all[exchange].read(partial, self._floor.spoken_words())
        self._judge(exchange)

    def end(self, exchange: Exchange) -> None:
        """Its sound is over; its words may be known later."""
        evidence = self._all[exchange]
        if evidence.spoke:
            return
        if self._gates.stop_words:
            if len(self._all) == 1:
                self._pause.resume()  # and wait for what it said
        else:
            self.drop(exchange, evidence.against)

    def decide(self, exchange: Exchange, text: str) -> None:
        """It has said this, and no more."""
        evidence = self._all[exchange]
        evidence.read(text, self._floor.spoken_words())
        if evidence.suffices(wants_words=True):
            self.confirm(exchange)
        else:
            self.drop(exchange, evidence.against)

    def drop_open(self) -> None:
        """The source is over: those that it left open are none."""
        for exchange in list(self._all):
            if exchange.turn.is_open:
                self.drop(exchange, "closed")

    # The judgement

    def judge_all(self) -> None:
        """More of the reply was heard, so that less may be wanted."""
        for exchange in list(self._all):
            self._judge(exchange)

    def confirm_last(self) -> None:
        """The app knows that it is the user."""
        self.confirm(next(reversed(self._all)))

    def confirm(self, exchange: Exchange) -> None:
        """It is the user."""
        del self._all[exchange]
        self._on_confirmed(exchange)

    def drop(self, exchange: Exchange, reason: DropReason) -> None:
        """It is none."""
        del self._all[exchange]
        self._ports.life.remove(exchange.life)
        self._ports.say(Dropped(exchange.turn, reason))
        if not self._all:
            self._pause.resume()
        self._on_dropped()

    def _judge(self, exchange: Exchange) -> None:
        evidence = self._all.get(exchange)
        # Noise, which has no words, must not end a reply of which nothing was heard yet.
        wants_words = self.streams or self._floor.is_thinking
        if evidence and evidence.suffices(wants_words=wants_words):
            self.confirm(exchange)

    # Playback meanwhile

    def hold_playback(self) -> None:
        """Hold the current reply back, for the longest time anew."""
        if self._floor.current:
            self._pause.hold(self._floor.current.turn, self._on_pause_over)

    def _on_pause_over(self) -> None:
        # What it says is not known yet, but it did speak: better than to speak over the user.
        if not self.streams:
            for exchange, evidence in self._all.items():
                if evidence.spoke:
                    self.confirm(exchange)
                    return
        self._pause.resume()
