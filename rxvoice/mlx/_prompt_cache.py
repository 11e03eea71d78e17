"""What a language model has computed for the tokens it was fed, kept from prompt to prompt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Protocol, cast

__all__ = ["Layer", "PromptCache"]


class Layer(Protocol):
    """The cache of one layer of mlx-lm."""

    @property
    def state(self) -> object: ...


class PromptCache:
    """The cache of a model's layers, and which tokens are in it.

    Args:
        make: gives the layers of an empty one.
    """

    def __init__(self, make: Callable[[], list[Layer]]) -> None:
        self._make = make
        self._ids: list[int] = []
        self.layers: list[Layer] = []

    def follow(self, prompt: list[int]) -> list[int]:
        """Keep what the prompt begins with; gives the tokens still to be fed, at least one.

        Where the layers cannot be trimmed to that (those with a window or a recurrent state), or
        do not hold what was recorded, all of the prompt is to be fed again.
        """
        # The model answers the last token, so that one is always fed.
        pairs = zip(self._ids, prompt[:-1], strict=False)
        keep = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if not keep or not self._trimmed(keep):
            self._ids, self.layers, keep = [], self._make(), 0
        return prompt[keep:]

    def took(self, ids: list[int]) -> None:
        """Note what the model was fed, or generated and so fed itself."""
        self._ids += ids

    def forget(self) -> None:
        """Drop all of it: what the layers hold is no longer known."""
        self._ids, self.layers = [], []

    def _trimmed(self, keep: int) -> bool:
        from mlx_lm.models import cache

        offsets = (getattr(layer, "offset", None) for layer in self.layers)
        if any(isinstance(it, int) and it != len(self._ids) for it in offsets):
            return False
        excess = len(self._ids) - keep
        if excess:
            # Annotated as a list, there; it is how many tokens went, 0 where they cannot.
            went = cast("int", cache.trim_prompt_cache(self.layers, excess))
            if went != excess:
                return False
            del self._ids[keep:]
        return True
