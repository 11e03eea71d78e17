"""Loads espeak-ng from the wheel `espeakng-loader`."""

from __future__ import annotations

import atexit
import ctypes
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

from rxvoice.errors import MissingDependency, RxvoiceError

__all__ = ["espeak_data", "espeak_library", "espeak_voices"]

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000

_lock = threading.Lock()


@contextmanager
def espeak_library() -> Generator[tuple[ctypes.CDLL, int]]:
    """espeak-ng as if never used before, and its sample rate; nobody else has it meanwhile.

    Its state is global to the process, and what it spoke before shifts the flutter of the next
    sentence. Nothing resets that but loading it again, which takes 4 ms.
    """
    with _lock:
        loader = _loader()
        handle = loader.dlopen(str(_copy()).encode(), 2)  # RTLD_NOW
        if not handle:
            raise RxvoiceError(f"espeak-ng cannot be loaded from {_package_file('library')}")
        library = ctypes.CDLL(None, handle=handle)
        try:
            rate = library.espeak_Initialize(
                _SYNCHRONOUS, 0, str(espeak_data()).encode(), _DONT_EXIT
            )
            if rate <= 0:
                raise RxvoiceError(f"espeak-ng found no voices in {espeak_data()}: reinstall it")
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # breath and whispers; else the time
            yield library, rate
            library.espeak_Terminate()
        finally:
            loader.dlclose(handle)


@cache
def _loader() -> ctypes.CDLL:
    system = ctypes.CDLL(None)
    system.dlopen.restype = ctypes.c_void_p
    system.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    system.dlclose.argtypes = [ctypes.c_void_p]
    return system


@cache
def _copy() -> Path:
    """A copy of the library of our own: others in this process may have it loaded."""
    source = Path(_package_file("library"))
    folder = tempfile.mkdtemp(prefix="rxvoice-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(shutil.copy(source, folder))


@cache
def espeak_data() -> Path:
    """The directory of its voices."""
    return Path(_package_file("data"))


def _package_file(what: str) -> str:
    try:
        package = import_module("espeakng_loader")
    except ImportError as error:
        raise MissingDependency(
            "an espeak voice needs the package espeakng-loader: pip install 'rxvoice[offline]'"
        ) from error
    return cast("Callable[[], str]", getattr(package, f"get_{what}_path"))()


class _Voice(ctypes.Structure):
    """The start of espeak_VOICE."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
    )


@cache
def espeak_voices() -> tuple[str, ...]:
    """The names of its voices, sorted. Errors: `MissingDependency` without the wheel."""
    with espeak_library() as (library, _):
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = library.espeak_ListVoices(None)
        names: set[str] = set()
        for at in range(10_000):
            if not listed[at]:
                break
            # Such as gmw/en-US, a file; its language is not always a name that selects it.
            identifier: bytes = listed[at].contents.identifier
            names.add(identifier.decode().rpartition("/")[2].lower())
    return tuple(sorted(names))
