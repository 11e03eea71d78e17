"""The errors of rxvoice. Each message says what came, what was wanted and what to do."""

from __future__ import annotations

__all__ = [
    "AudioFormatError",
    "ConfigError",
    "MissingDependency",
    "ModelThreadStuck",
    "ModelTimeout",
    "QueueFull",
    "ReplayDiffers",
    "RxvoiceError",
    "SinkStalled",
]


class RxvoiceError(Exception):
    """The base class of every error that rxvoice raises."""


class AudioFormatError(RxvoiceError, ValueError):
    """Audio has the wrong type, shape, sample rate or range."""


class ConfigError(RxvoiceError, ValueError):
    """A setting or an argument is wrong. The message names it, its value and its unit."""


class MissingDependency(RxvoiceError, ImportError):
    """An optional package or system library is not installed. The message has the command."""


class ModelTimeout(RxvoiceError, TimeoutError):
    """A model took longer than its stage allows.

    Args:
        message: which model, how long it took, and the limit.
        seconds: how long the stage has waited.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class ModelThreadStuck(ModelTimeout):
    """A step of one model blocks the thread that all models share."""


class QueueFull(RxvoiceError):
    """A bounded queue is full, and its ``overflow`` is ``"fail"``."""


class SinkStalled(RxvoiceError):
    """An audio sink took none of the samples that it was offered."""


class ReplayDiffers(RxvoiceError):
    """A pipe did something else on a trace than when the trace was recorded."""
