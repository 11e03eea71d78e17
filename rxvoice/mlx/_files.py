"""Checks the files of a model before anything of it is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError

_CODE = frozenset((".py", ".pyc", ".pyw", ".so", ".pyd", ".dylib"))
PICKLES = frozenset((".pkl", ".pickle", ".joblib", ".dac", ".pt", ".pth", ".ckpt", ".bin"))
"""Files that torch, numpy and others unpickle, which runs the code in them."""
_COPIES = ("pytorch_model", "consolidated")
"""The names of PyTorch's copy of the weights, which nothing reads beside one in .safetensors."""


class BrokenFile(ConfigError):
    """A file of a model that is not complete, or not what its name says."""


def check_files(directory: Path, *, trust_remote_code: bool = False) -> None:
    """Raise if loading the model would run code, read files elsewhere or fail half-way.

    Hidden files, such as those of git, are not checked: nothing loads them.

    Args:
        trust_remote_code: let its code run, and its links lead anywhere.

    Raises:
        ConfigError: there is code, or a link that leads out; names the file and says what to do.
        BrokenFile: a file cannot be what its name says.
    """
    files = list(_files(directory))
    for path in files:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise BrokenFile(f"{_name(directory, path)} is a pipe or a device, wanted a file")
    if not trust_remote_code:
        inside = _repository(directory)
        for path in files:
            _check_link(directory, path, inside)
            _check_code(directory, path)
    for path in files:
        # CONFIG.JSON is read too if file names have no case, as on most Macs.
        if path.suffix.lower() == ".json" and path.is_file():
            check_json(directory, path, trusted=trust_remote_code)
        elif path.suffix.lower() == ".safetensors":
            _check_weights(directory, path)


def _files(directory: Path) -> Iterator[Path]:
    """Yield all files, and links to directories, which are not followed."""
    for at, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in (*links, *sorted(names)):
            if not name.startswith("."):
                yield Path(at) / name


def _repository(directory: Path) -> Path:
    """The directory that links may lead into: itself, or its model's in the hub's cache."""
    real = directory.resolve()
    if real.parent.name == "snapshots" and real.parents[1].name.startswith("models--"):
        return real.parents[1]
    return real


def _check_link(directory: Path, path: Path, inside: Path) -> None:
    if not path.is_symlink():
        return
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise BrokenFile(f"{_name(directory, path)} is a link to nothing ({error})") from error
    if not target.is_relative_to(inside):
        raise _refused(
            directory,
            f"{_name(directory, path)} is a link to {str(target)!r}, outside of it",
            "put the file itself there",
        )


def _check_code(directory: Path, path: Path) -> None:
    kind, name = path.suffix.lower(), _name(directory, path)
    if kind in _CODE:
        raise _refused(directory, f"{name} is code, which loading it could run", "delete it")
    if kind in PICKLES and not _is_copy(path):
        raise _refused(
            directory,
            f"{name} is a pickle, which runs what is in it when it is read",
            "delete it, or use a conversion of the model to .safetensors",
        )


def _is_copy(path: Path) -> bool:
    return path.name.startswith(_COPIES) and any(path.parent.glob("model*.safetensors"))


def check_json(directory: Path, path: Path, *, trusted: bool) -> dict[str, object]:
    """The entries of a JSON file, {} if it holds something else. Raises as `check_files`."""
    name = _name(directory, path)
    try:
        value = read_json(path.read_bytes(), name)
    except OSError as error:
        raise BrokenFile(f"{name} cannot be read: {error.strerror}") from error
    except ConfigError as error:
        raise BrokenFile(str(error)) from error
    entries = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    is_config = name.lower() == "config.json"
    if is_config and not isinstance(value, dict):
        raise BrokenFile(f"{name} holds a {type(value).__name__}, wanted an object")
    if trusted:
        return entries
    code = _code_named(cast("object", value))
    if code is None and is_config:
        named = entries.get("model_file")
        code = None if named is None else f"model_file {named!r}"
    if code is not None:
        raise _refused(
            directory,
            f"{name} asks to run code of the model, by its {code}",
            "use a model without, often one by mlx-community",
        )
    if path.name.lower().endswith(".index.json"):
        _check_index(directory, path, entries.get("weight_map"))
    return entries


def _code_named(value: object) -> str | None:
    """The first entry, at any depth, for which transformers would run code."""
    level = [value]
    while level:
        inner: list[object] = []
        for it in level:
            if isinstance(it, dict):
                entries = cast("dict[str, object]", it)
                named = entries.get("auto_map")
                # In a vocabulary the entry is a token, and a number.
                if named and not isinstance(named, int | float):
                    return f"auto_map {_shown(named)}"
                inner += entries.values()
            elif isinstance(it, list):
                inner += cast("list[object]", it)
        level = inner
    return None


def _check_index(directory: Path, path: Path, parts: object) -> None:
    """Raise if an index of split weights names parts that lie elsewhere."""
    if not isinstance(parts, dict):
        return
    inside = _repository(directory)
    for part in set(map(str, cast("dict[str, object]", parts).values())):
        try:
            leads_out = not (path.parent / part).resolve().is_relative_to(inside)
        except (OSError, RuntimeError, ValueError):  # links in a circle; a null character
            leads_out = True
        if leads_out:
            raise _refused(
                directory,
                f"{_name(directory, path)} names the part {part!r}, which is outside of it",
                "take the model from where it was published",
            )


def _check_weights(directory: Path, path: Path) -> None:
    """Raise unless the header fits the file. Truncated files are the most common fault."""
    import safetensors

    try:
        with safetensors.safe_open(path, "numpy"):
            pass
    except (OSError, safetensors.SafetensorError) as error:
        raise BrokenFile(
            f"{_name(directory, path)} cannot be read, as if it were not complete ({error}): copy "
            "or download it anew"
        ) from error


def _refused(directory: Path, what: str, remedy: str) -> ConfigError:
    return ConfigError(
        f"the model in {str(directory)!r} is not loaded, since {what}: {remedy}, or, if you trust "
        "where it comes from, pass trust_remote_code=True"
    )


def _name(directory: Path, path: Path) -> str:
    return path.relative_to(directory).as_posix()


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."
