"""Speech that mlx-audio synthesizes, as synthesizers that give it in pieces."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any, Protocol, cast

import mlx.core as mx

from rxvoice._check import at_least, model_name
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.mlx._opening import code_refused, directory_of, opening
from rxvoice.mlx._stream import same_stream

__all__ = ["Tts", "tts"]

_NAMES = {
    "voice": ("voice",),
    "language": ("lang_code", "language", "lang"),
    "speed": ("speed",),
    "temperature": ("temperature",),
    "ref_audio": ("ref_audio",),
    "ref_text": ("ref_text",),
}
"""What a family of mlx-audio may call each of our options."""

_PACKAGES = {"misaki": "'misaki[en]'", "phonemizer": "phonemizer-fork"}
"""What to install for a module, where it is not of the same name."""


class _Result(Protocol):
    @property
    def audio(self) -> object: ...


class _Model(Protocol):
    @property
    def sample_rate(self) -> int: ...

    @property
    def generate(self) -> Callable[..., Iterable[_Result]]: ...


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
    trust_remote_code: bool = False,
) -> Tts:
    """A speech model of mlx-audio, for `synthesize`. Nothing is loaded before it is needed.

    Which options there are depends on the model's family; loading one with an option it does not
    have raises `ConfigError`.

    Args:
        model: a directory with config.json, the weights as .safetensors and what else the family
            wants, or a name on the Hugging Face hub, fetched once and then cached.
        voice: as the family names it, such as ``"af_heart"`` for Kokoro; None for its default.
        language: as the family writes it, such as ``"a"`` or ``"en-gb"``; None for its default.
        streaming_interval: seconds of sound in a piece, above 0, where the family streams;
            where it does not, a piece is a segment of the text. Default as
            ``VoicePipelineConfig``'s "balanced".
        speed: 1 is the model's own, 2 twice as fast; above 0.
        temperature: 0 always takes the likeliest; None for the family's default.
        ref_audio: a sound file with the voice to imitate.
        ref_text: what is said in it.
        trust_remote_code: let code and pickles of the model's run. Without, a model that has any
            is refused before anything of it is loaded.

    Errors: `ConfigError` for an argument out of range, a `model` that is neither a directory nor
        like a hub name, or a `ref_audio` that is not there.
    """
    return Tts(
        model,
        voice=voice,
        language=language,
        streaming_interval=streaming_interval,
        speed=speed,
        temperature=temperature,
        ref_audio=ref_audio,
        ref_text=ref_text,
        trust_remote_code=trust_remote_code,
    )


class Tts:
    """A voice of a speech model; made by `tts`, whose arguments it takes.

    Everything runs on the thread that calls, and MLX wants it to be one: load, iterate and close
    the speech of one `Tts` on the same thread.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        voice: str | None = None,
        language: str | None = None,
        streaming_interval: float = 0.32,
        speed: float = 1.0,
        temperature: float | None = None,
        ref_audio: str | Path | None = None,
        ref_text: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        _above_0("streaming_interval", streaming_interval, "seconds")
        _above_0("speed", speed, "times the model's own")
        if temperature is not None:
            at_least("temperature", temperature, 0, "(0 takes the likeliest)")
        if ref_audio is not None and not Path(ref_audio).is_file():
            raise ConfigError(f"ref_audio must be a sound file, got {str(ref_audio)!r}")
        model_name("model", model, "mlx-community/Kokoro-82M-bf16")
        self.model = str(model)
        self.trust_remote_code = trust_remote_code
        self._interval = streaming_interval
        wanted: dict[str, object] = {
            "voice": voice,
            "language": language,
            "speed": None if speed == 1 else speed,
            "temperature": temperature,
            "ref_audio": None if ref_audio is None else str(ref_audio),
            "ref_text": ref_text,
        }
        self._wanted = {name: value for name, value in wanted.items() if value is not None}
        self._options: dict[str, object] = {}
        self._sample_rate: int | None = None
        self._streams = False
        self._model: _Model | None = None
        self._busy = Lock()

    @property
    def streaming_interval(self) -> float:
        """Seconds of sound in a piece, as it was given."""
        return self._interval

    @property
    def sample_rate(self) -> int:
        """Hz. Told by the model's config where that has it; else the model is loaded.

        Errors: as `load`.
        """
        if self._sample_rate is None and self._model is None:
            self._sample_rate = _declared_rate(self.model, trust=self.trust_remote_code)
        if self._sample_rate is None:
            self._sample_rate = int(self._loaded().sample_rate)
        return self._sample_rate

    def load(self) -> None:
        """Load the model on this thread, now rather than at the first text; once.

        Errors: `ConfigError` when it cannot be fetched or loaded, is no speech model of mlx-audio,
            or has no such option; `MissingDependency` when its family needs another package.
        """
        self._loaded()

    def synthesize_stream(self, text: str, /) -> Generator[mx.array, None, None]:
        """Speak `text`, in pieces of evaluated float32 samples, shape ``(n,)``, never empty.

        A family that streams gives each `streaming_interval` of sound as it is made; another one
        each segment of the text, and most take all of it as one. Nothing happens before the first
        piece is asked for. Closed early, no more is made. White space gives nothing.

        Errors: what the model raises; `MissingDependency` when its family needs another package;
            `RxvoiceError` while other speech of this `Tts` is neither at its end nor closed, since
            what a model remembers of it would be mixed up; as `load`, at the first piece.
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
            yield from self._speak(model, text)
        finally:
            self._busy.release()

    def _speak(self, model: _Model, text: str) -> Generator[mx.array, None, None]:
        pieces = _pieces(lambda: self._generate(model, text, self._streams))
        try:
            first = next(pieces, None)
        except (NotImplementedError, ValueError):
            if not self._streams:
                raise
            # Some families have the argument and refuse it; if this fails as well, that was not it.
            pieces = _pieces(lambda: self._generate(model, text, False))
            first = next(pieces, None)
            self._streams = False
        with closing(pieces):
            if first is not None:
                yield first
            yield from pieces

    def _generate(self, model: _Model, text: str, stream: bool) -> Iterable[_Result]:
        options = {**self._options, "stream": True} if stream else self._options
        return model.generate(text, **options)

    def _loaded(self) -> _Model:
        if self._model is None:
            model = _load(self.model, trust=self.trust_remote_code)
            takes = inspect.signature(model.generate).parameters
            self._options = _named(self.model, self._wanted, takes)
            if "ref_audio" in self._options and not getattr(
                model, "preserve_ref_audio_path", False
            ):
                self._options["ref_audio"] = _sound(self._options["ref_audio"], model.sample_rate)
            if "streaming_interval" in takes:
                self._options["streaming_interval"] = self._interval
            self._streams = "stream" in takes
            self._model = model
        return self._model


def _pieces(generate: Callable[[], Iterable[_Result]]) -> Generator[mx.array, None, None]:
    """The sound of each result that has any, with the thread's default stream left as it was.

    A generator that holds a stream of its own while it is suspended would leave that behind.
    """
    results: Iterator[_Result] | None = None
    try:
        while True:
            with same_stream():
                try:
                    if results is None:
                        results = iter(generate())
                    result = next(results, None)
                except ImportError as error:
                    raise _missing(error) from error
                piece = None if result is None else _samples(result.audio)
            if piece is None:
                return
            if piece.size:
                yield piece
    finally:
        if isinstance(results, Generator):
            with same_stream():
                cast("Generator[_Result]", results).close()


def _samples(audio: object) -> mx.array:
    """Evaluated float32 samples of shape (n,): channels, on whichever axis, mixed."""
    samples = mx.array(cast("mx.array", audio)).astype(mx.float32).squeeze()
    while samples.ndim > 1:
        shortest = min(range(samples.ndim), key=lambda axis: samples.shape[axis])
        samples = samples.mean(axis=shortest)
    samples = mx.flatten(samples)
    mx.eval(samples)  # pyright: ignore[reportUnknownMemberType]
    return samples


def _named(
    model: str, wanted: Mapping[str, object], takes: Mapping[str, object]
) -> dict[str, object]:
    """The options under the names that this family has for them."""
    known = {
        option: name
        for option, names in _NAMES.items()
        if (name := next((name for name in names if name in takes), None))
    }
    for option, value in wanted.items():
        if option not in known:
            has = f"{', '.join(known)}, and no others" if known else "none of tts()'s"
            raise ConfigError(
                f"the speech model {model!r} has no option {option}, got {value!r}: leave it out; "
                f"its family's options are {has}"
            )
    return {known[option]: value for option, value in wanted.items()}


def _load(model: str, *, trust: bool) -> _Model:
    from mlx_audio.tts.utils import load
    from mlx_audio.utils import get_model_name_parts

    path = Path(str(_config(model, trust=trust)["model_path"]))
    with (
        opening(model, lambda why: _not_loaded(model, why)),
        code_refused(trust_remote_code=trust),
    ):
        try:
            parts = get_model_name_parts(model)
            return cast("_Model", load(path, model_name_parts=parts))
        except ImportError as error:
            raise _missing(error) from error


def _declared_rate(model: str, *, trust: bool) -> int | None:
    """The sample rate that the family reads from its config, where it needs no weights for it."""
    from mlx_audio.tts.utils import get_model_and_args
    from mlx_audio.utils import get_model_name_parts

    config = _config(model, trust=trust)
    parts = get_model_name_parts(model)
    kind = _model_type(config) or (parts[0] if parts else "")
    try:
        family = get_model_and_args(kind, parts)[0]
        settings = family.ModelConfig.from_dict(config)
        rate = inspect.getattr_static(family.Model, "sample_rate")
        if isinstance(rate, property) and rate.fget is not None:
            return int(rate.fget(SimpleNamespace(config=settings, args=settings)))
    except ImportError as error:
        raise _missing(error) from error
    except Exception:
        # This only spares a load, and that says better what is wrong.
        return None
    return None


def _config(model: str, *, trust: bool) -> dict[str, Any]:
    """The model's config, fetched if need be; refused where it names a family there is not.

    mlx-audio would take the family from the name of the directory then.
    """
    from mlx_audio.tts.utils import MODEL_REMAPPING, get_available_models
    from mlx_audio.utils import load_config  # pyright: ignore[reportUnknownVariableType]

    with opening(model, lambda why: _not_loaded(model, why)):
        path = directory_of(model, "mlx_audio", trust_remote_code=trust)
        config = cast("dict[str, Any]", load_config(path))
        kind = _model_type(config)
    families = [*MODEL_REMAPPING, *get_available_models()]
    if kind is not None and kind not in families and Path(model).is_dir():
        raise ConfigError(
            f"the directory {model!r} holds no speech model of mlx-audio: the model_type in its "
            f"config.json is {kind!r}, and must be one of {', '.join(sorted({*families}))}"
        )
    return {**config, "model_path": str(path)}


def _model_type(config: dict[str, Any]) -> str | None:
    from mlx_audio.registry import (
        model_type_from_config,  # pyright: ignore[reportUnknownVariableType]
    )

    return model_type_from_config(config)


def _sound(path: object, rate: int) -> object:
    from mlx_audio.utils import load_audio

    try:
        return load_audio(str(path), sample_rate=rate)
    except Exception as error:
        raise ConfigError(f"ref_audio {str(path)!r} cannot be read as sound: {error}") from error


def _missing(error: ImportError) -> MissingDependency:
    """With the command that installs it; the package is named by the error at the chain's end."""
    cause: BaseException = error
    while isinstance(cause.__cause__, ImportError):
        cause = cause.__cause__
    module = str(getattr(cause, "name", None) or "").partition(".")[0]
    if not module:
        return MissingDependency(f"the speech model needs a package that is not installed: {error}")
    return MissingDependency(
        f"the speech model needs the package {module}, which is not installed: "
        f"pip install {_PACKAGES.get(module, module)}"
    )


def _not_loaded(model: str, why: str) -> str:
    if Path(model).is_dir():
        return (
            f"the directory {model!r} holds no speech model that mlx-audio can load ({why}): it "
            "needs config.json with a model_type, the weights as .safetensors, and what else that "
            "family wants"
        )
    return (
        f"the speech model {model!r} is not a directory here and could not be fetched from the "
        f"Hugging Face hub or loaded ({why}): check the path or the name, the network, and for a "
        "private model the login"
    )


def _above_0(name: str, value: float, unit: str) -> None:
    at_least(name, value, 0, unit)
    if value == 0:
        raise ConfigError(f"{name} must be above 0 {unit}, got {value!r}")
