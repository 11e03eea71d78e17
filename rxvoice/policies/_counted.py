"""Policies that count: `silence` and `max_duration`."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice._audio.samples import Samples
from rxvoice._check import milliseconds, whole

__all__ = ["MaxDuration", "Silence", "max_duration", "silence"]


@dataclass(frozen=True, slots=True)
class Silence:
    """An end-of-turn policy: see `silence`."""

    ms: int

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the silence has lasted long enough."""
        return silence_ms >= self.ms


@dataclass(frozen=True, slots=True)
class MaxDuration:
    """An end-of-turn policy: see `max_duration`."""

    ms: float
    sample_rate: int

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the turn is long enough."""
        return len(audio) * 1000 >= self.ms * self.sample_rate


def silence(ms: int = 1600) -> Silence:
    """End a turn once the user has been silent this long.

    Args:
        ms: milliseconds of silence, 0 or more. With 0 the first chunk without speech ends the
            turn. The default is that of ``turn_max_incomplete_silence_ms`` in mlx-audio's
            ``VoicePipelineConfig``.
    """
    milliseconds("silence ms", ms, 0)
    return Silence(ms)


def max_duration(ms: float, *, sample_rate: int = 16_000) -> MaxDuration:
    """End a turn that is this long at its next chunk of silence, never within a word.

    Combine it with another policy: ``any_of(silence(1600), max_duration(10_000))``. In contrast,
    the ``max_duration_ms`` of `turn_window` also ends a turn in the middle of speech.

    Args:
        ms: milliseconds of the turn's audio, pre-roll included, 1 or more.
        sample_rate: Hz of that audio.
    """
    milliseconds("max_duration ms", ms, 1)
    whole("max_duration sample_rate", sample_rate, 1, "Hz")
    return MaxDuration(ms, sample_rate)
