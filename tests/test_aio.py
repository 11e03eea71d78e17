"""Events in an `async for`, and async iterables as sources."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable

import rxvoice as rxv
from rxvoice import aio
from rxvoice import operators as vox
from rxvoice.errors import QueueFull

WAIT = 60
LIMIT = 10_000


class Watched(Subject[int]):
    """A subject that notes when it is unsubscribed from."""

    def __init__(self) -> None:
        super().__init__()
        self.left = threading.Event()

    def _subscribe_core(
        self, observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        inner = super()._subscribe_core(observer, scheduler)

        def leave() -> None:
            inner.dispose()
            self.left.set()

        return Disposable(leave)


async def turns() -> None:
    """Let the loop's other tasks go on as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def in_thread(action: Callable[[], object]) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join(WAIT)
    assert not thread.is_alive()


def brief(items: list[object]) -> list[object]:
    return [f"-{item.detail}" if isinstance(item, rxv.Notice) else item for item in items]


def read(
    overflow: aio.Overflow, given: int, *, max_events: int = 3
) -> tuple[list[object], aio.Events[int]]:
    """Read numbers that all came before the first was taken."""

    async def main() -> tuple[list[object], aio.Events[int]]:
        numbers: Subject[int] = Subject()
        events = aio.events(numbers, max_events=max_events, overflow=overflow)
        iterator = aiter(events)
        for n in range(given):
            numbers.on_next(n)
        numbers.on_completed()
        return brief([event async for event in iterator]), events

    return asyncio.run(main())


def test_what_fits_comes_whole_and_in_order() -> None:
    got, events = read("fail", 3)
    assert got == [0, 1, 2]
    assert events.dropped == 0


def test_the_oldest_is_dropped_and_told_in_its_place() -> None:
    got, events = read("drop_oldest", 7)
    assert got == ["-4", 4, 5, 6]
    assert events.dropped == 4


def test_the_newest_is_dropped_and_told_in_its_place() -> None:
    got, events = read("drop_newest", 7)
    assert got == [0, 1, 2, "-4"]
    assert events.dropped == 4


def test_a_gap_between_elements_is_told_between_them() -> None:
    async def main(overflow: aio.Overflow) -> list[object]:
        numbers: Subject[int] = Subject()
        iterator = aiter(aio.events(numbers, max_events=2, overflow=overflow))
        for n in range(3):
            numbers.on_next(n)
        got: list[object] = [await anext(iterator)]
        if overflow == "drop_oldest":
            got.append(await anext(iterator))
        numbers.on_next(3)
        numbers.on_completed()
        return brief(got + [event async for event in iterator])

    assert asyncio.run(main("drop_oldest")) == ["-1", 1, 2, 3]
    assert asyncio.run(main("drop_newest")) == [0, 1, "-1", 3]


def test_overflow_may_fail_after_what_waits() -> None:
    async def main() -> list[object]:
        numbers = Watched()
        iterator = aiter(aio.events(numbers, max_events=2, overflow="fail"))
        for n in range(4):
            numbers.on_next(n)
        assert numbers.left.is_set()
        got: list[object] = [await anext(iterator), await anext(iterator)]
        with pytest.raises(QueueFull, match="2 events wait and another came"):
            await anext(iterator)
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)
        return got

    assert asyncio.run(main()) == [0, 1]


def test_an_error_is_raised_after_what_waits() -> None:
    async def main() -> list[object]:
        failing = rx.concat(rx.of(1, 2), rx.throw(ValueError("the microphone caught fire")))
        got: list[object] = []
        iterator = aiter(aio.events(failing, max_events=9, overflow="fail"))
        got += [await anext(iterator), await anext(iterator)]
        with pytest.raises(ValueError, match="caught fire"):
            await anext(iterator)
        return got

    assert asyncio.run(main()) == [1, 2]


