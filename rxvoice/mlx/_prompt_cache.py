"""Keeps what a language model has computed for the tokens it was fed, for the next prompt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Protocol, cast


class Layer(Protocol):
    """The cache of one layer of mlx-lm."""

    @property
    def state(self) -> object: ...


class PromptCache:
    """The cache of a model's layers, with the tokens that are in it.

    Args:
        make: returns the layers of an empty cache.
    """

    def __init__(self, make: Callable[[], list[Layer]]) -> None:
        self._make = make
        self._ids: list[int] = []
        self.layers: list[Layer] = []

    def follow(self, prompt: list[int]) -> list[int]:
        """Keep the beginning that the cache shares with the prompt, and return the other tokens.

        There is at least one of them. They are the whole prompt if the layers cannot be trimmed,
        as those with a window or a recurrent state, or do not hold what was recorded.
        """
        # The model continues from the last token, so that one is always fed.
        pairs = zip(self._ids, prompt[:-1], strict=False)
        keep = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if not keep or not self._trimmed(keep):
            self._ids, self.layers, keep = [], self._make(), 0
        return prompt[keep:]

    def took(self, ids: list[int]) -> None:
        """Record tokens that the model was fed."""
        self._ids += ids

    def lend(self) -> tuple[list[int], list[Layer]]:
        """Hand the tokens and the layers out; nothing is known until they are `put` back."""
        lent = self._ids, self.layers
        self.forget()
        return lent

    def put(self, ids: list[int], layers: list[Layer]) -> None:
        """Keep these layers, in which these tokens are."""
        self._ids, self.layers = ids, layers

    def forget(self) -> None:
        """Drop everything: it is not known what the layers hold."""
        self._ids, self.layers = [], []

    def _trimmed(self, keep: int) -> bool:
        from mlx_lm.models import cache

        offsets = (getattr(layer, "offset", None) for layer in self.layers)
        if any(isinstance(it, int) and it != len(self._ids) for it in offsets):
            return False
        excess = len(self._ids) - keep
        if excess:
            # mlx-lm annotates a list and returns how many tokens went, 0 if the layers cannot.
            went = cast("int", cache.trim_prompt_cache(self.layers, excess))
            if went != excess:
                return False
            del self._ids[keep:]
        return True
