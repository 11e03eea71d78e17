"""A turn opens, and is listened to: its chunks and its words."""

from __future__ import annotations

from functools import partial

from rxvoice.chunks import AudioChunk
from rxvoice.elements import Transcript
from rxvoice.errors import ModelThreadStuck
from rxvoice.events import (
    Dropped,
    Notice,
    Partial,
    Transcribed,
    TurnEnded,
    TurnFailed,
    TurnOpened,
)
from rxvoice.operators._conversation.candidates import Candidates
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor, Phase
from rxvoice.operators._conversation.ports import Ports, just
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


class Listening:
    """Listens to each turn, whether it is a candidate, waits, or has the floor."""

    def __init__(
        self, settings: ConverseSettings, floor: Floor, candidates: Candidates, ports: Ports
    ) -> None:
        self._settings = settings
        self._floor = floor
        self._candidates = candidates
        self._ports = ports
        self._last_opened: Exchange | None = None
        self._told_stuck: Notice | None = None

    def on_turn(self, turn: Turn) -> None:
        """A turn opens: it is a candidate, waits, or gets the floor."""
        floor = self._floor
        floor.advance()  # the reply may have ended by now
        floor.give_next()
        exchange = floor.new_exchange(turn)
        before, self._last_opened = self._last_opened, exchange
        current = floor.current
        if (current or floor.in_echo_tail) and floor.may_interrupt(turn):
            evidence = self._candidates.add(exchange)
            if before and exchange.goes_on_from(before):
                evidence.follow()
        else:
            self._ports.say(TurnOpened(turn))
            if current:
                floor.waiting.append(exchange)
            else:
                floor.give(exchange)
        self._listen(exchange)

    def _listen(self, exchange: Exchange) -> None:
        life = exchange.life
        door = self._ports.door(life, partial(self.on_raised, exchange))
        # The chunks come first: a cough is dropped before a recogniser of whole turns is asked.
        self._ports.follow(
            exchange.turn,
            door,
            partial(self._on_chunk, exchange),
            partial(self._on_turn_over, exchange),
            partial(self._on_turn_failed, exchange),
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

    # The sound of the turn

    def _on_chunk(self, exchange: Exchange, chunk: AudioChunk) -> None:
        exchange.add_chunk(chunk)
        if exchange.evidence is None:
            return
        self._floor.advance()  # the chunk is judged by what is being heard now
        phase = self._floor.phase
        try:
            exchange.evidence.add_chunk(
                chunk,
                over_reply=phase is not Phase.QUIET,
                over_voice=phase is Phase.SPEAKING,
                warm_up=self._floor.is_warming_up,
            )
        except BaseException as error:  # from the echo detector
            turn = exchange.turn
            self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))
            self.on_lost(exchange)
            self._ports.raise_after(error)
        if not exchange.evidence.holds:
            self._candidates.reason = "quiet"

    def _on_turn_over(self, exchange: Exchange) -> None:
        turn = exchange.turn
        if not exchange.set_aside:
            self._ports.say(TurnEnded(turn, turn.start + len(turn.audio)))
        if turn.ended_by == "discarded":
            self._discard(exchange)
        elif exchange.evidence:
            self._candidates.reason = "quiet"
            exchange.evidence.end(turn)
        if self._settings.listen is None:
            self._on_listened_out(exchange)  # no words will come

    def _on_turn_failed(self, exchange: Exchange, error: Exception) -> None:
        if self._settings.listen is not None:
            return  # the listening stage tells it
        turn = exchange.turn
        failed = error if isinstance(error, StageError) else StageError("turn_window", turn, error)
        self._ports.say(TurnFailed(turn, failed))
        self.on_lost(exchange)

    def _discard(self, exchange: Exchange) -> None:
        floor = self._floor
        if exchange.evidence:
            exchange.evidence.decide("discarded")
        elif exchange in floor.waiting:
            floor.waiting.remove(exchange)
            floor.drop(exchange, "discarded")
        elif exchange is floor.current:
            exchange.take_back()
            floor.drop(exchange, "discarded")
            floor.leave()
        else:  # the turn was set aside
            exchange.transcript = Transcript(exchange.turn, "")

    # The words of the turn

    def _on_listened(self, exchange: Exchange, element: object) -> None:
        if not isinstance(element, Transcript):
            if not isinstance(element, Dropped):  # `_discard` tells it
                self.pass_on(element)
            if isinstance(element, TurnFailed):
                self.on_lost(exchange)
        elif not element.final:
            self._on_partial(exchange, element.text)
        elif exchange.transcript is None:
            self.on_transcript(exchange, element)

    def _on_partial(self, exchange: Exchange, text: str) -> None:
        self._candidates.partials = True
        exchange.add_partial(text)
        if not exchange.set_aside:
            self._ports.say(Partial(exchange.turn, text))
        if exchange.evidence:
            exchange.evidence.add_text(text, self._floor.spoken_words())

    def on_transcript(self, exchange: Exchange, transcript: Transcript) -> None:
        """All words of the turn are known."""
        exchange.transcript = transcript
        if not exchange.set_aside:
            self._ports.say(Transcribed(exchange.turn, transcript.text))
        if exchange.evidence:
            exchange.evidence.add_text(transcript.text, self._floor.spoken_words(), final=True)

    def _on_listened_out(self, exchange: Exchange) -> None:
        if exchange.transcript is None:
            exchange.transcript = Transcript(exchange.turn, "")
            if exchange.evidence:
                exchange.evidence.add_text("", frozenset(), final=True)

    def on_raised(self, exchange: Exchange, error: BaseException) -> None:
        """Downstream has raised at what came of the exchange: its turn fails, if it is not over."""
        reply = exchange.reply
        told = exchange.failed or (reply is not None and reply.has_failed)
        if not told and not exchange.life.is_disposed:
            turn = exchange.turn
            self._ports.say(TurnFailed(turn, StageError("converse", turn, error)))
        self.on_lost(exchange)

    def on_lost(self, exchange: Exchange) -> None:
        """The work for the exchange cannot go on: a model failed, or downstream raised."""
        if exchange.life.is_disposed:
            return
        reply, exchange.failed = exchange.reply, True
        if exchange.evidence:
            exchange.evidence.decide("failed")
        elif reply is None or reply.held_back:
            exchange.transcript = Transcript(exchange.turn, "")
        elif exchange is self._floor.current:
            reply.break_off()

    # What a stage gives beside its elements

    def pass_on(self, element: object) -> None:
        """Send it downstream. A thread that is stuck is told once."""
        if isinstance(element, Notice) and isinstance(element.detail, ModelThreadStuck):
            self.on_stuck(element)
        else:
            self._ports.say(element)

    def on_stuck(self, notice: Notice) -> None:
        """A model thread is stuck, or goes on. Each of its stages may tell it."""
        if notice is not self._told_stuck:
            self._told_stuck = notice
            self._ports.say(notice)
