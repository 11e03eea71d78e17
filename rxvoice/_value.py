"""Dataclasses that hold arrays: equality, hash, repr, and quick building."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

import numpy as np

T = TypeVar("T")


def same(a: object, b: object) -> bool:
    """Whether two fields are equal. Arrays of numpy or MLX compare by dtype, shape and content."""
    if a is b:
        return True
    if hasattr(a, "shape") and hasattr(b, "shape"):
        x, y = np.asarray(cast(Any, a)), np.asarray(cast(Any, b))
        return x.dtype == y.dtype and np.array_equal(x, y)
    if hasattr(a, "shape") or hasattr(b, "shape"):
        return False
    return a == b


def brief(value: object) -> str:
    """The value's `repr`; for an array its type and shape, so that an element fits on a line."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return repr(value)
    dtype = str(getattr(value, "dtype", "array")).rpartition(".")[2]
    return f"{dtype}[{', '.join(map(str, shape))}]"


class Value:
    """The base of dataclasses with array fields: their equality, hash and repr."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            same(mine, yours) for mine, yours in zip(_items(self), _items(other), strict=True)
        )

    def __hash__(self) -> int:
        return hash((type(self), *(v for v in _items(self) if not hasattr(v, "shape"))))

    def __repr__(self) -> str:
        shown = [
            f"{it.name}={brief(value)}"
            for it in fields(cast(Any, self))
            if it.repr and (it.default is MISSING or getattr(self, it.name) is not it.default)
            for value in [getattr(self, it.name)]
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _items(element: object) -> list[object]:
    return [getattr(element, it.name) for it in fields(cast(Any, element)) if it.compare]


def quick(cls: type[T]) -> type[T]:
    """Make a frozen, slotted dataclass cheap to build: it takes less than half the time.

    The ``__init__`` that `dataclass` writes for a frozen class calls ``object.__setattr__`` for
    each field. This one turns the instance into an open twin, a class with the same slots and no
    ban on assignment, sets the fields, and turns it back. A subclass keeps the ``__init__`` of
    `dataclass`. `benchmarks.per_chunk` compares the two.
    """
    frozen = cast(Any, cls)
    names = [it.name for it in fields(frozen)]
    scope: dict[str, Any] = {
        "frozen": frozen,
        "open_twin": type(cls.__name__, cls.__bases__, {"__slots__": frozen.__slots__}),
        "assign": object.__setattr__,
        "dataclass_init": frozen.__init__,
    }
    lines = [
        f"def __init__(self, {', '.join(names)}):",
        "    if type(self) is not frozen:",
        f"        return dataclass_init(self, {', '.join(names)})",
        "    assign(self, '__class__', open_twin)",
        *(f"    self.{name} = {name}" for name in names),
        "    self.__class__ = frozen",
    ]
    exec("\n".join(lines), scope)
    init = scope["__init__"]
    for attribute in ("__annotations__", "__defaults__", "__module__", "__qualname__"):
        setattr(init, attribute, getattr(frozen.__init__, attribute))
    frozen.__init__ = init
    return cls
