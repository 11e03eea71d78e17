"""What can go wrong. Every message says what came, what was wanted and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

__all__ = [
    "AudioFormatError",
    "ConfigError",
    "MissingDependency",
    "ModelThreadStuck",
    "ModelTimeout",
    "QueueFull",
    "RxvoiceError",
    "SinkStalled",
]


class RxvoiceError(Exception):
    """The root of every error that rxvoice itself raises."""


class AudioFormatError(RxvoiceError, ValueError):
    """Audio of the wrong type, shape, rate or range."""


class ConfigError(RxvoiceError, ValueError):
    """A setting or argument out of its range; names it, with its value and unit."""


class MissingDependency(RxvoiceError, ImportError):
    """An optional package or system library is not installed; the message has the command."""


class ModelTimeout(RxvoiceError, TimeoutError):
    """A model was waited for longer than its stage allows.

    Args:
        message: what was waited for, how long, and by which limit.
        seconds: how long.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class ModelThreadStuck(ModelTimeout):
    """One step of one model holds up the thread that all of them share."""


class QueueFull(RxvoiceError):
    """A bounded queue had no room, and was told to fail."""


class SinkStalled(RxvoiceError):
    """An audio sink took none of the samples it was offered."""
