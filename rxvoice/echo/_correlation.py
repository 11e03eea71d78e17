"""Whether what the microphone hears is what the loudspeaker played, by correlation."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import at_least, method, whole, within
from rxvoice.echo._alike import correlations
from rxvoice.echo._reference import ReferenceSlot
from rxvoice.errors import ConfigError

__all__ = [
    "Backend",
    "Correlation",
    "Match",
    "correlation",
]

Backend: TypeAlias = Literal["numpy", "mlx"]
"""What computes: numpy where it is called, MLX on its thread."""


_MATCHES = 8
"""At one delay, of the last 16, that make it the usual one: more than one window's worth."""

_USUAL_S = 0.03
"""By which the echo may come earlier or later: the wait of the chunk for its thread."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a piece of the microphone's signal matches what was played.

    Args:
        raw: the best correlation of the signals, 0 to 1.
        envelope: the best correlation of their envelopes, 0 to 1.
        delay_ms: of the better of the two; None where nothing was played.
        usual: the best correlation of the signals at about the delay that echoes were found at
            before, 0 to 1; None while it is not known.
    """

    raw: float
    envelope: float
    delay_ms: float | None
    usual: float | None = None


def correlation(
    reference: ReferenceSlot,
    *,
    delay_min_ms: float = 0,
    delay_max_ms: float = 500,
    step_ms: float | None = None,
    window_ms: float = 256,
    threshold: float = 0.5,
    envelope_threshold: float = 0.9,
    usual_threshold: float = 0.45,
    sample_rate: int = 16_000,
    backend: Backend = "numpy",
    clock: Callable[[], float] = time.monotonic,
) -> Correlation:
    """Tells the assistant's own voice in the microphone by its likeness to what was just played.

    For `converse`'s ``echo``, and as a detector for `barge_in`. A chunk that follows the one
    before is judged together with it: 256 ms tell the voices apart better than 32. After eight
    strong matches at one delay only that one counts, give or take 30 ms, until there are eight at
    another: two voices are alike at some delay now and then, an echo always at the same.

    Errors: `ConfigError` for an argument out of range; from its methods `AudioFormatError` for
        samples that are no audio.
    Runs on: the thread that asks. ``"mlx"`` waits there for what other threads have queued in MLX,
        hundreds of milliseconds while a model generates: on the thread that every chunk passes,
        leave it at ``"numpy"``.

    Args:
        reference: what was played: a `tap`.
        delay_min_ms: the shortest way from the loudspeaker's clock to this question, 0 or more.
        delay_max_ms: the longest. It holds the room, the microphone's own latency, the loudspeaker
            where it does not know its own, and the chunk's wait.
        step_ms: try only every so many milliseconds of delay; None for every sample, at no more
            cost. Signals that are a millisecond apart do not look alike any more.
        window_ms: how much of what was asked last is judged together, at most; 0 for each chunk
            alone.
        threshold: the raw correlation from which on it is an echo, 0 to 1.
        envelope_threshold: the same of the envelope's.
        usual_threshold: the same of the raw one, once the usual delay is known.
        sample_rate: Hz, of what is asked about.
        backend: what the transforms are made with.
        clock: seconds; the reference's.

    Formula and envelope are those of ``echo_correlation`` in mlx-audio's player, which tries one
    delay after the other, by default from 250 to 500 ms in steps of 32 ms; it only logs them, so
    the thresholds are measured here: ``python -m benchmarks echo``.
    """
    at_least("correlation delay_min_ms", delay_min_ms, 0, "ms")
    at_least("correlation delay_max_ms", delay_max_ms, delay_min_ms, "ms")
    if step_ms is not None:
        at_least("correlation step_ms", step_ms, 0.01, "ms")
    at_least("correlation window_ms", window_ms, 0, "ms")
    within("correlation threshold", threshold, 0, 1, "correlation")
    within("correlation envelope_threshold", envelope_threshold, 0, 1, "correlation")
    within("correlation usual_threshold", usual_threshold, 0, 1, "correlation")
    whole("correlation sample_rate", sample_rate, 1, "Hz")
    if backend not in ("numpy", "mlx"):
        raise ConfigError(f"correlation backend must be 'numpy' or 'mlx', got {backend!r}")
    longest = round(delay_max_ms * sample_rate / 1000)
    shortest = round(delay_min_ms * sample_rate / 1000)
    step = 1.0 if step_ms is None else max(1.0, step_ms * sample_rate / 1000)
    delays = shortest + np.round(np.arange(0, longest - shortest + 1, step)).astype(np.int64)
    return Correlation(
        method(reference, "at"),
        delays=delays[delays <= longest],
        window=round(window_ms * sample_rate / 1000),
        thresholds=(threshold, envelope_threshold, usual_threshold),
        sample_rate=sample_rate,
        correlations=_correlations(backend),
        clock=clock,
    )


