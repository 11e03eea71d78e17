"""Writing speech to a sink, whole."""

from __future__ import annotations

from rxvoice.elements import Samples, Speech
from rxvoice.errors import SinkStalled
from rxvoice.slots import AudioSink

__all__ = ["SpeechWriter", "write_all"]


def write_all(sink: AudioSink, samples: Samples) -> None:
    """Offer the samples until the sink has taken them all.

    Raises:
        SinkStalled: it took none, or more than there were.
    """
    offered = samples.shape[0]
    written = 0
    while written < offered:
        taken = sink.write_samples(samples[written:] if written else samples)
        if not 0 < taken <= offered - written:
            raise SinkStalled(
                f"the sink took {taken} of {offered - written} samples: write_samples() must take "
                "at least one, waiting for room, and say how many"
            )
        written += taken


class SpeechWriter:
    """Writes `Speech` to a sink; tells it the sample rate and the ends where it wants to know."""

    __slots__ = ("_end", "_rate", "_set_rate", "_sink")

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._set_rate = getattr(sink, "set_sample_rate", None)
        self._end = getattr(sink, "end_reply", None)
        self._rate: int | None = None

    def write(self, speech: Speech) -> None:
        """Write all of it; errors as `write_all`."""
        if speech.samples.shape[0]:
            if self._set_rate is not None and speech.sample_rate != self._rate:
                self._rate = speech.sample_rate
                self._set_rate(speech.sample_rate)
            write_all(self._sink, speech.samples)
        if speech.final and self._end is not None:
            self._end()
