"""A speech model of mlx-audio, found and loaded, and the names its family has for our options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx._kokoro import Kokoro, KokoroModel, check_kokoro, needs_of_kokoro
from rxvoice.mlx._needed import Needed
from rxvoice.mlx._opening import code_refused, directory_of, opening, refusal
from rxvoice.mlx._pocket import needs_of_pocket, pocket_voice
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

_PACKAGES = {"phonemizer": "phonemizer-fork"}
"""The package to install for a module, where the two names differ."""

_WHOLE = {"chatterbox", "longcat_audiodit", "melotts"}
"""Families that have the argument ``stream``, and make all speech before they give any."""


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


def load_tts(
    name: str, wanted_options: Mapping[str, object], *, dtype: Dtype | None, trust: bool
) -> tuple[TtsModel, dict[str, object]]:
    """Load a speech model; gives it with the options that each of its texts takes.

    Raises:
        ConfigError: it cannot be fetched or loaded, is no speech model of mlx-audio, or lacks an
            option or a voice that was wanted.
        MissingDependency: its family needs a package that is not installed.
    """
    from mlx_audio.tts.utils import load
    from mlx_audio.utils import get_model_name_parts

    config = _config(name, trust=trust)
    path = Path(str(config["model_path"]))
    family = family_of(name, config)
    with opening(name, _refusal(name)), code_refused(trust_remote_code=trust):
        try:
            model = cast("TtsModel", load(path, model_name_parts=get_model_name_parts(name)))
        except ImportError as error:
            raise missing(error) from error
        convert(model, wanted(dtype))
        options = _options_of(model, name, wanted_options)
        if family == "kokoro":
            chosen: dict[str, Any] = {
                ours: options.pop(theirs)
                for ours, theirs in (("voice", "voice"), ("language", "lang_code"))
                if theirs in options
            }
            model = Kokoro(cast("KokoroModel", model), path, name, **chosen)
        elif family == "pocket_tts" and "ref_audio" not in options:
            options["voice"] = pocket_voice(name, path, cast("str | None", options.get("voice")))
    return model, options


def family_of(name: str, config: Mapping[str, object]) -> str | None:
    """The module of mlx-audio for a model, by its config or its name; None if there is none.

    Raises:
        MissingDependency: the family needs a package that is not installed.
    """
    from mlx_audio.tts.utils import MODEL_REMAPPING, get_available_models
    from mlx_audio.utils import get_model_name_parts

    known = {**{it: it for it in get_available_models()}, **MODEL_REMAPPING}
    named = [_model_type(dict(config)) or "", *(get_model_name_parts(name) or ())]
    family = next((known[it] for it in named if it in known), None)
    if family is None:
        return None
    try:
        import_module(f"mlx_audio.tts.models.{family}")
    except ImportError as error:
        raise missing(error) from error
    if family == "kokoro":
        check_kokoro(name)
    return family


def needs_of(name: str, directory: Path, options: Mapping[str, object]) -> list[Needed]:
    """What a model needs beside its own directory, for the options of `rxvoice.mlx.tts`.

    Raises:
        MissingDependency: as `family_of`.
    """
    from mlx_audio.utils import load_config  # pyright: ignore[reportUnknownVariableType]

    if not (directory / "config.json").is_file():
        return []  # loading it says what is wrong
    config = cast("dict[str, Any]", load_config(directory))
    family = family_of(name, config)
    if family == "kokoro":
        return needs_of_kokoro(directory)
    if family == "pocket_tts":
        voice = cast("str | None", options.get("voice"))
        return needs_of_pocket(directory, config, voice, imitates="ref_audio" in options)
    return []


def declared_rate(name: str, *, trust: bool) -> int | None:
    """The sample rate in Hz, if the family reads it from the config and needs no weights for it."""
    from mlx_audio.tts.utils import get_model_and_args
    from mlx_audio.utils import get_model_name_parts

    config = _config(name, trust=trust)
    parts = get_model_name_parts(name)
    family_of(name, config)  # without a package that it needs, mlx-audio prints to stdout
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


def _options_of(model: TtsModel, name: str, wanted: Mapping[str, object]) -> dict[str, object]:
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


def can_stream(model: TtsModel) -> bool:
    """Whether a family gives speech while it makes more, as far as its arguments tell."""
    family = type(model).__module__.removeprefix("mlx_audio.tts.models.").partition(".")[0]
    return "stream" in inspect.signature(model.generate).parameters and family not in _WHOLE


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
