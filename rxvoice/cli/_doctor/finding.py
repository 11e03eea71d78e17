"""What a check is asked, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warning", "problem", "not checked"]
"""``"not checked"``: another check has found why this one is not possible."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: the name of the check.
        state: how bad it is.
        told: what was found, in a sentence for people.
        remedy: what to do about it; "" for nothing.
        facts: the same for programs, of what JSON has.
    """

    check: str
    state: State
    told: str
    remedy: str = ""
    facts: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Attributes:
        microphone: the device to listen to: an index, a part of its name, or None for the default.
        speaker: the device to play on, likewise.
        tone: play a tone.
        seconds: how long to listen to the microphone.
    """

    microphone: int | str | None = None
    speaker: int | str | None = None
    tone: bool = False
    seconds: float = 1.5
