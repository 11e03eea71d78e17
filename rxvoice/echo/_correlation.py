"""`correlation`: tells by correlation whether the microphone picks up the loudspeaker."""

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

Backend: TypeAlias = Literal["numpy", "mlx"]
"""What computes the transforms: numpy, or MLX."""


_MATCHES = 8
"""So many of the last 16 matches at one delay make it the usual one. A window has fewer."""

_USUAL_S = 0.03
"""By how much an echo may be earlier or later, because a chunk waits for its thread."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a piece of the microphone's signal matches what was played.

    Args:
        raw: the best correlation of the signals, 0 to 1.
        envelope: the best correlation of their envelopes, 0 to 1.
        delay_ms: the delay of the better of the two; None where nothing was played.
        usual: the best correlation of the signals at about the delay of earlier echoes, 0 to 1;
            None while that delay is not known.
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
    """Recognise the assistant's own voice in the microphone: it resembles what was just played.

    Use it as the ``echo`` of `converse`, or as a detector for `barge_in`. A chunk is judged
    together with the chunks it follows, because 256 ms tell voices apart better than 32. After
    eight strong matches at one delay, only that delay counts, give or take 30 ms, until there are
    eight at another. Two voices are alike at some delay now and then; an echo has always the same.

    Errors: `ConfigError` for an argument out of range; from its methods `AudioFormatError` for
        samples that are no audio.
    Runs on: the calling thread. With ``"mlx"`` that thread waits for what other threads have queued
        in MLX, for hundreds of milliseconds while a model generates. Use ``"numpy"`` on the
        conversation thread.

    Args:
        reference: what was played: a `tap`.
        delay_min_ms: the shortest delay from the loudspeaker's clock to the call, 0 or more.
        delay_max_ms: the longest delay. It includes the room, the latency of the microphone, the
            latency of a loudspeaker that does not know it, and the time that a chunk waits.
        step_ms: try one delay in so many milliseconds; None for every sample, which costs no more.
            Signals that are a millisecond apart do not look alike.
        window_ms: how much of the last chunks to judge together, at most; 0 for each chunk alone.
        threshold: the raw correlation from which a chunk is an echo, 0 to 1.
        envelope_threshold: the same for the correlation of the envelopes.
        usual_threshold: the same for the raw correlation, once the usual delay is known.
        sample_rate: Hz, of the chunks.
        backend: what computes the transforms.
        clock: in seconds, the reference's clock.

    Formula and envelope are those of ``echo_correlation`` in mlx-audio's player. That one tries one
    delay after the other, by default from 250 to 500 ms in steps of 32 ms, and only logs the
    result. The thresholds were measured here: ``python -m benchmarks echo``.
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
    """Recognises echo, made by `correlation`. It has a memory: use one for each conversation."""

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
        """Whether these samples are what was played.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], mono.
            time: when the first sample was captured, as `AudioChunk.time`; None: the last one was
                captured just now. With a time, the jitter of the sound system does no harm.
        """
        match = self.measure(samples, time)
        raw, envelope, usual = self._thresholds
        if match.usual is not None:
            return match.usual >= usual
        return match.raw >= raw or match.envelope >= envelope

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        """Whether the user speaks over the assistant: it plays, and this is not its echo."""
        return playing and not self.is_echo(samples)

    def measure(self, samples: Samples, /, time: float | None = None) -> Match:
        """How well the samples match what was played. Arguments as for `is_echo`."""
        now = self._clock() if time is None else time + len(samples) / self._rate
        captured = self._join(audio_samples(samples), now)
        rate, longest, shortest = self._rate, int(self._delays[-1]), int(self._delays[0])
        n = len(captured) + longest - shortest
        reference = self._at(now - (longest + len(captured)) / rate, n, rate)
        if not len(captured) or not reference.any():
            return Match(0.0, 0.0, None)
        raw, envelope = (
            each[longest - self._delays] for each in self._correlations(captured, reference)
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
        """Note a strong match at this delay."""
        self._found.append(delay)
        alike = [it for it in self._found if abs(it - delay) <= _USUAL_S / 2 * self._rate]
        if len(alike) >= _MATCHES:
            self._usual = sorted(alike)[len(alike) // 2]

    def _join(self, samples: Samples, now: float) -> Samples:
        """These samples with the ones they follow, as far as the window reaches."""
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
