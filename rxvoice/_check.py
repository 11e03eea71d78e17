"""Checks of arguments and audio, with messages that say what came and what was wanted."""

from __future__ import annotations

import math
import re
from operator import index
from pathlib import Path
from typing import SupportsFloat, SupportsIndex

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

__all__ = [
    "BOOLS",
    "above",
    "at_least",
    "check_worker",
    "milliseconds",
    "model_name",
    "observable",
    "unjudged",
    "whole",
    "within",
]

BOOLS = (bool, np.bool)

_SECONDS_BELOW = 5


_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def whole(name: str, value: object, least: int, unit: str) -> None:
    """Raise unless it is an integer that is `least` or more."""
    if isinstance(value, BOOLS) or not isinstance(value, SupportsIndex):
        raise ConfigError(f"{name} must be a whole number of {unit}, got {value!r}")
    at_least(name, index(value), least, unit)


def at_least(name: str, value: float, least: float, unit: str) -> None:
    """Raise unless it is a finite number that is `least` or more."""
    if not _is_number(value) or value < least:
        raise ConfigError(f"{name} must be at least {least} {unit}, got {value!r}")


def above(name: str, value: float, least: float, unit: str) -> None:
    """Raise unless it is a finite number above `least`."""
    at_least(name, value, least, unit)
    if value == least:
        raise ConfigError(f"{name} must be above {least} {unit}, got {value!r}")


def milliseconds(name: str, value: float, least: float) -> None:
    """Raise unless it is a number of milliseconds that is `least` or more, and not of seconds.

    Nobody means a fraction of so few milliseconds: 1.6 was meant as seconds.
    """
    at_least(name, value, least, "ms")
    if value < _SECONDS_BELOW and not float(value).is_integer():
        raise ConfigError(f"{name} must be in ms, got {value!r}: did you mean {value * 1000:g} ms?")


def within(name: str, value: float, least: float, most: float, unit: str) -> None:
    """Raise unless it is a number from `least` to `most`."""
    if not _is_number(value) or not least <= value <= most:
        raise ConfigError(f"{name} must be from {least} to {most} ({unit}), got {value!r}")


def observable(name: str, value: object) -> None:
    """Raise unless it is an observable, or None."""
    if value is not None and not isinstance(value, Observable):
        raise ConfigError(f"{name} must be an Observable or None, got {value!r}")


def check_worker(name: str, worker: object) -> None:
    """Raise unless it is a scheduler on which a model can take its steps in order, or None."""
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


def unjudged(operator: str) -> AudioFormatError:
    """What an operator fails with that needs to know of a chunk whether it is speech."""
    return AudioFormatError(
        f"wanted chunks judged by vad(), got one with speech=None: put vad() before {operator}()"
    )


def model_name(name: str, value: str | Path, example: str, *, instead: str = "") -> None:
    """Raise unless it is a directory or looks like a name on the Hugging Face hub.

    Args:
        instead: what else it may be, such as ``"an object with predict_endpoint(...)"``.
    """
    if not Path(value).is_dir() and not _HUB_NAME.fullmatch(str(value)):
        between, after = (",", f", or {instead}") if instead else (" or", "")
        raise ConfigError(
            f"{name} must be a directory{between} a Hugging Face name, such as {example!r}{after}; "
            f"there is no directory {str(value)!r}"
        )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        return False
    return math.isfinite(float(value))
