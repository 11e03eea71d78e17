"""The families of models that the installed mlx-lm and mlx-audio can load, for each slot."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Literal, TypeAlias, cast

from rxvoice.errors import ConfigError

Kind: TypeAlias = Literal["vad", "turn", "stt", "llm", "tts", "other"]
"""The slot that a model is for; ``"other"`` if its family does not tell."""

WHAT: dict[Kind, str] = {
    "vad": "voice activity model",
    "turn": "end-of-turn model",
    "stt": "recogniser",
    "llm": "language model",
    "tts": "speech model",
}


def check_family(kind: Kind, model: str, config: dict[str, object]) -> None:
    """Raise `ConfigError` if the library does not have the model's family."""
    if kind == "llm":
        _check_llm_family(model, config)
        return
    registry = import_module("mlx_audio.registry")
    family = cast("object", registry.model_type_from_config(config))
    section = "vad" if kind in ("vad", "turn") else kind
    known: frozenset[str] = registry.supported_model_types(section)
    # mlx-audio also finds a family in the model's name.
    hints = model.lower().replace("/", "-").replace("_", "-").split("-")
    if not isinstance(family, str) or family.lower() in known or known.intersection(hints):
        return
    other = next(
        (it for it in ("stt", "tts", "vad") if family in registry.supported_model_types(it)), None
    )
    remedy = (
        f"that is a family for {other}, so give it to that slot"
        if other
        else f"use one of {', '.join(sorted(known))}, or a newer mlx-audio"
    )
    raise ConfigError(
        f"{model!r} is no {WHAT[kind]} that the installed mlx-audio can load: its config.json has "
        f"the model_type {family!r}; {remedy}"
    )


def _check_llm_family(model: str, config: dict[str, object]) -> None:
    utils = import_module("mlx_lm.utils")
    modules = iter_modules(import_module("mlx_lm.models").__path__)
    known = {module.name for module in modules} | set(utils.MODEL_REMAPPING)
    family = config.get("model_type")
    if (isinstance(family, str) and family in known) or "model_file" in config:
        return
    raise ConfigError(
        f"{model!r} is no language model that the installed mlx-lm can load: its config.json has "
        f"the model_type {family!r}, which it does not know: use a newer mlx-lm, or a model of "
        "another family; `rxvoice models` lists some"
    )
