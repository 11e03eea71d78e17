"""Candidates pause the reply in progress, and are confirmed or dropped."""

from __future__ import annotations

from rxvoice.events import Candidate, Confirmed, Paused, Resumed, ResumeReason, TurnOpened
from rxvoice.operators._conversation.evidence import Evidence
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.floor import Floor, Phase
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Alarm, Ports
from rxvoice.operators._conversation.settings import ConverseSettings


class Candidates:
    """Judges the candidates of a floor, and pauses playback for them.

    Attributes:
        reason: why the reply would resume, if it resumed now.
        partials: whether any partial transcript has come.
    """

    def __init__(
        self, settings: ConverseSettings, floor: Floor, playback: Playback, ports: Ports
    ) -> None:
        self._settings = settings
        self._floor = floor
        self._playback = playback
        self._ports = ports
        self._too_long = Alarm(ports)
        self._held: Exchange | None = None  # whose reply is held
        self._is_paused = False  # and not only ducked
        self.reason: ResumeReason = "quiet"
        self.partials = False

    def add(self, exchange: Exchange) -> Evidence:
        """Make an exchange a candidate."""
        exchange.evidence = Evidence(self._settings, self._ports.call)
        self._floor.candidates.append(exchange)
        self._ports.say(Candidate(exchange.turn))
        return exchange.evidence

    def make_wait(self) -> None:
        """Candidates may not interrupt: they become turns that wait."""
        for exchange in self._floor.candidates:
            exchange.evidence = None
            self._ports.say(TurnOpened(exchange.turn))
        self._floor.waiting.extend(self._floor.candidates)
        self._floor.candidates.clear()
        self.reason = "waits"

    # Judging

    def judge(self) -> bool:
        """Confirm or drop the first candidate that has a verdict. True if there was one."""
        for exchange in self._floor.candidates:
            verdict = exchange.evidence.verdict if exchange.evidence else None
            if verdict is None:
                continue
            self._floor.candidates.remove(exchange)
            exchange.evidence = None
            if verdict == "confirmed":
                self._confirm(exchange)
            else:
                self.reason = verdict
                self._floor.drop(exchange, verdict)
            return True
        return False

    def _confirm(self, exchange: Exchange) -> None:
        floor, current = self._floor, self._floor.current
        if current and current.number > exchange.number and current.waits_for_words:
            # A later candidate was confirmed sooner, and its question was not asked yet.
            self._announce(exchange)
            floor.put_in_front(exchange, current)
            self.reason = "joined"
            return
        exchange.interrupts = floor.phase in (Phase.THINKING, Phase.SPEAKING)
        floor.interrupt()
        floor.give(exchange)
        self._announce(exchange)

    def _announce(self, exchange: Exchange) -> None:
        self._ports.say(Confirmed(exchange.turn))
        self._ports.say(TurnOpened(exchange.turn))

    # Pausing

    @property
    def want_pause(self) -> bool:
        """Whether any candidate wants playback to be paused."""
        return any(it.evidence and it.evidence.holds for it in self._floor.candidates)

    def update_pause(self) -> bool:
        """Pause the reply in progress, or let it go on. True if that changed."""
        current = self._floor.current
        if self._held is not None and self._held is not current:
            self.release()  # that reply is over
        if current and self.want_pause and self._held is None:
            self._held = current
            self._is_paused = self._playback.hold()
            if self._is_paused:
                self._ports.say(Paused(current.turn))
            ms = self._settings.resume_after_ms if self.partials else self._settings.hold_ms
            self._too_long.set(ms, self._on_too_long)
            return True
        held = self._held
        if held is None or self.want_pause:
            return False
        self.release()
        if self._is_paused:
            self._ports.say(Resumed(held.turn, self.reason))
        return True

    def release(self) -> None:
        """Let the sink go on, and tell nobody. If the sink had failed to, try again."""
        self._held = None
        self._too_long.cancel()
        self._playback.release()

    def _on_too_long(self) -> None:
        self.reason = "too_long"
        for exchange in self._floor.candidates:
            if exchange.evidence:
                exchange.evidence.give_up()
