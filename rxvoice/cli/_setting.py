"""One setting of a command: what it may be, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

Kind: TypeAlias = Literal["text", "texts", "device", "whole", "number", "switch", "path"]

_MOST = 1_000_000_000  # keeps every count within a machine's numbers


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The rules for a setting's value, and its help.

    Args:
        group: the heading that it stands under in the help.
        choices: the only texts that it may be; any text if empty.
        least: the lowest number that it may be.
        most: the highest.
        unit: of a number, in words.
    """

    group: str
    kind: Kind
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = _MOST
    unit: str = ""

    @property
    def wanted(self) -> str:
        """What a value must be, for an error message."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        if self.kind == "switch":
            return "true or false"
        if self.kind in ("whole", "number"):
            what = "a whole number" if self.kind == "whole" else "a number"
            of = f" of {self.unit}" if self.unit else ""
            most = f" to {self.most:g}" if self.most < _MOST else f" or more, to {_MOST:,}"
            return f"{what}{of}, {self.least:g}{most}"
        others = {"device": "a device's name or number", "path": "the path of a file"}
        return {**others, "texts": "a text or a list of texts"}.get(self.kind, "a text")

    def read(self, text: str) -> object:
        """Turn a typed text into the value that TOML would give; leave a bad one as it is."""
        try:
            if self.kind == "whole" or (self.kind == "device" and text.isdecimal()):
                return int(text)
            return float(text) if self.kind == "number" else text
        except ValueError:
            return text

    def check(self, value: object) -> object:
        """Return the value as the settings hold it; several texts as a tuple.

        Raises:
            ValueError: the value is not `wanted`.
        """
        if self.kind == "texts":
            texts = cast("list[object]", value) if isinstance(value, list) else [value]
            good = all(isinstance(it, str) and it.strip() for it in texts)
            value = tuple(texts)
        elif self.kind == "switch":
            good = isinstance(value, bool)
        elif self.kind in ("whole", "number"):
            numbers = (int,) if self.kind == "whole" else (int, float)
            good = isinstance(value, numbers) and not isinstance(value, bool)
            good = good and self.least <= cast(float, value) <= self.most
        elif self.kind == "device" and isinstance(value, int):
            good = not isinstance(value, bool) and 0 <= value <= _MOST
        else:
            good = isinstance(value, str) and bool(value.strip())
            good = good and (not self.choices or value in self.choices)
        if not good:
            raise ValueError(f"wanted {self.wanted}")
        if self.kind != "path":
            return value
        try:
            return Path(str(value)).expanduser()
        except RuntimeError:
            raise ValueError("no such user: wanted a path, with ~ for your home") from None


def setting(default: object, group: str, kind: Kind, help: str, **rest: Any) -> Any:
    """Make a dataclass field for a setting; `rest` is as in `Setting`."""
    made = Setting(group=group, kind=kind, help=help, **rest)
    return field(default=default, metadata={"setting": made})


def milliseconds(default: int, group: str, help: str, *, least: int = 0) -> Any:
    """Make a dataclass field for a length of time."""
    return setting(default, group, "whole", help, least=least, unit="milliseconds", metavar="MS")
