"""`Moments`: how long each step from the end of the user's speech to the reply took."""

from __future__ import annotations

from reactivex import abc


class Moments:
    """Milliseconds from the user's last speech, or from when the client asked for a reply."""

    def __init__(self, scheduler: abc.SchedulerBase) -> None:
        self._scheduler = scheduler
        self._spoke = self._base = self._now
        self._marks: dict[str, float] = {}

    @property
    def _now(self) -> float:
        return self._scheduler.now.timestamp()

    def spoke(self) -> None:
        """The user speaks."""
        self._spoke = self._now

    def turn_ended(self) -> None:
        """The turn is over: from here on, its last speech is the beginning."""
        self._base = self._spoke
        self._marks = {}
        self.until("turn_ended")

    def asked(self) -> None:
        """The client asks for a reply."""
        self._base = self._now
        self._marks = {}

    def until(self, name: str) -> dict[str, float]:
        """Mark this moment, and give all of the turn so far."""
        self._marks.setdefault(name, round(1000 * (self._now - self._base), 1))
        return dict(self._marks)
