"""Checks of arguments. Each raises `ConfigError`, with what came and what was wanted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from inspect import signature
from operator import index
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, cast

import numpy as np
from reactivex import Observable, abc
from reactivex.scheduler import (
    CurrentThreadScheduler,
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
    TrampolineScheduler,
)
from reactivex.scheduler.eventloop import AsyncIOScheduler, AsyncIOThreadSafeScheduler
from reactivex.scheduler.mainloop import QtScheduler, TkinterScheduler, WxScheduler

from rxvoice.errors import AudioFormatError, ConfigError

BOOLS = (bool, np.bool)

# Sounds are checked one by one, and Python 3.11 takes 15 µs to ask for a protocol.
_WHOLE = (int, SupportsIndex)
_NUMBERS = (int, float, SupportsFloat)

_SECONDS_BELOW = 5
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def whole(name: str, value: object, least: int, unit: str) -> None:
    """Raise unless the value is an integer of at least `least`."""
    if isinstance(value, BOOLS) or not isinstance(value, _WHOLE):
        raise ConfigError(f"{name} must be a whole number of {unit}, got {value!r}")
    at_least(name, index(value), least, unit)


def at_least(name: str, value: float, least: float, unit: str) -> None:
    """Raise unless the value is a finite number of at least `least`."""
    if not _is_number(value) or value < least:
        raise ConfigError(f"{name} must be at least {least} {unit}, got {value!r}")


def above(name: str, value: float, least: float, unit: str) -> None:
    """Raise unless it is a finite number above `least`."""
    at_least(name, value, least, unit)
    if value == least:
        raise ConfigError(f"{name} must be above {least} {unit}, got {value!r}")


def milliseconds(name: str, value: float, least: float) -> None:
    """Raise unless the value is a number of milliseconds of at least `least`.

    A small number with a fraction, such as 1.6, raises too: the caller means seconds.
    """
    at_least(name, value, least, "ms")
    if value < _SECONDS_BELOW and not float(value).is_integer():
        raise ConfigError(f"{name} must be in ms, got {value!r}: did you mean {value * 1000:g} ms?")


def within(name: str, value: float, least: float, most: float, unit: str) -> None:
    """Raise unless the value is a number from `least` to `most`."""
    if not _is_number(value) or not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most} ({unit}), got {value!r}")


def observable(name: str, value: object) -> None:
    """Raise unless the value is an observable or None."""
    if value is not None and not isinstance(value, Observable):
        raise ConfigError(f"{name} must be an Observable or None, got {value!r}")


def check_worker(name: str, worker: object) -> None:
    """Raise unless the worker is None or a scheduler that runs a model's steps in order."""
    if worker is None:
        return
    wanted = (
        "a scheduler with one thread of its own, such as MlxScheduler() or EventLoopScheduler()"
    )
    if isinstance(worker, type):
        raise ConfigError(
            f"{name} worker must be {wanted}: got the class {worker.__name__}; pass an instance"
        )
    if not callable(getattr(worker, "schedule", None)):
        raise ConfigError(f"{name} worker must be {wanted}, got {worker!r}")
    for kinds, reason in _NO_WORKERS:
        if isinstance(worker, kinds) and not isinstance(worker, AsyncIOThreadSafeScheduler):
            raise ConfigError(f"{name} worker must be {wanted}: {type(worker).__name__} {reason}")


_NO_WORKERS: tuple[tuple[tuple[type[abc.SchedulerBase], ...], str], ...] = (
    (
        (NewThreadScheduler, TimeoutScheduler),
        "takes each step on any thread, and a model wants them in order on one",
    ),
    (
        (ImmediateScheduler, CurrentThreadScheduler, TrampolineScheduler),
        "has none: worker=None asks the model where the element arrived",
    ),
    (
        (AsyncIOScheduler, QtScheduler, TkinterScheduler, WxScheduler),
        "is the app's, which a model would hold up",
    ),
)


def method(slot: object, *names: str) -> Callable[..., Any]:
    """The function to call of what the user put into a slot.

    Returns:
        The first of these methods that the object has, or the object itself where it is callable.

    Raises:
        ConfigError: it has none of them and is not callable; or it is a class or a function that
            makes the wanted object.
    """
    if isinstance(slot, type):
        raise ConfigError(f"got the class {slot.__name__}; pass an instance: {slot.__name__}()")
    for name in names:
        found = getattr(slot, name, None)
        if callable(found):
            return cast("Callable[..., Any]", found)
    shapes = " or ".join(f"{name}(...)" for name in names)
    wanted = f"wanted an object with {shapes} or a callable of that shape, got"
    if not callable(slot):
        raise ConfigError(f"{wanted} {slot!r}")
    if _makes(slot, names, max(_TAKES.get(name, 1) for name in names)):
        called = getattr(getattr(slot, "func", slot), "__name__", repr(slot))
        raise ConfigError(f"{wanted} the function {called}: pass what it returns, {called}(...)")
    return slot


_TAKES = {"user_finished": 2, "detect": 2, "at": 3}
"""How many arguments a method takes, where that is more than one."""


def _makes(slot: Callable[..., Any], names: tuple[str, ...], takes: int) -> bool:
    """Whether this callable makes the wanted object, rather than being it."""
    try:
        returns = getattr(slot, "__annotations__", {}).get("return")
    except NameError:  # the annotation names what only type checkers import
        returns = None
    if isinstance(returns, str):
        first, *rest = returns.split(".")
        returns = getattr(slot, "__globals__", {}).get(first)
        for name in rest:
            returns = getattr(returns, name, None)
    if isinstance(returns, type) and any(callable(getattr(returns, name, None)) for name in names):
        return True
    try:
        parameters = signature(slot).parameters.values()
    except ValueError:  # a function written in C
        return False
    if any(it.kind is it.VAR_POSITIONAL for it in parameters):
        return False
    # A model must be given something. A callable that needs no argument, or cannot take what the
    # model would be given, makes a model.
    places = [it for it in parameters if it.kind in (it.POSITIONAL_ONLY, it.POSITIONAL_OR_KEYWORD)]
    required = [it for it in parameters if it.default is it.empty and it.kind is not it.VAR_KEYWORD]
    return len(places) < takes or not required


def file_path(name: str, value: object) -> Path:
    """The path that an argument is; raises if it is none. `open` takes a number for a file, too."""
    try:
        found = Path(cast("str", value))
    except TypeError as error:
        raise ConfigError(f"{name} must be a path, a str or a Path, got {value!r}") from error
    if "\0" in str(found):
        raise ConfigError(f"{name} must be a path without a null character, got {value!r}")
    return found


def model_name(name: str, value: str | Path, example: str, *, instead: str = "") -> None:
    """Raise unless the value is a directory or looks like a name on the Hugging Face hub.

    Args:
        instead: what else is allowed, for the message: ``"an object with predict_endpoint(...)"``.
    """
    if not file_path(name, value).is_dir() and not _HUB_NAME.fullmatch(str(value)):
        between, after = (",", f", or {instead}") if instead else (" or", "")
        raise ConfigError(
            f"{name} must be a directory{between} a Hugging Face name, such as {example!r}{after}; "
            f"there is no directory {str(value)!r}"
        )


def unjudged(operator: str) -> AudioFormatError:
    """The error of an operator that needs to know whether a chunk is speech."""
    return AudioFormatError(
        f"wanted chunks judged by vad(), got one with speech=None: put vad() before {operator}()"
    )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return False
    return math.isfinite(float(value))
