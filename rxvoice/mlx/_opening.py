"""Opening a model: it is found or fetched, its files are checked, and failures read alike."""

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

_MOST = 500  # characters of what a library says

_here = threading.local()
"""``trusts``, while this thread opens a model: whether the model's code may run."""


def patterns(library: str, *, trust_remote_code: bool = False) -> list[str]:
    """The files that a library fetches of a model; code and pickles only if they are trusted.

    Args:
        library: ``"mlx_lm"`` or ``"mlx_audio"``.
    """
    wanted = cast("list[str]", import_module(f"{library}.utils").DEFAULT_ALLOW_PATTERNS)
    refused = {".py", *PICKLES}
    return [it for it in wanted if trust_remote_code or Path(it).suffix not in refused]


def directory_of(model: str, library: str, *, trust_remote_code: bool = False) -> Path:
    """The directory of the model, which is fetched if need be, with its files checked.

    Raises:
        ConfigError: its files may not be loaded.
        Exception: what the hub's client raises if the model cannot be fetched.
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


def refusal(model: str, what: str, library: str, needs: str) -> Callable[[str], str]:
    """A function that takes the reason why a model cannot be opened, and returns the message.

    Args:
        model: its directory or its name.
        what: what kind of model it is, such as "speech model".
        library: what loads it, such as "mlx-audio".
        needs: what its directory has to contain.
    """

    def message(why: str) -> str:
        if Path(model).is_dir():
            return (
                f"the directory {model!r} holds no {what} that {library} can load ({why}): it "
                f"needs {needs}"
            )
        return (
            f"the {what} {model!r} is not a directory here and could not be fetched from the "
            f"Hugging Face hub or loaded ({why}): check the path or the name, the network, and "
            "for a private model the login"
        )

    return message


@contextmanager
def opening(model: str, refused: Callable[[str], str]) -> Generator[None, None, None]:
    """Turn whatever the library raises in this block into a `ConfigError`, except Ctrl-C.

    A loader may raise anything: a file that lacks an entry gives a KeyError, some loaders call
    ``sys.exit()``, and a panic in Rust is no `Exception`.

    Args:
        model: its directory or its name, for the message.
        refused: returns the message for a reason.
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
    """What an error says, in one line, with its type where the text alone may be too little."""
    said = " ".join(str(error).split())
    said = said if len(said) <= _MOST else f"{said[: _MOST - 3]}..."
    name = type(error).__name__
    if said and isinstance(error, OSError | ValueError | RuntimeError):
        return said
    return f"{name}: {said}" if said else name


@contextmanager
def code_refused(*, trust_remote_code: bool) -> Generator[None, None, None]:
    """Keep transformers from running a model's code or asking about it, on this thread.

    This is a second line of defence. A model may name another one on the hub, whose files were not
    checked, and some families of mlx-audio tell transformers to trust any code.
    """
    _guard(import_module("transformers.dynamic_module_utils"))
    before = getattr(_here, "trusts", None)
    _here.trusts = trust_remote_code
    try:
        yield
    finally:
        _here.trusts = before


def _guard(utils: Any) -> None:
    """Make transformers ask `_here` first. Other threads see no difference."""
    if hasattr(utils, "rxvoice"):
        return
    utils.rxvoice = True
    fetch = utils.get_cached_module_file

    # transformers finds all code by this function, before it fetches or runs any.
    def get_cached_module_file(model: object, file: object, *args: object, **rest: object) -> str:
        if getattr(_here, "trusts", None) is False:
            raise ConfigError(
                f"the code in {file} of {str(model)!r} is not run: use a model without, or, if you "
                "trust where it comes from, pass trust_remote_code=True"
            )
        return fetch(model, file, *args, **rest)

    # The module has no `input` of its own: this one hides Python's.
    def ask(prompt: str) -> str:
        trusts = getattr(_here, "trusts", None)
        return builtins.input(prompt) if trusts is None else "y" if trusts else "n"

    utils.get_cached_module_file = get_cached_module_file
    utils.input = ask
