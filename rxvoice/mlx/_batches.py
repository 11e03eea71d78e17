"""`Batches`: which answers of one model are written together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator
from itertools import chain
from threading import get_ident
from typing import cast

import mlx.core as mx

from rxvoice.mlx._batch import Batch, ChatModel, Layers, Member, Penalty, Sampler
from rxvoice.mlx._prompt_cache import Layer, PromptCache

_TRIED = ([*range(3, 27)], [8, 9])
"""The prompts with which a model is tried."""

_ROUNDING, _COARSE = 0.01, 0.1
"""By how much logits in float32, and in 16 bits, may differ, as a part of their spread."""

_log = logging.getLogger("rxvoice")


class Batches:
    """The answers of one model that are on their way.

    Args:
        model: the network.
        make: returns the layers of an empty cache.
        sampler: chooses the tokens.
        penalties: change the logits before.
        size: how many answers are written together at the most.
    """

    def __init__(
        self,
        model: ChatModel,
        make: Callable[[], list[Layer]],
        sampler: Sampler,
        penalties: list[Penalty],
        size: int,
    ) -> None:
        self._model = model
        self.empty_layers = make
        """Returns the layers of an empty cache."""
        self._sampler = sampler
        self._penalties = penalties
        self._size = size
        self._batches: list[Batch] = []
        self._is_able: bool | None = None

    def write(
        self, cache: PromptCache, prompt: list[int], most: int, ends: Collection[int]
    ) -> Generator[tuple[int, bool]]:
        """Yield the tokens of an answer, each with whether it was written with others.

        Args:
            cache: was fed all of the prompt but its last token. It is empty until the answer is
                over or closed; then it holds all tokens that were written.
            prompt: its last tokens.
            most: the most tokens of the answer.
            ends: the tokens that end it; they are given too.
        """
        batch = self._with_room()
        member = Member(cache, prompt, most, ends)
        batch.join(member)
        try:
            while (token := batch.next(member)) is not None:
                yield token, batch.is_shared
        finally:
            batch.leave(member)
            if not batch.size:
                self._batches.remove(batch)

    def tidy(self) -> None:
        """Let go of the answers that another thread has closed."""
        for batch in [*self._batches]:
            if batch.thread == get_ident():
                batch.tidy()
                if not batch.size:
                    self._batches.remove(batch)

    def _with_room(self) -> Batch:
        """The batch that the next answer joins."""
        here = (it for it in self._batches if it.thread == get_ident() and it.size < self._size)
        batch = next(here, None)
        if batch is None or not self._is_tried():
            batch = Batch(self._model, self._sampler, self._penalties)
            self._batches.append(batch)
        return batch

    def _is_tried(self) -> bool:
        if self._is_able is None:
            self._is_able = _works_in_batches(self._model, self.empty_layers)
        return self._is_able


def _works_in_batches(model: ChatModel, make: Callable[[], list[Layer]]) -> bool:
    """Try whether the model writes two answers together as it writes each alone.

    Not every network of mlx-lm can: its layers may not merge, or it takes one position for all.
    """
    try:
        alone = [_steps(model, _fed(model, make, prompt), [1, 2]) for prompt in _TRIED]
        pairs = zip(*(_fed(model, make, prompt) for prompt in _TRIED), strict=True)
        layers = [cast("Layers", pair[0]).merge(list(pair)) for pair in pairs]
        # The second step is taken after each has left the batch again.
        first = _logits(model, [[1], [1]], layers)
        together = [
            [first[row : row + 1], *_steps(model, [_extracted(it, row) for it in layers], [2])]
            for row in range(2)
        ]
        differ = max(map(_differ, chain(*alone), chain(*together)))
        limit = _ROUNDING if first.dtype == mx.float32 else _COARSE
        why = f"its logits differ by {differ:.2g} of their spread, more than {limit:g}"
        if differ < limit:
            return True
    except Exception as error:  # a network that knows no batches may stumble in any way
        why = f"it raises {error!r}"
    _log.info("this language model cannot write answers together, so they take turns: %s", why)
    return False


def _fed(model: ChatModel, make: Callable[[], list[Layer]], prompt: list[int]) -> list[Layer]:
    layers = make()
    _logits(model, [prompt], layers)
    return layers


def _extracted(layer: Layer, row: int) -> Layer:
    return cast("Layers", layer).extract(row)


def _steps(model: ChatModel, layers: list[Layer], tokens: list[int]) -> list[mx.array]:
    return [_logits(model, [[token]], layers) for token in tokens]


def _logits(model: ChatModel, tokens: list[list[int]], layers: list[Layer]) -> mx.array:
    logits = model(mx.array(tokens), cache=layers)[:, -1, :]
    mx.eval(logits, *(layer.state for layer in layers))  # pyright: ignore
    return logits


def _differ(one: mx.array, other: mx.array) -> float:
    """How far two rows of logits are apart, as a part of their spread."""
    one, other = one.astype(mx.float32), other.astype(mx.float32)
    apart = mx.std(one - other) / mx.std(one)
    return cast("float", mx.nan_to_num(apart, nan=mx.inf, posinf=mx.inf).item())
