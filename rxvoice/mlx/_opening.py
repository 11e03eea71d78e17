"""Opening a model: found or fetched, its files checked, and every failure told in one way."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.mlx._files import PICKLES, BrokenFile, check_files

__all__ = ["code_refused", "directory_of", "opening", "patterns", "reason"]

_MOST = 500  # characters of what a library says

_here = threading.local()
"""``trusts``, while a model is opened on this thread: whether its code may run."""


def patterns(library: str, *, trust_remote_code: bool = False) -> list[str]:
    """The files that a library fetches of a model; code and pickles only where they are trusted.

    Args:
        library: ``"mlx_lm"`` or ``"mlx_audio"``.
    """
    wanted = cast("list[str]", import_module(f"{library}.utils").DEFAULT_ALLOW_PATTERNS)
    refused = {".py", *PICKLES}
    return [it for it in wanted if trust_remote_code or Path(it).suffix not in refused]


def directory_of(model: str, library: str, *, trust_remote_code: bool = False) -> Path:
    """Where the model is, fetched if need be, once its files were checked.

    Raises:
        ConfigError: its files may not be loaded.
        Exception: what the hub's client raises where it cannot be fetched.
    """
    directory = Path(model)
    if not directory.is_dir():
        import huggingface_hub as hub

        directory = Path(
            hub.snapshot_download(  # pyright: ignore[reportUnknownMemberType]
                model, allow_patterns=patterns(library, trust_remote_code=trust_remote_code)
            )
        )
    check_files(directory, trust_remote_code=trust_remote_code)
    return directory


@contextmanager
def opening(model: str, refused: Callable[[str], str]) -> Generator[None, None, None]:
    """Whatever the library raises in this block is a ConfigError, but Ctrl-C.

    A loader may raise anything: what is missing in a file comes as KeyError, some call
    ``sys.exit()``, and what panics in Rust is no `Exception`.

    Args:
        model: its directory or name, for the message.
        refused: the message for a reason.
    """
    try:
        yield
    except BrokenFile as error:
        raise ConfigError(refused(str(error))) from error
    except (RxvoiceError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise MissingDependency(
            f"the model {model!r} needs a package that is not installed: {error}"
        ) from error
    except BaseException as error:
        raise ConfigError(refused(reason(error))) from error


def reason(error: BaseException) -> str:
    """What an error says, in one line; where that may be nothing or only a key, its type too."""
    said = " ".join(str(error).split())
    said = said if len(said) <= _MOST else f"{said[: _MOST - 3]}..."
    name = type(error).__name__
    if said and isinstance(error, OSError | ValueError | RuntimeError):
        return said
    return f"{name}: {said}" if said else name


@contextmanager
def code_refused(*, trust_remote_code: bool) -> Generator[None, None, None]:
    """In this block and thread, transformers runs no code of a model's and asks no question.

    A second line: a model may name another one on the hub, whose files were not looked at, and
    some families of mlx-audio tell transformers to trust any.
    """
    _guard(import_module("transformers.dynamic_module_utils"))
    before = getattr(_here, "trusts", None)
    _here.trusts = trust_remote_code
    try:
        yield
    finally:
        _here.trusts = before


def _guard(utils: Any) -> None:
    """Have transformers ask `_here` first; once, and for other threads nothing changes."""
    if hasattr(utils, "rxvoice"):
        return
    utils.rxvoice = True
    fetch = utils.get_cached_module_file

    # All code is found by this, before it is fetched or run.
    def get_cached_module_file(model: object, file: object, *args: object, **rest: object) -> str:
        if getattr(_here, "trusts", None) is False:
            raise ConfigError(
                f"the code in {file} of {str(model)!r} is not run: use a model without, or, if you "
                "trust where it comes from, pass trust_remote_code=True"
            )
        return fetch(model, file, *args, **rest)

    # Its module has none of its own: this one hides that of Python.
    def ask(prompt: str) -> str:
        trusts = getattr(_here, "trusts", None)
        return builtins.input(prompt) if trusts is None else "y" if trusts else "n"

    utils.get_cached_module_file = get_cached_module_file
    utils.input = ask
