"""All of a sound is written to a sink."""

from __future__ import annotations

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.slots import AudioSink


def write_all(sink: AudioSink, samples: Samples) -> None:
    """Offer the samples to the sink until it has taken all of them.

    Raises:
        SinkStalled: the sink took none, or more than it was offered.
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


def refuse_conversation(who: str, element: object) -> None:
    """Raise if the element comes from `converse`, which has written its speech already."""
    from rxvoice.events import Candidate, TurnOpened

    if isinstance(element, (Candidate, TurnOpened)):
        raise ConfigError(
            f"{who} was put behind converse(), which writes to its sink itself: leave it out; for "
            "a copy of the speech put rxv.only(rxv.Speech) in front of it"
        )


class SpeechWriter:
    """Writes sound to a sink. Tells it the sample rate and the end of each reply, if it asks."""

    __slots__ = ("_end", "_rate", "_set_rate", "_sink")

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink
        self._set_rate = getattr(sink, "set_sample_rate", None)
        self._end = getattr(sink, "end_reply", None)
        self._rate: int | None = None

    def write(self, sound: Speech | AudioChunk) -> None:
        """Write all of the sound. Raises as `write_all`."""
        self.put(sound.samples, sound.sample_rate)
        if isinstance(sound, Speech) and sound.final and self._end is not None:
            self._end()

    def put(self, samples: Samples, sample_rate: int | None) -> int:
        """Write all of the samples, at this rate in Hz; None: at that of the sink. Raises as
        `write_all`.

        Returns:
            How many there are.
        """
        count = samples.shape[0]
        if count:
            if self._set_rate is not None and sample_rate not in (None, self._rate):
                self._rate = sample_rate
                self._set_rate(sample_rate)
            write_all(self._sink, samples)
        return count
