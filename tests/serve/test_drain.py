"""A server that is told to end takes no more, and cuts nobody before the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps

import pytest

from rxvoice.errors import ConfigError
from rxvoice.serve._drain import Drain


def on_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


def _closes(closed: list[tuple[int, str]]):  # type: ignore[no-untyped-def]
    return lambda code, reason: closed.append((code, reason))


@on_a_loop
async def test_it_is_ready_once_it_is_loaded_and_until_it_is_full() -> None:
    drain = Drain(2, 30)
    assert drain.unready == "loading"
    drain.loaded()
    assert drain.unready is None
    with drain.session(_closes([])), drain.session(_closes([])):
        assert drain.unready == "full"
        assert drain.sessions == 2
    assert drain.unready is None
    drain.begin()
    assert drain.unready == "draining"


@on_a_loop
async def test_it_waits_for_the_sessions_and_closes_none() -> None:
    drain = Drain(2, 60)
    drain.loaded()
    closed: list[tuple[int, str]] = []
    with drain.session(_closes(closed)):
        done = asyncio.ensure_future(drain.done())
        await asyncio.sleep(0)
        assert drain.unready == "draining"
        assert not done.done()
    assert await done == 0
    assert closed == []


@on_a_loop
async def test_without_sessions_it_is_done_at_once() -> None:
    assert await Drain(1, 60).done() == 0


@on_a_loop
async def test_those_that_last_too_long_are_closed_with_1012() -> None:
    drain = Drain(2, 0)
    drain.loaded()
    closed: list[tuple[int, str]] = []
    over = asyncio.Event()

    async def session() -> None:
        with drain.session(lambda *it: (closed.append(it), over.set())):  # type: ignore[func-returns-value]
            await over.wait()

    task = asyncio.ensure_future(session())
    await asyncio.sleep(0)
    assert await drain.done() == 1
    assert closed == [(1012, "draining")]
    await task


@pytest.mark.parametrize(
    ("sessions", "seconds", "message"),
    [
        (0, 1, "max_sessions must be at least 1 sessions, got 0"),
        (1, -1, "drain_timeout_s must be at least 0 seconds, got -1"),
    ],
)
def test_a_wrong_number_is_told(sessions: int, seconds: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Drain(sessions, seconds)
