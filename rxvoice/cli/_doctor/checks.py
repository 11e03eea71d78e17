"""The checks, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import cast

from rxvoice.cli._doctor.finding import Asked, Finding


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: for people; also of its findings.
        module: the file that has its function ``check``.
        limit_s: how long it may take. One that takes longer hangs.
    """

    name: str
    module: str
    limit_s: float = 15.0


_TONE = Check("tone", "tone", 30.0)

_ALL = (
    Check("python", "python"),
    Check("system", "system"),
    Check("packages", "packages"),
    # The first import of MLX on a machine, and what it compiles, take long.
    Check("mlx", "mlx", 45.0),
    Check("memory", "memory"),
    Check("models", "models", 20.0),
    Check("disk", "disk", 20.0),
    Check("settings", "settings"),
    Check("portaudio", "sound_system"),
    Check("devices", "sound_devices"),
    Check("microphone", "microphone", 20.0),
    Check("loudspeaker", "loudspeaker", 20.0),
)


def wanted(asked: Asked) -> list[Check]:
    """The checks that the user asks for."""
    return [*_ALL, _TONE] if asked.tone else list(_ALL)


def run(check: Check, asked: Asked) -> list[Finding]:
    """Run a check in this process. What it raises is a finding, too."""
    try:
        function = import_module(f"rxvoice.cli._doctor.{check.module}").check
        if signature(function).parameters:
            return cast("Callable[[Asked], list[Finding]]", function)(asked)
        return cast("Callable[[], list[Finding]]", function)()
    except Exception as error:
        return [broken(check, f"{type(error).__name__}: {error}")]


def broken(check: Check, why: str) -> Finding:
    """The finding that a check itself does not work."""
    remedy = "report this, with the whole output of rxvoice doctor"
    return Finding(check.name, "problem", f"this check failed: {why}", remedy)
