"""Voice activity detection with Silero, which does not queue behind the work of MLX models."""

from __future__ import annotations

from copy import copy
from pathlib import Path

from reactivex import abc

from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import model_name, within
from rxvoice._silero.gather import Gathered, Gatherings
from rxvoice._silero.network import LAYOUTS, Layout, Network, Pass
from rxvoice._silero.together import Remembered
from rxvoice._silero.weights import load
from rxvoice.errors import AudioFormatError, ConfigError


def silero(
    model: str | Path = "mlx-community/silero-vad",
    *,
    sample_rate: int = 16_000,
    gather_ms: float = 0,
) -> Silero:
    """Silero's voice activity detector, for `vad`. It loads with the first chunk.

    The network is mlx-audio's ``silero_vad``, evaluated in numpy, so that a chunk does not queue
    behind MLX work on other threads. Its weights come from the Hugging Face hub or a directory.
    `rxvoice.offline.silero` is the same detector with weights that need no download.

    Args:
        model: a directory with config.json and model.safetensors as mlx-audio has them, or a name
            on the Hugging Face hub, from where these two files are fetched once and then cached.
        sample_rate: of the samples, in Hz: 16000 or 8000.
        gather_ms: for a server with many conversations on one asyncio loop: how many milliseconds,
            0 to 32, a chunk may wait for those of others, so that the network is evaluated for all
            of them at once. 8 is a good value; 0 never waits. Give each conversation a
            ``detector.fresh()`` of one detector. With fewer than 4, and without a running loop,
            no chunk waits.

    Raises:
        ConfigError: another rate, a `gather_ms` out of range, or a `model` that is neither a
            directory nor like a hub name.
    """
    layout = LAYOUTS.get(sample_rate)
    if layout is None:
        known = " or ".join(str(rate) for rate in LAYOUTS)
        raise ConfigError(
            f"silero sample_rate must be {known} Hz, got {sample_rate!r}: resample the source"
        )
    model_name("silero model", model, "mlx-community/silero-vad")
    within("silero gather_ms", gather_ms, 0, 32, "ms")
    return Silero(_Weights(str(model), layout, gather_ms))


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
        self._check(samples)
        return self._loaded().probability(samples)

    def gathered(self, scheduler: abc.SchedulerBase | None) -> Gathered | None:
        """What `vad` asks in place of `probability` where chunks are gathered; None elsewhere.

        It remembers nothing at first.

        Args:
            scheduler: of the subscription.
        """
        gatherings = self._weights.gatherings
        if gatherings is None:
            return None
        return Gathered(
            self._check, Remembered(self._weights.layout), lambda: gatherings.at(scheduler)
        )

    def reset(self) -> None:
        """Forget the chunks so far."""
        if self._pass is not None:
            self._pass.reset()

    def fresh(self) -> Silero:
        """Another detector with the same weights, loaded once for both, that remembers nothing."""
        other = copy(self)
        other._pass = None
        return other

    def _check(self, samples: Samples) -> None:
        audio_samples(samples)
        if len(samples) != self.chunk_size:
            raise AudioFormatError(
                f"Silero wants chunks of {self.chunk_size} samples at {self.sample_rate} Hz, "
                f"got {len(samples)}: use "
                f"chunk({self.chunk_size}, sample_rate={self.sample_rate})"
            )

    def _loaded(self) -> Pass:
        if self._pass is None:
            self._pass = Pass(self._weights.network())
        return self._pass


class _Weights:
    """Weights that load when they are first needed, and are then shared."""

    def __init__(self, model: str, layout: Layout, gather_ms: float) -> None:
        self.model = model
        self.layout = layout
        self.gatherings = Gatherings(gather_ms, self.network) if gather_ms else None
        self._network: Network | None = None

    def network(self) -> Network:
        # Two threads that come first may both load; either network will do.
        if self._network is None:
            self._network = Network(self.layout, load(self.model, self.layout))
        return self._network
