"""`recorded`: a known signal as a `Reference`."""

from __future__ import annotations

from rxvoice._audio.piecewise_signal import PiecewiseSignal
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole


def recorded(samples: Samples, sample_rate: int, *, begins: float = 0.0) -> RecordedReference:
    """Make a `Reference` of a known signal, for echo in recordings and in tests.

    Args:
        samples: float32 of shape ``(n,)`` in [-1, 1]. Before and after there is silence.
        sample_rate: Hz.
        begins: when the first sample left the loudspeaker, in seconds. The time of chunks that
            have none is counted from the subscription, which is 0.

    Errors: `AudioFormatError` for samples of another type or shape.
    """
    whole("recorded sample_rate", sample_rate, 1, "Hz")
    return RecordedReference(audio_samples(samples), sample_rate, begins)


class RecordedReference:
    """A known signal, made by `recorded`."""

    def __init__(self, samples: Samples, sample_rate: int, begins: float) -> None:
        self._signal = PiecewiseSignal(sample_rate)
        self._signal.append(samples)
        self._begins = begins

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """See `Reference.at`."""
        return self._signal.at(time - self._begins, n, sample_rate)
