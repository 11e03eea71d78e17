"""How late the loop is, and when garbage is collected, in virtual time."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest
from serve.virtual_loop import VirtualLoop, run

from rxvoice.serve._drain import Drain
from rxvoice.serve._garbage import collect_garbage
from rxvoice.serve._lag import watch_lag


def test_the_lag_of_a_loop_that_is_busy_counts_for_all_the_time_that_passed_meanwhile() -> None:
    told: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        watching = asyncio.create_task(watch_lag(told.append, every_s=0.05))
        await asyncio.sleep(0.12)
        loop.now += 0.15  # something holds the loop
        await asyncio.sleep(0.001)
        watching.cancel()

    run(main())
    # Two values in time. The third was due at 0.15, and came at 0.27.
    assert told == pytest.approx([0, 0, 0.12, 0.07, 0.02], abs=1e-6)


def test_everything_is_collected_when_nobody_is_there_and_once_many_sessions_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected: list[int] = []
    before = gc.get_threshold()

    async def main() -> None:
        drain = Drain(100, 30)

        def sessions(count: int) -> None:
            for _ in range(count):
                with drain.session(lambda code, reason: None):
                    pass

        async def passed() -> int:
            collected.clear()
            await asyncio.sleep(3)
            return len(collected)

        collecting = asyncio.create_task(collect_garbage(drain))
        assert await passed() == 0  # the models load
        drain.loaded()
        assert await passed() == 1
        assert gc.get_threshold() != before
        assert await passed() == 0
        sessions(1)
        assert await passed() == 1
        with drain.session(lambda code, reason: None):
            sessions(49)
            assert await passed() == 0
            sessions(1)
            assert await passed() == 1
            await asyncio.sleep(301)
            assert collected
        collecting.cancel()
        with suppress(asyncio.CancelledError):
            await collecting

    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    run(main())
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_servers_that_overlap_leave_the_collector_as_it_was() -> None:
    before = gc.get_threshold()

    async def main() -> None:
        drains = [Drain(1, 1), Drain(1, 1)]
        for drain in drains:
            drain.loaded()
        first, second = (asyncio.create_task(collect_garbage(it)) for it in drains)
        await asyncio.sleep(3)
        for task in (first, second):  # in the order in which they began
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert (gc.get_threshold() == before) == (task is second)

    run(main())
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
