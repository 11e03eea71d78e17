"""`Moments`: how long each step from the end of the user's speech to the reply took."""

from __future__ import annotations

from reactivex import abc

from rxvoice._answers.clock import time_of
from rxvoice.elements import Speech


class Moments:
    """Milliseconds from the user's last speech, or from when the client asked for a reply."""

    def __init__(self, scheduler: abc.SchedulerBase) -> None:
        self._clock = time_of(scheduler)
        self._spoke = self._base = self._now
        self._marks: dict[str, float] = {}

    @property
    def _now(self) -> float:
        return self._clock()

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

    def until_sound(self, speech: Speech) -> dict[str, float]:
        """Mark the first audio, and when the voice was asked for it."""
        if speech.sentence is not None and speech.sentence.asked is not None:
            self.until("first_sentence", speech.sentence.asked)
        return self.until("first_audio")

    def until(self, name: str, time: float | None = None) -> dict[str, float]:
        """Mark a moment, and give all of the turn so far. Only its first time counts.

        Args:
            name: the moment.
            time: when it came, in seconds of the conversation's clock; None for now.
        """
        since = (self._now if time is None else time) - self._base
        self._marks.setdefault(name, round(1000 * since, 1))
        return dict(self._marks)