class Correlation:
    """Made by `correlation`. It remembers what it was asked: one for each conversation."""

    def __init__(
        self,
        at: Callable[[float, int, int], Samples],
        *,
        delays: np.ndarray[tuple[int], np.dtype[np.int64]],
        window: int,
        thresholds: tuple[float, float, float],
        sample_rate: int,
        correlations: Callable[[Samples, Samples], tuple[Samples, Samples]],
        clock: Callable[[], float],
    ) -> None:
        self._at = at
        self._delays = delays
        self._window = window
        self._thresholds = thresholds
        self._rate = sample_rate
        self._correlations = correlations
        self._clock = clock
        self._held = np.empty(0, np.float32)
        self._asked: float | None = None
        self._found: deque[int] = deque(maxlen=2 * _MATCHES)
        self._usual: int | None = None

    def is_echo(self, samples: Samples, /, time: float | None = None) -> bool:
        """Whether this is what was played.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], mono.
            time: when its first sample was captured, as `AudioChunk.time`; None: just now. It
                spares the answer the jitter of the sound system.
        """
        match = self.measure(samples, time)
        raw, envelope, usual = self._thresholds
        if match.usual is not None:
            return match.usual >= usual
        return match.raw >= raw or match.envelope >= envelope

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        """Whether this interrupts the assistant: it plays, and this is not its echo."""
        return playing and not self.is_echo(samples)

    def measure(self, samples: Samples, /, time: float | None = None) -> Match:
        """How well this matches what was played; asked as `is_echo`."""
        now = self._clock() if time is None else time + len(samples) / self._rate
        heard = self._join(audio_samples(samples), now)
        rate, longest, shortest = self._rate, int(self._delays[-1]), int(self._delays[0])
        n = len(heard) + longest - shortest
        reference = self._at(now - (longest + len(heard)) / rate, n, rate)
        if not len(heard) or not reference.any():
            return Match(0.0, 0.0, None)
        raw, envelope = (
            each[longest - self._delays] for each in self._correlations(heard, reference)
        )
        best = raw if raw.max() >= envelope.max() else envelope
        delay_ms = float(self._delays[int(best.argmax())]) * 1000 / rate
        if raw.max() >= self._thresholds[0]:
            self._learn(int(self._delays[int(raw.argmax())]))
        usual = None
        if self._usual is not None:
            near = np.abs(self._delays - self._usual) <= _USUAL_S * rate
            usual = float(raw[near].max())
        return Match(float(raw.max()), float(envelope.max()), delay_ms, usual)

    def _learn(self, delay: int) -> None:
        """An echo may have been found at that delay."""
        self._found.append(delay)
        alike = [it for it in self._found if abs(it - delay) <= _USUAL_S / 2 * self._rate]
        if len(alike) >= _MATCHES:
            self._usual = sorted(alike)[len(alike) // 2]

    def _join(self, samples: Samples, now: float) -> Samples:
        """These samples after the ones they follow, as far as the window goes."""
        asked, self._asked = self._asked, now
        follows = asked is not None and 0 < now - asked <= 1.5 * len(samples) / self._rate
        most = max(self._window, len(samples))
        joined = np.concatenate((self._held, samples)) if follows else samples.copy()
        self._held = joined[-most:]
        return self._held


def _correlations(backend: Backend) -> Callable[[Samples, Samples], tuple[Samples, Samples]]:
    if backend == "numpy":
        return correlations
    from importlib import import_module

    # By name: only rxvoice.mlx may load MLX.
    found = import_module("rxvoice.mlx.correlation").correlations
    return cast("Callable[[Samples, Samples], tuple[Samples, Samples]]", found)
