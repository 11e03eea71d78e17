"""Keeps what a language model has computed for the tokens it was fed, for the next prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol, cast

_MARKS = 2
"""How many places are kept to go back to, beside the root."""
COPIES = _MARKS + 1
"""How many copies there are of the layers that cannot be cut."""


class Layer(Protocol):
    """The cache of one layer of mlx-lm."""

    @property
    def state(self) -> object: ...
    @property
    def nbytes(self) -> int: ...
    def is_trimmable(self) -> bool: ...
    def trim(self, n: int, /) -> int: ...


@dataclass(slots=True)
class _Mark:
    """A place that can be gone back to.

    Attributes:
        at: how many tokens stand before it.
        copies: the parts of layers as they were there; None for one that can always be cut to it.
    """

    at: int
    copies: list[Layer | None]
    is_root: bool

    @property
    def bytes(self) -> int:
        return sum(layer.nbytes for layer in self.copies if layer is not None)


@dataclass(slots=True)
class Computed:
    """What a model has computed: its layers, and the tokens that are in them."""

    ids: list[int] = field(default_factory=list[int])
    layers: list[Layer] = field(default_factory=list[Layer])
    marks: list[_Mark] = field(default_factory=list[_Mark])


class PromptCache:
    """The cache of a model's layers, with the tokens that are in it.

    Layers with a window or a recurrent state cannot be cut back to fewer tokens. For these, `mark`
    keeps a copy of them, and `follow` goes back to the last mark that will do. MLX copies no
    numbers for it before they change.

    Args:
        make: returns the layers of an empty cache.
    """

    def __init__(self, make: Callable[[], list[Layer]]) -> None:
        self._make = make
        self._known = Computed()

    @property
    def layers(self) -> list[Layer]:
        """The layers, which the model changes."""
        return self._known.layers

    @property
    def size(self) -> int:
        """How many tokens are in it."""
        return len(self._known.ids)

    @property
    def bytes(self) -> int:
        """How much memory it takes, with the marks."""
        known = self._known
        return sum(it.nbytes for it in known.layers) + sum(it.bytes for it in known.marks)

    @property
    def wants_marks(self) -> bool:
        """Whether there are layers that cannot always be cut."""
        return not all(map(_can_always_be_cut, _parts(self._known.layers)))

    def follow(self, prompt: list[int]) -> list[int]:
        """Keep a beginning that the cache shares with the prompt, and return the other tokens.

        There is at least one of them, since the model continues from the last token. They are the
        whole prompt if there is no way back, or the layers do not hold what was recorded.
        """
        keep = shared(self._known.ids, prompt[:-1])
        if not keep or not self._cut(keep):
            self._known = Computed(layers=self._make())
        return prompt[self.size :]

    def took(self, ids: list[int]) -> None:
        """Record tokens that the model was fed."""
        self._known.ids += ids

    def mark(self, *, is_root: bool = False) -> None:
        """Make it possible to go back to this place.

        Args:
            is_root: keep it as long as it is of use, however many others there are.
        """
        known = self._known
        if not (self.wants_marks and known.ids) or any(it.at == self.size for it in known.marks):
            return
        parts = _parts(known.layers)
        copies = [None if _can_always_be_cut(it) else deepcopy(it) for it in parts]
        known.marks.append(_Mark(self.size, copies, is_root))
        others = [it for it in known.marks if not it.is_root]
        for mark in others[:-_MARKS]:
            known.marks.remove(mark)

    def lend(self) -> Computed:
        """Hand out what is known; nothing is, until it is `put` back."""
        lent = self._known
        self.forget()
        return lent

    def put(self, known: Computed) -> None:
        """Keep this."""
        self._known = known

    def forget(self) -> None:
        """Drop everything: it is not known what the layers hold."""
        self._known = Computed()

    def _cut(self, keep: int) -> bool:
        """Go back to that many tokens, or to the last mark before; False if that cannot be."""
        known, parts = self._known, _parts(self._known.layers)
        offsets = (getattr(part, "offset", None) for part in parts)
        if any(isinstance(it, int) and it != self.size for it in offsets):
            return False
        excess, copies = self.size - keep, list[Layer | None]([None] * len(parts))
        if excess and not all(map(_can_be_cut, parts)):
            mark = max((it for it in known.marks if it.at <= keep), key=_place, default=None)
            if mark is None:
                return False
            keep, excess, copies = mark.at, self.size - mark.at, mark.copies
        for part, copy in zip(parts, copies, strict=True):
            if copy is not None:
                # The mark stays, so its copy must not change.
                vars(part).update(vars(deepcopy(copy)))
            elif excess and part.trim(excess) != excess:
                return False
        del known.ids[keep:]
        known.marks = [it for it in known.marks if it.at <= keep]
        return True


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginnings."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parts(layers: Iterable[Layer]) -> list[Layer]:
    """The layers, and those that are made of several as these."""
    found: list[Layer] = []
    for layer in layers:
        inner = cast("Iterable[Layer] | None", getattr(layer, "caches", None))
        found += [layer] if inner is None else _parts(inner)
    return found


def _place(mark: _Mark) -> int:
    return mark.at


def _can_be_cut(layer: Layer) -> bool:
    """Whether the layer still has all that a shorter one needs."""
    return layer.is_trimmable() and not getattr(layer, "start_position", 0)


def _can_always_be_cut(layer: Layer) -> bool:
    """Whether the layer keeps all that it was given."""
    from mlx_lm.models import cache

    keeps_all = (cache.KVCache, cache.ConcatenateKVCache, cache.QuantizedKVCache)
    return isinstance(layer, keeps_all) and layer.is_trimmable()
