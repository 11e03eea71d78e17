"""How much is tried of what takes long: a part each time, all of it with ``RXVOICE_THOROUGH=1``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

THOROUGH = os.environ.get("RXVOICE_THOROUGH") == "1"


def some(items: Sequence[T], count: int) -> list[T]:
    """So many of the items, evenly from all of them; in a thorough run, all."""
    if THOROUGH or count >= len(items):
        return [*items]
    return [items[n * len(items) // count] for n in range(count)]
