"""A recogniser of mlx-audio, found and loaded, and refused if anything is missing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

import mlx.core as mx

from rxvoice._audio.samples import Samples
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.mlx._opening import code_refused, directory_of, opening, refusal
from rxvoice.mlx._precision import Dtype, convert, wanted
from rxvoice.mlx._stream import same_stream
from rxvoice.mlx._whisper import convert_whisper, repair_tokenizer

EXAMPLE = "mlx-community/whisper-large-v3-turbo-asr-fp16"

_ALIASES = {"parakeet_tdt", "nemotron_asr_streaming"}
"""Model types that mlx-audio's loader knows beside its families and their other names."""

_WRITERS = {"moonshine": "_tokenizer", "whisper": "_processor"}
"""The attribute that is None if mlx-audio could not load it. mlx-audio goes on without it, and the
model writes numbers or fails late."""


class RecognisedText(Protocol):
    """What a recogniser returns."""

    @property
    def text(self) -> str: ...


class LiveTurn(Protocol):
    """A streaming session, as in ``mlx_audio.stt.streaming``."""

    @property
    def done(self) -> bool: ...
    def feed(self, samples: Samples) -> None: ...
    def close(self) -> None: ...
    def step(self, *, max_decode_tokens: int) -> Sequence[str | Recognised | Notice]: ...


class SttModel(Protocol):
    """A network of mlx-audio."""

    generate: Callable[..., RecognisedText]

    def parameters(self) -> dict[str, object]: ...
    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]: ...


def load_stt(
    name: str, sample_rate: int, *, dtype: Dtype | None, trust: bool
) -> tuple[SttModel, str]:
    """Load a recogniser; gives it with its family.

    Raises:
        ConfigError: says what is wrong with the model, or which to use.
    """
    needs = "config.json and all of the weights, as *.safetensors"
    with (
        opening(name, refusal(name, "recogniser", "mlx-audio", needs)),
        code_refused(trust_remote_code=trust),
        same_stream(),
    ):
        path = directory_of(name, "mlx_audio", trust_remote_code=trust)
        family = _family(path)
        model = _load(path, family)
        if family == "whisper":
            convert_whisper(name, model, path, wanted(dtype))
        else:
            convert(model, wanted(dtype))
    generate = getattr(model, "generate", None)
    if generate is None or _required(generate) > 1:
        raise ConfigError(
            f"the model {name!r} does not turn audio alone into text (its family is "
            f"{family}): use a recogniser, such as {EXAMPLE!r}"
        )
    if family in _WRITERS and getattr(model, _WRITERS[family], None) is None:
        raise ConfigError(
            f"the recogniser {name!r} has weights but no tokenizer or processor that "
            "transformers can load: add tokenizer.json, tokenizer_config.json and for whisper "
            "preprocessor_config.json, from the model it was converted from, or use a "
            f"conversion that has them, such as {EXAMPLE!r}"
        )
    if family == "whisper":
        repair_tokenizer(name, model)
    rate = getattr(model, "sample_rate", sample_rate)
    if rate != sample_rate:
        raise ConfigError(
            f"the recogniser {name!r} listens at {rate} Hz, turns are of {sample_rate} Hz: use "
            "another model"
        )
    return model, family


def known_options(call: Callable[..., object], **options: object) -> dict[str, object]:
    """Those of the options that a family names; ``**kwargs`` may take others and then fail."""
    names = inspect.signature(call).parameters
    return {name: value for name, value in options.items() if name in names and value is not None}


def _required(call: Callable[..., object]) -> int:
    """How many arguments the call needs."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return sum(
        parameter.default is parameter.empty and parameter.kind not in kinds
        for parameter in inspect.signature(call).parameters.values()
    )


def _family(path: Path) -> str:
    """The model type; `ConfigError` if mlx-audio lacks it and would guess another by the name."""
    utils = import_module("mlx_audio.utils")
    config = cast("dict[str, object]", utils.load_config(path))
    # Parakeet models come with NeMo's own configuration, which has a target and no type.
    nemo = "parakeet" if "preprocessor" in config and "target" in config else None
    found: str | None = utils.model_type_from_config(config) or nemo
    packages = import_module("mlx_audio.stt.models").__path__
    known = {package.name for package in iter_modules(packages) if package.ispkg}
    known |= set(import_module("mlx_audio.stt.utils").MODEL_REMAPPING) | _ALIASES
    if found is None or found not in known:
        what = "no model_type" if found is None else f"the model_type {found!r}"
        raise ConfigError(
            f"config.json in {str(path)!r} has {what}, which is no speech recogniser that "
            f"mlx-audio knows: use one of {', '.join(sorted(known))}"
        )
    return found


def _load(path: Path, family: str) -> SttModel:
    """Load the weights. Raises if some are missing, which mlx-audio would leave random."""
    load = cast("Callable[..., SttModel]", import_module("mlx_audio.stt").load)

    def loaded(*, strict: bool) -> SttModel:
        # Given the parts of its name, the loader would prefer them to config.json.
        return load(path, strict=strict, model_type=family, model_name_parts=[])

    try:
        return loaded(strict=True)
    except ValueError as error:
        if "parameters not in model" not in str(error):
            raise
    # Weights that the model does not need are harmless, but the error for them hides missing ones.
    model = loaded(strict=False)
    weights = cast("dict[str, mx.array]", import_module("mlx_audio.utils").load_weights(path))
    weights = model.sanitize(weights) if hasattr(model, "sanitize") else weights
    flat = cast(
        "list[tuple[str, mx.array]]", import_module("mlx.utils").tree_flatten(model.parameters())
    )
    missing = [key for key, _ in flat if key not in weights]
    if missing:
        raise ValueError(f"Missing {len(missing)} parameters: {', '.join(missing[:5])}")
    return model
