"""Voice activity detection with Silero, which does not queue behind the work of MLX models."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import model_name
from rxvoice._silero.network import LAYOUTS, Layout, Network, Pass
from rxvoice._silero.weights import load
from rxvoice.errors import AudioFormatError, ConfigError

__all__ = ["Silero", "silero"]


def silero(model: str | Path = "mlx-community/silero-vad", *, sample_rate: int = 16_000) -> Silero:
    """A Silero voice activity detector, for `vad`. Nothing is loaded before the first chunk.

    The network is mlx-audio's ``silero_vad``, evaluated in numpy: a chunk does not queue behind
    what MLX does on other threads. `rxvoice.offline.silero` is one that needs no download.

    Args:
        model: a directory with config.json and model.safetensors as mlx-audio has them, or a name
            on the Hugging Face hub, from where these two files are fetched once and then cached.
        sample_rate: of the samples, in Hz: 16000 or 8000.

    Raises:
        ConfigError: another rate, or `model` neither a directory nor like a hub name.
    """
    return Silero(model, sample_rate=sample_rate)


class Silero:
    """The probability of speech, chunk after chunk; made by `silero`, whose arguments it takes.

    It carries what it heard from one chunk to the next, so one detector listens to one stream.
    Runs on the thread that asks it; not to be asked by two threads at once, though detectors of
    the same `fresh` family may be.

    Attributes:
        model: the directory or hub name it was made with.
        chunk_size: samples in a chunk: 512 at 16 kHz, 256 at 8 kHz (32 ms).
        sample_rate: Hz.
    """

    def __init__(
        self, model: str | Path = "mlx-community/silero-vad", *, sample_rate: int = 16_000
    ) -> None:
        layout = LAYOUTS.get(sample_rate)
        if layout is None:
            known = " or ".join(str(rate) for rate in LAYOUTS)
            raise ConfigError(
                f"silero sample_rate must be {known} Hz, got {sample_rate!r}: resample the source"
            )
        model_name("silero model", model, "mlx-community/silero-vad")
        self.chunk_size = layout.chunk_size
        self.sample_rate = layout.sample_rate
        self.model = str(model)
        self._weights = _Weights(lambda: load(self.model, layout), layout)
        self._pass: Pass | None = None

    @classmethod
    def of_weights(cls, name: str, read: Callable[[], dict[str, Samples]]) -> Silero:
        """A detector at 16 kHz of weights that were not read by `silero`.

        Args:
            name: of the model, for people.
            read: gives the weights, by mlx-audio's names; called at the first chunk.
        """
        it = cls()
        it.model = name
        it._weights = _Weights(read, LAYOUTS[it.sample_rate])
        return it

    def load(self) -> None:
        """Load the weights now rather than at the first chunk; once for a `fresh` family.

        Raises:
            ConfigError: the model cannot be fetched, or is not a complete Silero network.
        """
        self._loaded()

    def probability(self, samples: Samples) -> float:
        """The probability of speech, 0 to 1, in the chunk that follows the one before.

        Args:
            samples: float32 of shape ``(chunk_size,)`` in [-1, 1], at `sample_rate`.

        Raises:
            AudioFormatError: another type or length; what was heard before is then untouched.
            ConfigError: at the first chunk, as `load`.
        """
        audio_samples(samples)
        if len(samples) != self.chunk_size:
            raise AudioFormatError(
                f"Silero wants chunks of {self.chunk_size} samples at {self.sample_rate} Hz, "
                f"got {len(samples)}: use "
                f"chunk({self.chunk_size}, sample_rate={self.sample_rate})"
            )
        return self._loaded().probability(samples)

    def reset(self) -> None:
        """Forget what was heard, as before the first chunk."""
        if self._pass is not None:
            self._pass.reset()

    def fresh(self) -> Silero:
        """Another detector of the same weights, loaded once for all, that has heard nothing."""
        other = copy(self)
        other._pass = None
        return other

    def _loaded(self) -> Pass:
        if self._pass is None:
            self._pass = Pass(self._weights.network())
        return self._pass


class _Weights:
    """Weights that are loaded when first asked for, and then shared."""

    def __init__(self, read: Callable[[], dict[str, Samples]], layout: Layout) -> None:
        self._read = read
        self._layout = layout
        self._network: Network | None = None

    def network(self) -> Network:
        # Two threads that come first may both load; either's network will do.
        if self._network is None:
            self._network = Network(self._layout, self._read())
        return self._network
