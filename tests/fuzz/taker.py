"""`Taker`: makes structured input of bytes, so that one fuzzer of bytes reaches all of it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 255, 65_536, 2**31 - 1, 2**31, 2**53, 2**63, -(2**63)),
    *(10**15, 10**300, -(10**300), 0.5, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan),
    *("", " ", "\0", "\n", "\ud800", "\udc00x", "é\u0301", "\U0001f600", "x" * 3_000, "1e400"),
    *("../../../etc/passwd", "/etc/passwd", "root", "SystemExit", "ExceptionGroup", "microphone"),
    *("__class__", "{{7*7}}", "%s%s%s%n", "<script>", "inf", "-1", "0x10", "true", "null"),
    *([], {}, [[]], [None], {"": None}, {"type": {}}, {"format": {}}, [{}] * 40, [0] * 300),
)
"""Values that trip up code which trusts its input."""
_DEEP = 120


def _nested(depth: int) -> Any:
    value: Any = []
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


class Taker:
    """Takes numbers, choices and values from bytes, one after another; zeros when they are over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        """Whether all bytes were taken."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """A number from 0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, end: int) -> int:
        """A number from 0 to `end` - 1."""
        if end <= 256:
            return self.byte() % max(1, end)
        return int.from_bytes(bytes(self.byte() for _ in range(4)), "little") % end

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def bytes(self, most: int) -> bytes:
        """So many bytes at most."""
        size = self.below(most + 1)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        """All that is left."""
        found, self._at = self._data[self._at :], len(self._data)
        return found

    def text(self, most: int = 200) -> str:
        """A text, which may have half a surrogate pair."""
        return self.bytes(most).decode("utf-8", "surrogateescape")

    def value(self) -> Any:
        """A value of JSON, most often a hostile one."""
        kind = self.below(8)
        if kind == 0:
            return self.text(40)
        if kind == 1:
            return self.below(2**32) - 2**31
        if kind == 2:
            return _nested(self.pick((3, 30, _DEEP)))
        return copy.deepcopy(self.pick(HOSTILE))

    def edited(self, value: Any, *, pool: Sequence[Any] = (), most: int = 4) -> Any:
        """A copy of a value of JSON with some changes.

        Args:
            pool: other values, parts of which may be put in.
        """
        made = [copy.deepcopy(value)]
        for _ in range(self.below(most + 1)):
            self._edit(made, pool or (value,))
        return made[0]

    def _edit(self, root: list[Any], pool: Sequence[Any]) -> None:
        holder, key = self._place(root)
        match self.below(7):
            case 0:
                holder[key] = self.value()
            case 1 if holder is not root:
                del holder[key]
            case 2:
                other, at = self._place([copy.deepcopy(self.pick(pool))])
                holder[key] = other[at]
            case 3 if isinstance(holder, dict):
                holder[self.pick((*_keys(pool), self.text(8)))] = holder[key]
            case 4 if isinstance(holder, list) and holder is not root:
                holder.extend(copy.deepcopy(holder[key]) for _ in range(self.pick((1, 3, 200))))
            case 5 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                it = holder[key]
                holder[key] = self.pick((it + 1, -it, it * 2, it * 10**9, it + 0.5, str(it)))
            case _:
                holder[key] = self.value()

    def _place(self, root: list[Any]) -> tuple[Any, Any]:
        holder: Any = root
        key: Any = 0
        while isinstance(inner := holder[key], dict | list) and inner and self.below(5):
            holder = inner
            key = self.pick(list(inner) if isinstance(inner, dict) else range(len(inner)))
        return holder, key

    def written(self, value: Any) -> str:
        """The value as JSON, perhaps with a fault in it."""
        text = json.dumps(value, ensure_ascii=bool(self.below(2)))
        if self.below(16) == 15:
            at = self.below(len(text) + 1)
            text = text[:at] + self.text(12) + text[at + self.below(4) :]
        return text

    def parts(self, data: bytes) -> list[bytes]:
        """The bytes cut into parts, some of them empty or of one byte."""
        found: list[bytes] = []
        while data:
            size = self.pick((1, 2, 7, 64, 1_000, 10**6, 0)) if not self.is_over else len(data)
            found.append(data[:size])
            data = data[size:]
        return found

    def damaged(self, data: bytes, most: int = 6) -> bytes:
        """A file with some changes: bits, sizes, cuts, repetitions."""
        made = bytearray(data)
        for _ in range(self.below(most + 1)):
            at = self.below(len(made) + 1)
            match self.below(6):
                case 0 if at < len(made):
                    made[at] = self.byte()
                case 1:
                    number = self.pick((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**16, 0xFFFE))
                    size = self.pick((2, 4, 8))
                    made[at : at + size] = (number % 2 ** (8 * size)).to_bytes(size, "little")
                case 2:
                    del made[at:]
                case 3:
                    made[at:at] = self.bytes(32)
                case 4:
                    del made[at : at + 1 + self.below(16)]
                case _:
                    made[at:at] = made[at : at + 64] * self.pick((1, 8, 60))
        return bytes(made)


def _keys(pool: Sequence[Any]) -> list[str]:
    """The names of all entries in these values."""
    found: dict[str, None] = {}
    level = list(pool)
    while level:
        inner: list[Any] = []
        for it in level:
            if isinstance(it, dict):
                found.update(dict.fromkeys(it))
                inner += it.values()
            elif isinstance(it, list):
                inner += it
        level = inner
    return list(found) or [""]
