"""What the recommended models take in the memory of a Mac, all together."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.cli._catalog import first_of_each, recommended

_SMALL = 36
"""Machines up to this many GB let the GPU use two thirds of their memory; others three quarters.

So says Metal's ``recommendedMaxWorkingSetSize``: 5461, 10923, 21845 and 49152 MiB for machines with
8, 16, 32 and 64 GB.
"""
_CACHE_PART = 8
"""`rxvoice.mlx.llm` lets its cache take an eighth of that."""


@dataclass(frozen=True)
class Total:
    """The memory of one machine.

    Attributes:
        memory_gb: how much it has, in GB.
        usable: how many bytes of it models may take.
        weights: how many bytes the first model of each slot takes.
        cache: how many bytes its conversations may take.
        tokens: how long these may be together, in tokens.
    """

    memory_gb: int
    usable: int
    weights: int
    cache: int
    tokens: int

    @property
    def needed(self) -> int:
        """How many bytes are taken in all."""
        return self.weights + self.cache


def total(memory: int) -> Total:
    """The memory of a machine with this many GB, with the first model of each slot on it."""
    first = {it.slot: it for it in first_of_each(recommended(memory))}
    usable = memory * 2**30 * 2 // 3 if memory <= _SMALL else memory * 2**30 * 3 // 4
    cache = usable // _CACHE_PART
    weights = sum(it.bytes or 0 for it in first.values())
    return Total(memory, usable, weights, cache, cache // first["llm"].cache)