def test_what_a_part_of_the_pipe_raises_is_raised() -> None:
    def start(observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None) -> object:
        def raising(*_: object) -> None:
            raise KeyError("of a source with a bug")

        assert scheduler is not None
        return scheduler.schedule(raising)

    async def main() -> None:
        iterator = aiter(aio.events(rx.create(start), max_events=9, overflow="fail"))
        with pytest.raises(KeyError, match="a source with a bug"):
            await anext(iterator)

    asyncio.run(main())


def test_an_idle_loop_is_woken_by_another_thread() -> None:
    async def main() -> list[object]:
        numbers: Subject[int] = Subject()
        iterator = aiter(aio.events(numbers, max_events=9, overflow="fail"))
        waiting = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)  # it waits now, and nothing else will happen in this loop
        threading.Thread(target=numbers.on_next, args=(7,)).start()
        return [await asyncio.wait_for(waiting, WAIT)]

    assert asyncio.run(main()) == [7]


def test_a_burst_wakes_the_loop_once() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        numbers: Subject[int] = Subject()
        iterator = aiter(aio.events(numbers, max_events=100, overflow="fail"))
        waiting = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        calls = 0
        call = loop.call_soon_threadsafe

        def counted(*args: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            return call(*args, **options)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        in_thread(lambda: [numbers.on_next(n) for n in range(100)])
        assert await waiting == 0
        for n in range(1, 100):
            assert await anext(iterator) == n
        return calls

    assert asyncio.run(main()) == 1


def test_a_burst_leaves_the_loop_to_others() -> None:
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        async for _ in aio.events(rx.range(20_000), max_events=20_000, overflow="fail"):
            pass
        task.cancel()
        return turns

    assert asyncio.run(main()) > 5


def test_what_asks_for_a_thread_does_not_hold_the_loop() -> None:
    async def main() -> set[str]:
        def where(_: int) -> str:
            return threading.current_thread().name

        pipe = rx.range(3).pipe(ops.map(where))
        return {str(name) async for name in aio.events(pipe, max_events=9, overflow="fail")}

    assert asyncio.run(main()) == {"rxvoice-conversation"}
    for thread in threading.enumerate():
        if thread.name == "rxvoice-conversation":
            thread.join(WAIT)
            assert not thread.is_alive()


@pytest.mark.parametrize("how", ["break", "raise"])
def test_leaving_the_loop_disposes_at_once(how: str) -> None:
    async def main() -> None:
        numbers = Watched()
        events = aio.events(numbers, max_events=9, overflow="fail")
        asyncio.get_running_loop().call_soon(numbers.on_next, 1)
        try:
            async for _ in events:
                if how == "break":
                    break
                raise KeyError
        except KeyError:
            pass
        assert numbers.left.is_set()
        assert not numbers.observers

    gc.disable()  # it must not take a collection
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_cancelling_the_task_disposes_at_once() -> None:
    async def main() -> None:
        numbers = Watched()

        async def reader() -> None:
            async for _ in aio.events(numbers, max_events=9, overflow="fail"):
                pass

        task = asyncio.ensure_future(reader())
        await asyncio.sleep(0)
        assert numbers.observers
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert numbers.left.is_set()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_aclose_ends_a_wait_in_another_task() -> None:
    async def main() -> list[object]:
        numbers = Watched()
        events = aio.events(numbers, max_events=9, overflow="fail")

        async def reader() -> list[object]:
            return [event async for event in events]

        task = asyncio.ensure_future(reader())
        await asyncio.sleep(0)
        numbers.on_next(1)
        await turns()
        await events.aclose()
        assert numbers.left.is_set()
        numbers.on_next(2)
        return await asyncio.wait_for(task, WAIT)

    assert asyncio.run(main()) == [1]


def test_an_app_that_stops_reading_stops_nothing() -> None:
    async def main() -> tuple[int, list[object]]:
        numbers: Subject[int] = Subject()
        events = aio.events(numbers, max_events=5, overflow="drop_oldest")
        iterator = aiter(events)
        in_thread(lambda: [numbers.on_next(n) for n in range(LIMIT)])  # while the loop is blocked
        await iterator.aclose()
        return events.dropped, [event async for event in iterator]

    assert asyncio.run(main()) == (LIMIT - 5, [])


def test_a_closed_loop_ends_the_subscription() -> None:
    numbers = Watched()
    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(_waiting(numbers))
    loop.close()
    numbers.on_next(1)
    assert numbers.left.is_set()
    del kept


async def _waiting(numbers: Subject[int]) -> object:
    """Make an iterator whose reader is left waiting."""
    iterator = aiter(aio.events(numbers, max_events=5, overflow="fail"))
    reading = iterator.__anext__()
    reading.send(None)  # type: ignore[attr-defined]
    return iterator, reading


def test_two_tasks_cannot_wait_for_one_iterator() -> None:
    async def main() -> None:
        numbers: Subject[int] = Subject()
        iterator = aiter(aio.events(numbers, max_events=5, overflow="fail"))
        first = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task waits"):
            await anext(iterator)
        numbers.on_next(1)
        assert await first == 1

    asyncio.run(main())


def test_every_iteration_subscribes() -> None:
    async def main() -> list[object]:
        events = aio.events(rx.of(1, 2), max_events=5, overflow="fail")
        return [event async for event in events] + [event async for event in events]

    assert asyncio.run(main()) == [1, 2, 1, 2]


@pytest.mark.parametrize("max_events", [0, 1.5])
def test_a_bad_bound_raises(max_events: int) -> None:
    with pytest.raises(rxv.ConfigError, match="events max_events must be"):
        aio.events(rx.never(), max_events=max_events, overflow="fail")


def test_a_bad_policy_raises() -> None:
    with pytest.raises(rxv.ConfigError, match=r"events overflow must be .* got 'block'"):
        aio.events(rx.never(), max_events=1, overflow="block")  # type: ignore[arg-type]


def test_a_turn_that_waits_for_the_loop_is_listened_to() -> None:
    """`take(1)` disposes before the loop has seen the turn."""
    chunks = [
        rxv.AudioChunk(np.full(512, 0.5, np.float32), start=512 * n, speech=n < 3) for n in range(8)
    ]
    pipe = rx.from_iterable(chunks).pipe(vox.turn_window(rxv.silence(64)), ops.take(1))

    async def main() -> list[int]:
        ended: list[int] = []
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        async for turn in aio.events(pipe, max_events=9, overflow="fail"):
            assert isinstance(turn, rxv.Turn)

            def end(turn: rxv.Turn = turn) -> None:
                ended.append(turn.ms)
                loop.call_soon_threadsafe(over.set)

            turn.subscribe(on_completed=end)
        await asyncio.wait_for(over.wait(), WAIT)
        return ended

    assert asyncio.run(main()) == [5 * 32]


def test_it_works_on_a_pipe() -> None:
    """A file would run to its end inside `subscribe`; here it runs beside the loop."""

    async def main() -> list[str]:
        pipe = rxv.sources.array(_turn(), 16_000).pipe(
            rxv.operators.chunk(),
            rxv.operators.vad(lambda samples: bool(samples.any())),
            rxv.operators.turn_window(rxv.silence(320)),
            rxv.operators.transcribe(lambda audio: f"{len(audio)} samples"),
        )
        return [
            event.text
            async for event in aio.events(pipe, max_events=9, overflow="fail")
            if isinstance(event, rxv.Transcript)
        ]

    assert asyncio.run(main()) == [f"{20 * 512} samples"]


def _turn() -> rxv.Samples:
    import numpy as np

    return np.repeat(np.array([0.2, 0.0], np.float32), [10 * 512, 20 * 512])


class Generator:
    """Makes async generators, and notes how they ended."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.gate = asyncio.Event()

    async def numbers(self) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
            await self.gate.wait()
            yield 3
        finally:
            self.closed.set()


async def collected(observable: Observable[int]) -> list[object]:
    """Collect all that an observable emits, and its end."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    got: list[object] = []

    def end(mark: object) -> None:
        got.append(mark)
        done.set_result(None)

    observable.subscribe(got.append, lambda error: end(repr(error)), lambda: end("|"))
    await asyncio.wait_for(done, WAIT)
    return got


def test_an_async_generator_is_a_source() -> None:
    async def main() -> None:
        made = Generator()
        made.gate.set()
        assert await collected(aio.source(made.numbers)) == [1, 2, 3, "|"]
        assert made.closed.is_set()

    asyncio.run(main())


def test_what_it_raises_is_the_error() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise OSError("the socket is gone")

    async def main() -> list[object]:
        return await collected(aio.source(failing()))

    assert asyncio.run(main()) == [1, "OSError('the socket is gone')"]


def test_a_function_that_makes_no_async_iterable_is_an_error() -> None:
    async def numbers() -> list[int]:
        return [1]

    async def main() -> list[object]:
        wrong = aio.source(numbers)  # type: ignore[arg-type]
        return await collected(wrong)

    (told,) = asyncio.run(main())
    assert str(told).startswith("ConfigError(")
    assert "and it gave <coroutine object" in str(told)
    assert "an async generator is an async def with a yield" in str(told)


def test_what_cannot_begin_is_an_error() -> None:
    class Shut(AsyncIterable[int]):
        def __aiter__(self) -> AsyncIterator[int]:
            raise OSError("the socket is gone")

    async def main() -> list[object]:
        return await collected(aio.source(Shut()))

    assert asyncio.run(main()) == ["OSError('the socket is gone')"]


@pytest.mark.parametrize("where", ["loop", "thread", "on_next", "before"])
def test_disposing_cancels_and_closes_it(where: str) -> None:
    async def main() -> list[int]:
        made = Generator()
        got: list[int] = []
        generator = made.numbers()
        if where == "on_next":
            aio.source(generator).pipe(ops.take(1)).subscribe(got.append)
        else:
            life = aio.source(generator).subscribe(got.append)
            if where != "before":
                await turns()
            in_thread(life.dispose) if where == "thread" else life.dispose()
        await turns()
        with pytest.raises(StopAsyncIteration):
            await anext(generator)
        assert made.closed.is_set() == (where != "before")  # before, it had not begun
        assert len(asyncio.all_tasks()) == 1
        return got

    expected = {"loop": [1, 2], "thread": [1, 2], "on_next": [1], "before": []}
    assert asyncio.run(main()) == expected[where]


def test_it_is_driven_on_a_given_loop_and_in_the_context_of_its_subscriber() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    seen: list[tuple[str, str]] = []

    async def numbers() -> AsyncIterator[int]:
        seen.append((who.get(), threading.current_thread().name))
        yield 1

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        observable = aio.source(numbers, loop=loop)

        def elsewhere() -> None:
            who.set("subscriber")
            observable.subscribe(on_completed=done.set)

        in_thread(elsewhere)
        await asyncio.wait_for(done.wait(), WAIT)

    asyncio.run(main())
    assert seen == [("subscriber", threading.current_thread().name)]


def test_a_cancelled_task_is_an_error() -> None:
    async def main() -> list[object]:
        made = Generator()
        reading = asyncio.ensure_future(collected(aio.source(made.numbers)))
        before = asyncio.all_tasks()
        await turns()
        (task,) = asyncio.all_tasks() - before
        task.cancel()
        return await reading

    assert asyncio.run(main()) == [
        1,
        2,
        "RuntimeError('the task of this source was cancelled')",
    ]


def test_a_generator_serves_one_subscription() -> None:
    async def main() -> list[object]:
        made = Generator()
        made.gate.set()
        observable = aio.source(made.numbers())
        assert await collected(observable) == [1, 2, 3, "|"]
        return await collected(observable)

    (error,) = asyncio.run(main())
    assert "can be subscribed to once: pass the function" in str(error)


def test_without_a_loop_it_says_so() -> None:
    errors: list[Exception] = []
    aio.source(Generator().numbers).subscribe(on_error=errors.append)
    assert "no running asyncio loop" in str(errors[0])


def test_a_source_must_be_an_async_iterable() -> None:
    with pytest.raises(rxv.ConfigError, match="wanted an async iterable"):
        aio.source([1, 2])  # type: ignore[arg-type]
