"""Reads a Silero network in mlx-audio's format, and refuses anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._files.json import read_json
from rxvoice._silero.network import LAYOUTS, Layout
from rxvoice.errors import ConfigError

_FILES = ["config.json", "model.safetensors"]
# The names that mlx-audio has for the network.
_ARCHITECTURES = ("silero_vad", "silero-vad", "silero")
_SIZES = (
    "sample_rate",
    "filter_length",
    "hop_length",
    "pad",
    "cutoff",
    "context_size",
    "chunk_size",
)
_OFFLINE = "rxvoice.offline.silero() needs no download"


def load(model: str, layout: Layout) -> dict[str, Samples]:
    """The weights for one rate as float32, by their names within the branch of that rate.

    Every weight has to be there, with its shape, and no other weight; mlx-audio itself leaves a
    missing one random. The branch of the other rate may be absent.

    Raises:
        ConfigError: says what came, what was wanted and what to do.
    """
    directory = Path(model) if Path(model).is_dir() else _fetched(model)
    _check_config(directory, layout)
    return _checked_weights(directory, layout)


def _fetched(name: str) -> Path:
    import huggingface_hub as hub

    try:
        found = hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType]
            name, allow_patterns=_FILES
        )
    # The errors of the hub and of its transports share no other base.
    except Exception as error:
        raise ConfigError(
            f"the Silero model {name!r} is not a directory here and could not be fetched from the "
            f"Hugging Face hub ({error}): check the name and the network, or pass a directory with "
            f"{' and '.join(_FILES)}; {_OFFLINE}"
        ) from error
    return Path(found)


def _check_config(directory: Path, layout: Layout) -> None:
    try:
        read = read_json((directory / "config.json").read_bytes(), "it")
    except (OSError, ConfigError) as error:
        raise _refused(directory, f"config.json cannot be read ({error})") from error
    if not isinstance(read, dict):
        raise _refused(directory, f"config.json holds a {type(read).__name__}, wanted an object")
    config = cast("dict[str, Any]", read)
    kind = config.get("model_type") or config.get("architecture")
    if kind not in _ARCHITECTURES:
        raise _refused(directory, f"config.json has model_type {kind!r}, wanted 'silero_vad'")
    branch = f"branch_{layout.branch}"
    sizes: object = config.get(branch) or {}
    if not isinstance(sizes, dict):
        raise _refused(directory, f"config.json has {sizes!r} as {branch}, wanted an object")
    given = cast("dict[str, Any]", sizes)
    for name in _SIZES:
        wanted = getattr(layout, name)
        if given.get(name, wanted) != wanted:
            raise _refused(
                directory,
                f"config.json has {name} {given[name]!r} in {branch}, wanted {wanted}",
            )


def _checked_weights(directory: Path, layout: Layout) -> dict[str, Samples]:
    import safetensors.numpy

    try:
        found = safetensors.numpy.load_file(  # pyright: ignore[reportUnknownMemberType]
            directory / "model.safetensors"
        )
    except (OSError, safetensors.SafetensorError, KeyError, TypeError) as error:
        raise _refused(directory, f"model.safetensors cannot be read ({error})") from error
    # Constants of the graph that was converted; mlx-audio skips them too.
    found = {name: value for name, value in found.items() if not name.startswith("val_")}
    known = {
        f"vad_{each.branch}.{name}": shape
        for each in LAYOUTS.values()
        for name, shape in each.shapes.items()
    }
    if unknown := sorted(found.keys() - known):
        raise _refused(directory, f"model.safetensors has {_some(unknown)}, not a part of it")

    prefix = f"vad_{layout.branch}."
    if missing := sorted(prefix + name for name in layout.shapes if prefix + name not in found):
        raise _refused(directory, f"model.safetensors lacks {_some(missing)}")
    weights: dict[str, Samples] = {}
    for name, shape in layout.shapes.items():
        value = found[prefix + name]
        if value.shape != shape or not np.issubdtype(value.dtype, np.floating):
            raise _refused(
                directory,
                f"{prefix}{name} is {value.dtype} of shape {value.shape}, wanted floats of {shape}",
            )
        weights[name] = value.astype(np.float32)
    return weights


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _refused(directory: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{str(directory)!r} holds no Silero network of mlx-audio's format: {why}; use "
        f"'mlx-community/silero-vad' or a copy of it, or {_OFFLINE}"
    )
