"""Reads the header of a GGUF file: what is known of the model, and where its weights are."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

__all__ = ["Gguf", "Stored", "read_gguf"]

_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    8: ("Q8_0", 32, 34),
}
"""The types that MLX reads exactly: name, weights in a block, bytes of a block."""

_OTHERS = {6: "Q5_0", 7: "Q5_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K"} | {
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    30: "BF16",
    39: "MXFP4",
}

_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"} | {
    10: "<Q",
    11: "<q",
    12: "<d",
}
_TEXT, _ARRAY = 8, 9
_LARGEST = 2**24  # entries of an array, tensors or bytes of a text: far more than any model has


@dataclass(frozen=True, slots=True)
class Stored:
    """How a weight is stored.

    Attributes:
        kind: its type, such as ``"Q4_1"``.
        shape: as MLX has it, rows first.
    """

    kind: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Gguf:
    """What a GGUF file says of itself."""

    metadata: dict[str, object]
    weights: dict[str, Stored]

    @property
    def unreadable(self) -> list[str]:
        """The types of weights that are not read, in order."""
        return sorted({it.kind for it in self.weights.values()} - {it[0] for it in _TYPES.values()})


def read_gguf(path: Path) -> Gguf:
    """Read the header, and check that all weights of known types are in the file.

    MLX maps the file into memory, and would end the process at what is missing.

    Raises:
        ValueError: it is no GGUF file of version 2 or 3, or is not complete.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = _HeaderReader(file, size)
        if file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = reader.number("<I")
        if version not in (2, 3):
            raise ValueError(f"it is of version {version}, wanted 2 or 3")
        tensors, entries = reader.count(), reader.count()
        metadata = {reader.text(): reader.value(reader.number("<I")) for _ in range(entries)}
        weights: dict[str, Stored] = {}
        most = 0
        for _ in range(tensors):
            name = reader.text()
            # GGUF counts the columns first.
            shape = tuple(reader.number("<Q") for _ in range(reader.rank()))[::-1]
            code, offset = reader.number("<I"), reader.number("<Q")
            known = _TYPES.get(code)
            kind = known[0] if known else _OTHERS.get(code, f"type {code}")
            weights[name] = Stored(kind, shape)
            if known:
                _, each, bytes_each = known
                if shape[-1] % each:
                    raise ValueError(f"{name} of type {kind} has rows of {shape[-1]} weights")
                most = max(most, offset + prod(shape) // each * bytes_each)
        end = file.tell()
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 8 or alignment % 8:
        raise ValueError(f"general.alignment is {alignment!r}, wanted a multiple of 8")
    wanted = end + (-end % alignment) + most
    if size < wanted:
        raise ValueError(f"it has {size} bytes of {wanted}")
    return Gguf(metadata, weights)


class _HeaderReader:
    """Values of a header, which never lie beyond the end of the file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def number(self, form: str) -> int:
        return int(self._unpacked(form))

    def count(self) -> int:
        """How many of something follow."""
        found = self.number("<Q")
        if found > min(_LARGEST, self._size):
            raise ValueError(f"it says that {found} of something follow")
        return found

    def rank(self) -> int:
        found = self.number("<I")
        if not 1 <= found <= 4:
            raise ValueError(f"a weight has {found} dimensions")
        return found

    def text(self) -> str:
        size = self.count()
        data = self._file.read(size)
        if len(data) != size:
            raise ValueError("it ends within a text")
        return data.decode()

    def value(self, kind: int, depth: int = 0) -> object:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY and depth < 3:
            inner, size = self.number("<I"), self.count()
            return [self.value(inner, depth + 1) for _ in range(size)]
        if kind in _NUMBERS:
            return self._unpacked(_NUMBERS[kind])
        raise ValueError(f"an entry is of the unknown type {kind}")

    def _unpacked(self, form: str) -> int | float | bool:
        try:
            return struct.unpack(form, self._file.read(struct.calcsize(form)))[0]
        except struct.error:
            raise ValueError("it ends within its header") from None
