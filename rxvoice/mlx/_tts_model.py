"""A speech model of mlx-audio, found and loaded, and the names its family has for our options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx._opening import code_refused, directory_of, opening, refusal
from rxvoice.mlx._precision import Dtype, convert, wanted

_NAMES = {
    "voice": ("voice",),
    "language": ("lang_code", "language", "lang"),
    "speed": ("speed",),
    "temperature": ("temperature",),
    "ref_audio": ("ref_audio",),
    "ref_text": ("ref_text",),
}
"""The names that a family of mlx-audio may have for each of our options."""

_PACKAGES = {"misaki": "'misaki[en]'", "phonemizer": "phonemizer-fork"}
"""The package to install for a module, where the two names differ."""


class SpeechPiece(Protocol):
    """A piece of speech, as mlx-audio makes it."""

    @property
    def audio(self) -> object: ...


class TtsModel(Protocol):
    """A network of mlx-audio."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def generate(self) -> Callable[..., Iterable[SpeechPiece]]: ...


def load_tts(name: str, *, dtype: Dtype | None, trust: bool) -> TtsModel:
    """Load a speech model.

    Raises:
        ConfigError: it cannot be fetched or loaded, or is no speech model of mlx-audio.
        MissingDependency: its family needs a package that is not installed.
    """
    from mlx_audio.tts.utils import load
    from mlx_audio.utils import get_model_name_parts

    path = Path(str(_config(name, trust=trust)["model_path"]))
    with opening(name, _refusal(name)), code_refused(trust_remote_code=trust):
        try:
            model = load(path, model_name_parts=get_model_name_parts(name))
        except ImportError as error:
            raise missing(error) from error
        convert(model, wanted(dtype))
    return cast("TtsModel", model)


def declared_rate(name: str, *, trust: bool) -> int | None:
    """The sample rate in Hz, if the family reads it from the config and needs no weights for it."""
    from mlx_audio.tts.utils import get_model_and_args
    from mlx_audio.utils import get_model_name_parts

    config = _config(name, trust=trust)
    parts = get_model_name_parts(name)
    kind = _model_type(config) or (parts[0] if parts else "")
    try:
        family = get_model_and_args(kind, parts)[0]
        settings = family.ModelConfig.from_dict(config)
        rate = inspect.getattr_static(family.Model, "sample_rate")
        if isinstance(rate, property) and rate.fget is not None:
            return int(rate.fget(SimpleNamespace(config=settings, args=settings)))
    except ImportError as error:
        raise missing(error) from error
    except Exception:
        # The caller then loads the model, whose errors are better.
        return None
    return None


def options_of(model: TtsModel, name: str, wanted: Mapping[str, object]) -> dict[str, object]:
    """The wanted options under the names that the model's family has for them.

    Raises:
        ConfigError: the family has no such option, or ``ref_audio`` is no sound.
    """
    takes = inspect.signature(model.generate).parameters
    known = {
        option: theirs
        for option, names in _NAMES.items()
        if (theirs := next((it for it in names if it in takes), None))
    }
    for option, value in wanted.items():
        if option not in known:
            has = f"{', '.join(known)}, and no others" if known else "none of tts()'s"
            raise ConfigError(
                f"the speech model {name!r} has no option {option}, got {value!r}: leave it out; "
                f"its family's options are {has}"
            )
    options = {known[option]: value for option, value in wanted.items()}
    if "ref_audio" in options and not getattr(model, "preserve_ref_audio_path", False):
        options["ref_audio"] = _sound(options["ref_audio"], model.sample_rate)
    return options


def missing(error: ImportError) -> MissingDependency:
    """The error with the command that installs what is missing."""
    # The error at the end of the chain names the module.
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


def _config(name: str, *, trust: bool) -> dict[str, Any]:
    """The model's config, fetched if need be.

    Raises `ConfigError` if it names a family that mlx-audio lacks: mlx-audio would then take the
    family from the name of the directory.
    """
    from mlx_audio.tts.utils import MODEL_REMAPPING, get_available_models
    from mlx_audio.utils import load_config  # pyright: ignore[reportUnknownVariableType]

    with opening(name, _refusal(name)):
        path = directory_of(name, "mlx_audio", trust_remote_code=trust)
        config = cast("dict[str, Any]", load_config(path))
        kind = _model_type(config)
    families = [*MODEL_REMAPPING, *get_available_models()]
    if kind is not None and kind not in families and Path(name).is_dir():
        raise ConfigError(
            f"the directory {name!r} holds no speech model of mlx-audio: the model_type in its "
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


def _refusal(name: str) -> Callable[[str], str]:
    needs = (
        "config.json with a model_type, the weights as .safetensors, and what else that family "
        "wants"
    )
    return refusal(name, "speech model", "mlx-audio", needs)
