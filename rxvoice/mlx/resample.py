"""Resamples in MLX, piece by piece: a Kaiser-windowed sinc as one matrix product."""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice.errors import ConfigError
from rxvoice.mlx._samples import as_samples

__all__ = ["MlxResampler"]

_ATTENUATION_DB = 90.0
_HALF_WIDTH = 60
"""The half width of the filter, in samples of the lower rate."""

_MOST_WEIGHTS = 1 << 23
"""32 MB. Rates with a common factor need at most a twentieth of that."""


def is_faster_than_soxr() -> bool:
    """Whether `MlxResampler` converts a piece sooner than soxr does.

    False on MLX's CPU build, where it takes four times as long or more: ``python -m benchmarks
    speaker``. True with Metal.
    """
    return mx.metal.is_available()


class MlxResampler:
    """Resamples one signal, piece by piece. The pieces joined are the whole signal resampled.

    `n` samples become ``ceil(n * rate_out / rate_in)``. The delay of the filter is taken out, so
    output sample ``m`` is the input at ``m / rate_out`` seconds. The signal counts as silence
    before its first and after its last sample.

    It is flat within 0.1 dB up to 0.9 of half the lower rate. Sound above that half, and the images
    of sound below it, are attenuated by 80 dB or more. It runs on the CPU even if MLX has a GPU,
    where a matrix product may be less exact.

    Equal rates return the samples as they are. One thread may make it and another feed it.

    Args:
        rate_in: Hz of the input, at least 1.
        rate_out: Hz of the output, at least 1.

    Errors: `ConfigError` for rates below 1, or for rates with so small a common factor that the
        filter is larger than 32 MB, such as 44 100 and 47 999 Hz.
    """

    __slots__ = ("_block_in", "_block_out", "_fed", "_given", "_half", "_held", "_rate", "_weights")

    def __init__(self, rate_in: int, rate_out: int) -> None:
        whole("rate_in", rate_in, 1, "Hz")
        whole("rate_out", rate_out, 1, "Hz")
        common = math.gcd(rate_in, rate_out)
        step, steps = rate_in // common, rate_out // common
        wider = max(1.0, rate_in / rate_out)
        half = 0 if step == steps else math.ceil(_HALF_WIDTH * wider)
        # A block is the input in which the filter's phases come round, or some of those.
        times = max(1, half // step)
        size = (times * step + 2 * half) * times * steps
        if half and size > _MOST_WEIGHTS:
            raise ConfigError(
                f"rates must have a common measure: {rate_in} Hz to {rate_out} Hz needs "
                f"{size * 4 // 2**20} MB of filter, more than {_MOST_WEIGHTS * 4 // 2**20} MB; "
                "choose a rate such as 16000, 24000, 44100 or 48000 Hz"
            )
        self._rate = rate_in
        self._half = half
        self._block_in, self._block_out = times * step, times * steps
        self._weights = (
            _weights(self._block_in, self._block_out, half, wider) if half else _silence(0)
        )
        self._restart()

    def _restart(self) -> None:
        self._fed = 0
        self._given = 0
        # It begins `half` samples before the block of the next output.
        self._held = _silence(self._half)

    @property
    def latency_ms(self) -> float:
        """How much input `feed` holds back, in milliseconds.

        It is 60 samples of the lower rate, rounded up to a whole sample of `rate_in`: 3.75 ms at
        16 kHz. It is 0 at equal rates.
        """
        return 1000 * self._half / self._rate

    def feed(self, samples: mx.array | Samples) -> mx.array:
        """Resample a piece. Returns evaluated float32 samples, shape ``(n,)``, maybe none.

        Args:
            samples: finite float32, shape ``(n,)``, numpy or MLX, of any length.

        Errors: `AudioFormatError` for another type or shape.
        """
        samples = as_samples(samples)
        if not self._half:
            mx.eval(samples)  # pyright: ignore[reportUnknownMemberType]
            return samples
        with mx.stream(mx.cpu):
            self._held = mx.concatenate([self._held, samples])
            self._fed += samples.size
            return self._give(self._output_of(self._fed - self._half))

    def end(self) -> mx.array:
        """End the signal and return the rest, as `feed` does. `feed` then begins another one."""
        if not self._half:
            return _silence(0)
        with mx.stream(mx.cpu):
            rest = self._give(self._output_of(self._fed))
        self._restart()
        return rest

    def _output_of(self, fed: int) -> int:
        return max(0, -(-fed * self._block_out // self._block_in))

    def _give(self, until: int) -> mx.array:
        """The output up to sample `until`. Input that the filter lacks counts as silence."""
        first = self._given // self._block_out
        blocks = -(-until // self._block_out) - first
        if until <= self._given:
            mx.eval(self._held)  # pyright: ignore[reportUnknownMemberType]
            return _silence(0)
        width = self._block_in + 2 * self._half
        lacks = (blocks - 1) * self._block_in + width - self._held.size
        held = mx.pad(self._held, (0, max(0, lacks)))
        frames = mx.as_strided(held, (blocks, width), (self._block_in, 1))
        output = mx.flatten(frames @ self._weights)
        skip = first * self._block_out
        output = output[self._given - skip : until - skip]
        self._held = self._held[(until // self._block_out - first) * self._block_in :]
        self._given = until
        mx.eval(output, self._held)  # pyright: ignore[reportUnknownMemberType]
        return output


def _silence(n: int) -> mx.array:
    # mx.zeros is lazy, and so belongs to the thread that calls it.
    return mx.array(np.zeros(n, np.float32))


def _weights(block_in: int, block_out: int, half: int, wider: float) -> mx.array:
    """What each sample of a block, and of `half` on either side, adds to each output."""
    at: NDArray[np.float64] = np.arange(block_out) * block_in / block_out
    distance = at - (np.arange(block_in + 2 * half) - half)[:, None]
    # Kaiser's formulas, in units of half the lower rate, where the transition ends.
    transition = (_ATTENUATION_DB - 7.95) / (14.36 * _HALF_WIDTH)
    cutoff = (1 - transition / 2) / wider
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    inside = np.sqrt(np.maximum(0, 1 - (distance / (_HALF_WIDTH * wider)) ** 2))
    window = np.where(inside > 0, np.i0(beta * inside) / np.i0(beta), 0)
    return mx.array((cutoff * np.sinc(cutoff * distance) * window).astype(np.float32))
