"""Speech models that mlx-audio runs, as synthesizers that give their speech in pieces."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from copy import copy
from pathlib import Path
from threading import Lock
from typing import cast

import mlx.core as mx

from rxvoice._answers.text_queue import TextQueue
from rxvoice._check import above, at_least, model_name
from rxvoice._text.parts import parts
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.mlx._precision import Dtype, check_dtype
from rxvoice.mlx._stream import same_stream
from rxvoice.mlx._tts_model import (
    SpeechPiece,
    TtsModel,
    can_stream,
    declared_rate,
    load_tts,
    missing,
)

__all__ = ["Tts", "tts"]

_CLAUSE_CHARS = 80
"""How long a text may be that a family without streaming speaks in one step: some 5 s."""


def tts(
    model: str | Path,
    *,
    voice: str | None = None,
    language: str | None = None,
    streaming_interval: float = 0.32,
    speed: float = 1.0,
    temperature: float | None = None,
    ref_audio: str | Path | None = None,
    ref_text: str | None = None,
    dtype: Dtype | None = None,
    trust_remote_code: bool = False,
) -> Tts:
    """A speech model of mlx-audio, for `synthesize`. It loads when it is first needed.

    ```python
    rxv.mlx.tts("mlx-community/Kokoro-82M-bf16", voice="af_heart")
    ```

    Each family of models has some of these options. Loading a model with an option that its family
    lacks raises `ConfigError`.

    Args:
        model: a directory with config.json, the weights as .safetensors and what else the family
            wants, or a name on the Hugging Face hub, which is fetched once and then cached.
        voice: as the family names it, such as ``"af_heart"`` for Kokoro; None for its default.
            Loading a Kokoro or a pocket_tts without this voice raises `ConfigError`.
        language: as the family writes it, such as ``"a"`` or ``"en-gb"``; None for its default, or
            for Kokoro that of the voice.
        streaming_interval: seconds of sound in a piece, above 0, if the family streams. If it does
            not, a piece is a clause of the text. The default is that of ``VoicePipelineConfig``'s
            "balanced".
        speed: 1 is the model's own, 2 twice as fast; above 0.
        temperature: 0 always takes the likeliest; None for the family's default.
        ref_audio: a sound file with the voice to imitate.
        ref_text: the words spoken in `ref_audio`.
        dtype: the type of number that it computes in: ``"float32"``, ``"bfloat16"`` or
            ``"float16"``. None for float32 on a CPU, where MLX is 3 to 30 times slower in the
            others, and for that of the weights on Metal. float32 takes twice the memory of 16-bit
            weights.
        trust_remote_code: let the model's own code and pickles run. Without it, a model that has
            any is refused before anything of it is loaded.

    Errors: `ConfigError` for an argument out of range, a `model` that is neither a directory nor
        like a hub name, or a `ref_audio` that does not exist.
    """
    above("streaming_interval", streaming_interval, 0, "seconds")
    above("speed", speed, 0, "times the model's own")
    if temperature is not None:
        at_least("temperature", temperature, 0, "(0 takes the likeliest)")
    if ref_audio is not None and not Path(ref_audio).is_file():
        raise ConfigError(f"ref_audio must be a sound file, got {str(ref_audio)!r}")
    wanted: dict[str, object] = {
        "voice": voice,
        "language": language,
        "speed": None if speed == 1 else speed,
        "temperature": temperature,
        "ref_audio": None if ref_audio is None else str(ref_audio),
        "ref_text": ref_text,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return Tts(model, given, streaming_interval, dtype=dtype, trust_remote_code=trust_remote_code)


class Tts:
    """A voice on this machine; made by `tts`.

    Everything runs on the thread that calls, and MLX wants that to be one thread: load the model,
    iterate its speech and close it on the same thread. It speaks one text at a time. In
    `synthesize`, the texts of several conversations wait for each other.
    """

    def __init__(
        self,
        model: str | Path,
        wanted: Mapping[str, object],
        streaming_interval: float,
        *,
        dtype: Dtype | None = None,
        trust_remote_code: bool,
    ) -> None:
        model_name("model", model, "mlx-community/Kokoro-82M-bf16")
        check_dtype(dtype)
        self.model = str(model)
        self.dtype: Dtype | None = dtype
        self.trust_remote_code = trust_remote_code
        self._interval = streaming_interval
        self._wanted = wanted
        self._options: dict[str, object] = {}
        self._sample_rate: int | None = None
        self._streams = False
        self._model: TtsModel | None = None
        self._busy = Lock()
        self.queue = TextQueue()

    @property
    def options(self) -> Mapping[str, object]:
        """The options that were given, by the names of `tts`."""
        return self._wanted

    @property
    def streams(self) -> bool | None:
        """Whether the model gives speech while it makes more; None if it is not loaded."""
        return None if self._model is None else self._streams

    @property
    def streaming_interval(self) -> float:
        """Seconds of sound in a piece, as it was given."""
        return self._interval

    @property
    def sample_rate(self) -> int:
        """Hz. Read from the model's config; if it is not there, the model is loaded.

        Errors: as `load`.
        """
        if self._sample_rate is None and self._model is None:
            self._sample_rate = declared_rate(self.model, trust=self.trust_remote_code)
        if self._sample_rate is None:
            self._sample_rate = int(self._loaded().sample_rate)
        return self._sample_rate

    def load(self) -> None:
        """Load the model on this thread now, and not with the first text. Once.

        Errors: `ConfigError` if it cannot be fetched or loaded, is no speech model of mlx-audio,
            or lacks an option, a voice or a language that was given; `MissingDependency` if its
            family needs another package.
        """
        self._loaded()

    def synthesize_stream(self, text: str, /) -> Generator[mx.array, None, None]:
        """Speak `text`, in pieces of evaluated float32 samples, shape ``(n,)``, never empty.

        A family that streams gives each `streaming_interval` of sound as soon as it is made. Any
        other gives each line; one of more than 80 characters is cut after a sentence or a clause,
        so that nothing else waits for all of it. Nothing happens before the first piece is asked
        for. Closing the generator early stops the speech. White space gives nothing.

        Errors: what the model raises; `MissingDependency` if its family needs another package;
            `RxvoiceError` while other speech of this `Tts` is neither at its end nor closed, since
            the model would mix the two up; as `load`, at the first piece.
        """
        if not text.strip():
            return
        model = self._loaded()
        if not self._busy.acquire(blocking=False):
            raise RxvoiceError(
                f"{self.model!r} cannot speak {text!r}: it is still speaking another text, and "
                "does one at a time: iterate that to its end, close it, or use another tts()"
            )
        try:
            for part in [text] if self._streams else parts(text, clause=_CLAUSE_CHARS):
                yield from self._speak(model, part)
        finally:
            self._busy.release()

    def at_speed(self, speed: float) -> Tts:
        """The same voice, `speed` times as fast; this one, if its family has no speeds.

        It shares the network, and so speaks in turn with this one. Loads the model on this thread,
        if that has not been done.

        Errors: as `load`; `ConfigError` for a speed that is not above 0.
        """
        above("speed", speed, 0, "times the voice's own")
        model = self._loaded()
        if "speed" not in inspect.signature(model.generate).parameters:
            return self
        own = copy(self)
        own._options = {
            **self._options,
            "speed": speed * cast("float", self._wanted.get("speed", 1)),
        }
        return own

    def _speak(self, model: TtsModel, text: str) -> Generator[mx.array, None, None]:
        pieces = _pieces(lambda: self._generate(model, text, self._streams))
        try:
            first = next(pieces, None)
        except (NotImplementedError, ValueError):
            if not self._streams:
                raise
            # Some families have the argument and refuse it. Any other cause raises again here.
            pieces = _pieces(lambda: self._generate(model, text, False))
            first = next(pieces, None)
            self._streams = False
        with closing(pieces):
            if first is not None:
                yield first
            yield from pieces

    def _generate(self, model: TtsModel, text: str, stream: bool) -> Iterable[SpeechPiece]:
        options = {**self._options, "stream": True} if stream else self._options
        return model.generate(text, **options)

    def _loaded(self) -> TtsModel:
        if self._model is None:
            model, self._options = load_tts(
                self.model, self._wanted, dtype=self.dtype, trust=self.trust_remote_code
            )
            if "streaming_interval" in inspect.signature(model.generate).parameters:
                self._options["streaming_interval"] = self._interval
            self._streams = can_stream(model)
            self._model = model
        return self._model


def _pieces(generate: Callable[[], Iterable[SpeechPiece]]) -> Generator[mx.array, None, None]:
    """Yield the sound of each result that has any; leaves the thread's default stream as it is.

    A model's generator may hold a stream of its own while it is suspended, and leave that behind.
    """
    results: Iterator[SpeechPiece] | None = None
    try:
        while True:
            with same_stream():
                try:
                    if results is None:
                        results = iter(generate())
                    result = next(results, None)
                except ImportError as error:
                    raise missing(error) from error
                piece = None if result is None else _samples(result.audio)
            if piece is None:
                return
            if piece.size:
                yield piece
    finally:
        if isinstance(results, Generator):
            with same_stream():
                cast("Generator[SpeechPiece]", results).close()


def _samples(audio: object) -> mx.array:
    """Evaluated float32 samples of shape (n,). Channels are mixed, whichever axis they are on."""
    samples = mx.array(cast("mx.array", audio)).astype(mx.float32).squeeze()
    while samples.ndim > 1:
        shortest = min(range(samples.ndim), key=lambda axis: samples.shape[axis])
        samples = samples.mean(axis=shortest)
    samples = mx.flatten(samples)
    mx.eval(samples)  # pyright: ignore[reportUnknownMemberType]
    return samples
