"""`adaptive_silence`: a policy that learns how long this user pauses."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice._audio.samples import Samples
from rxvoice._check import at_least, milliseconds, within
from rxvoice.errors import ConfigError

__all__ = ["AdaptiveSilence", "adaptive_silence"]

_SHORTEST_MS = 100  # a shorter silence is a stop within a word, not a pause


@dataclass(slots=True)
class AdaptiveSilence:
    """An end-of-turn policy; made by `adaptive_silence`.

    It remembers the user's pauses, so each subscription has one of its own, by `fresh`.
    """

    min_ms: float
    max_ms: float
    factor: float
    weight: float
    pause_ms: float | None = None
    """The average pause of the user in milliseconds; None before the first."""

    @property
    def wait_ms(self) -> float:
        """The milliseconds of silence that end a turn now."""
        if self.pause_ms is None:
            return self.max_ms
        return min(self.max_ms, max(self.min_ms, self.factor * self.pause_ms))

    def fresh(self) -> AdaptiveSilence:
        """The same policy for another subscription, which has learned nothing."""
        return AdaptiveSilence(self.min_ms, self.max_ms, self.factor, self.weight)

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the silence is longer than this user's pauses."""
        return silence_ms >= self.wait_ms

    def user_spoke_again(self, silence_ms: int, /) -> None:
        """Learn from the silence that the user has just broken, if it was a pause."""
        if not _SHORTEST_MS <= silence_ms <= self.max_ms:
            return
        before = self.max_ms / self.factor if self.pause_ms is None else self.pause_ms
        self.pause_ms = before + self.weight * (silence_ms - before)


def adaptive_silence(
    min_ms: float, max_ms: float, *, factor: float = 2.5, weight: float = 0.2
) -> AdaptiveSilence:
    """End a turn after a silence that is longer than this user's pauses.

    ```python
    vox.turn_window(rxv.adaptive_silence(400, 2400))
    ```

    A pause is a silence of 100 ms to `max_ms`, with the user's speech before and after it. It
    counts where a turn goes on after it, and also where the policy ended the turn too early, so
    that the user began another. Let ``a`` be the average pause. It starts at ``max_ms / factor``,
    and each pause of ``p`` milliseconds moves it:

        a = a + weight * (p - a)

    A turn ends when the silence reaches ``factor * a``, but not before `min_ms` and not after
    `max_ms`. So the first turns wait for `max_ms`, and the policy grows quicker with a user who
    pauses briefly. One who never pauses teaches it nothing.

    Time is counted in samples. Each subscription learns for itself, from nothing.

    Args:
        min_ms: the shortest silence that ends a turn, in milliseconds, 0 or more.
        max_ms: the longest, in milliseconds, 1 or more and at least `min_ms`.
        factor: how many average pauses to wait, 1 or more.
        weight: how much a new pause counts, above 0 and up to 1. 1: only the last pause counts.

    Raises:
        ConfigError: an argument is out of range.
    """
    milliseconds("adaptive_silence min_ms", min_ms, 0)
    milliseconds("adaptive_silence max_ms", max_ms, 1)
    if max_ms < min_ms:
        raise ConfigError(
            f"adaptive_silence max_ms must be at least min_ms={min_ms:g} (ms), got {max_ms:g}"
        )
    at_least("adaptive_silence factor", factor, 1, "average pauses")
    within("adaptive_silence weight", weight, 0.0, 1.0, "of the average")
    if not weight:
        raise ConfigError("adaptive_silence weight must be above 0, got 0: it would learn nothing")
    return AdaptiveSilence(min_ms, max_ms, factor, weight)
