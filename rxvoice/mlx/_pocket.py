"""pocket_tts: its voices, and the files that it takes from other repositories."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from rxvoice.errors import ConfigError
from rxvoice.mlx._needed import Needed, bring

__all__ = ["needs_of_pocket", "pocket_voice"]

_DEFAULT = "alba"
_HUB = "hf://"
_WEB = ("http://", "https://")
_TOKENIZERS = ("tokenizer.model", "tokenizer.json")


def needs_of_pocket(
    directory: Path, config: Mapping[str, Any], voice: str | None, *, imitates: bool
) -> list[Needed]:
    """What the model needs beside its directory: a tokenizer, and the voice.

    Args:
        imitates: the voice of a recording, so that it needs no other.
    """
    found: list[Needed] = []
    table = cast("Mapping[str, Any]", config.get("flow_lm", {})).get("lookup_table", {})
    tokenizer = str(table.get("tokenizer_path", ""))
    names = (str(config.get("tokenizer_name") or ""), *_TOKENIZERS)
    if tokenizer.startswith(_HUB) and not any((directory / it).is_file() for it in names if it):
        found.append(_at(tokenizer))
    if not imitates and (address := _address(directory, voice)) is not None:
        found.append(_at(address))
    return found


def pocket_voice(name: str, directory: Path, voice: str | None) -> str | None:
    """What the model takes as its voice: a file on this machine, or None for its own default.

    Args:
        name: of the model, for messages.
        voice: as it was given.

    Errors: `ConfigError` for a voice that there is not.
    """
    own = _own(directory)
    if voice is None and own:
        return None
    address = _address(directory, voice)
    if address is not None:
        needed = _at(address)
        return str(bring(needed) / needed.patterns[0])
    assert voice is not None
    if voice.startswith(_WEB):
        fetch = import_module("mlx_audio.tts.models.pocket_tts.utils").download_if_necessary
        return str(fetch(voice))
    if voice.lower() in own:
        return str(own[voice.lower()])
    if Path(voice).is_file():
        return voice
    raise ConfigError(
        f"the speech model {name!r} has no voice {voice!r}: use one of "
        f"{', '.join([*own, *(it for it in _predefined() if it not in own)])}, or a sound file as "
        "ref_audio"
    )


def _address(directory: Path, voice: str | None) -> str | None:
    """Where a voice of another repository is; None for one that is not there."""
    own = _own(directory)
    if voice is None:
        return None if own else _predefined()[_DEFAULT]
    if voice.startswith(_HUB):
        return voice
    return None if voice.lower() in own else _predefined().get(voice.lower())


def _own(directory: Path) -> dict[str, Path]:
    """The voices in the model's directory, as mlx-audio finds them."""
    folders = (directory / "voices", directory / "embeddings")
    found = {
        it.stem.lower(): it for folder in folders for it in sorted(folder.glob("*.safetensors"))
    }
    default = directory / "default-voice.safetensors"
    return {"default": default, **found} if default.is_file() else found


def _predefined() -> dict[str, str]:
    """The voices that mlx-audio knows, and where each is."""
    return import_module("mlx_audio.tts.models.pocket_tts.utils").PREDEFINED_VOICES


def _at(address: str) -> Needed:
    """The file at an address such as ``"hf://owner/name/path@revision"``."""
    owner, name, file = address.removeprefix(_HUB).split("/", 2)
    path, _, revision = file.partition("@")
    return Needed(f"{owner}/{name}", (path,), revision or None)
