"""Voice activity detection with Silero, which does not queue behind the work of MLX models."""

from __future__ import annotations

from copy import copy
from pathlib import Path

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import model_name
from rxvoice._silero.network import LAYOUTS, Layout, Network, Pass
from rxvoice._silero.weights import load
from rxvoice.errors import AudioFormatError, ConfigError


def silero(model: str | Path = "mlx-community/silero-vad", *, sample_rate: int = 16_000) -> Silero:
    """Silero's voice activity detector, for `vad`. It loads with the first chunk.

    The network is mlx-audio's ``silero_vad``, evaluated in numpy, so that a chunk does not queue
    behind MLX work on other threads. Its weights come from the Hugging Face hub or a directory.
    `rxvoice.offline.silero` is the same detector with weights that need no download.

    Args:
        model: a directory with config.json and model.safetensors as mlx-audio has them, or a name
            on the Hugging Face hub, from where these two files are fetched once and then cached.
        sample_rate: of the samples, in Hz: 16000 or 8000.

    Raises:
        ConfigError: another rate, or a `model` that is neither a directory nor like a hub name.
    """
    layout = LAYOUTS.get(sample_rate)
    if layout is None:
        known = " or ".join(str(rate) for rate in LAYOUTS)
        raise ConfigError(
            f"silero sample_rate must be {known} Hz, got {sample_rate!r}: resample the source"
        )
    model_name("silero model", model, "mlx-community/silero-vad")
    return Silero(_Weights(str(model), layout))


class Silero:
    """The probability of speech, chunk after chunk; made by `silero`.

    It remembers the chunks before, so one detector is for one stream. It runs on the thread that
    asks it. Two threads must not ask one detector at once, but may ask two of one `fresh` family.

    Attributes:
        model: the directory or hub name of its weights.
        chunk_size: samples in a chunk: 512 at 16 kHz, 256 at 8 kHz (32 ms).
        sample_rate: Hz.
    """

    def __init__(self, weights: _Weights) -> None:
        self.model = weights.model
        self.chunk_size = weights.layout.chunk_size
        self.sample_rate = weights.layout.sample_rate
        self._weights = weights
        self._pass: Pass | None = None

    def load(self) -> None:
        """Load the weights now, and not with the first chunk. Once for a `fresh` family.

        Raises:
            ConfigError: the model cannot be fetched, or is not a complete Silero network.
        """
        self._loaded()

    def probability(self, samples: Samples) -> float:
        """The probability of speech, 0 to 1, in the chunk that follows the one before.

        Args:
            samples: float32 of shape ``(chunk_size,)`` in [-1, 1], at `sample_rate`.

        Raises:
            AudioFormatError: another type or length. The detector then remembers what it did.
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
        """Forget the chunks so far."""
        if self._pass is not None:
            self._pass.reset()

    def fresh(self) -> Silero:
        """Another detector with the same weights, loaded once for both, that remembers nothing."""
        other = copy(self)
        other._pass = None
        return other

    def _loaded(self) -> Pass:
        if self._pass is None:
            self._pass = Pass(self._weights.network())
        return self._pass


class _Weights:
    """Weights that load when they are first needed, and are then shared."""

    def __init__(self, model: str, layout: Layout) -> None:
        self.model = model
        self.layout = layout
        self._network: Network | None = None

    def network(self) -> Network:
        # Two threads that come first may both load; either network will do.
        if self._network is None:
            self._network = Network(self.layout, load(self.model, self.layout))
        return self._network
