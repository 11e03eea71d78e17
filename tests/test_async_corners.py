"""An async model that raises what a cancelled one would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox


@pytest.mark.parametrize("pieces", [0, 2])
def test_a_model_that_was_cancelled_by_its_own_library_fails_its_turn(pieces: int) -> None:
    """Nobody has cancelled the answer: its turn must not wait for ever."""

    async def respond(text: str) -> AsyncIterator[str]:
        for _ in range(pieces if text == "one" else 1):
            yield "Word. "
        if text == "one":
            raise asyncio.CancelledError("the connection was closed")

    turns = [rxv.Turn.of(np.zeros(4, np.float32), id=n) for n in (1, 2)]
    asked = [rxv.Transcript(turn, text) for turn, text in zip(turns, ("one", "two"), strict=True)]
    seen: list[Any] = []
    rx.from_iterable(asked).pipe(vox.respond(respond)).subscribe(seen.append)
    told = [type(it).__name__ if isinstance(it, rxv.Event) else it.delta for it in seen]
    assert told == ["Word. "] * pieces + ["TurnFailed", "Word. ", ""]


def test_a_coroutine_that_gives_a_coroutine_fails_its_turn_and_says_so() -> None:
    async def inner() -> str:
        return "x"

    async def model(text: str) -> Any:
        return inner()

    seen: list[Any] = []
    said = rxv.Transcript(rxv.Turn.of(np.zeros(4, np.float32)), "hi")
    rx.of(said).pipe(vox.respond(model)).subscribe(seen.append, seen.append)
    (failed,) = seen
    assert str(failed.error).endswith("(coroutine): await it")
