from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import EventLoopScheduler, ImmediateScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice._answers.deliver import deliver
from rxvoice.elements import Reply, Transcript
from rxvoice.events import Notice, TurnFailed
from rxvoice.turn import Turn

BOOM = RuntimeError("no weights")
ARRAY = np.zeros(3, np.float32)


class Delivery:
    """Delivers an answer, and notes what came."""

    def __init__(
        self, ask: Any, *, worker: Any = None, scheduler: Any = None, dispose_at: int | None = None
    ) -> None:
        self.seen: list[Any] = []
        self.life = CompositeDisposable()
        self.dispose_at = dispose_at
        deliver(
            ask,
            self._piece,
            lambda: self.seen.append("end"),
            self.seen.append,
            life=self.life,
            worker=worker,
            scheduler=scheduler,
        )

    def _piece(self, piece: Any) -> None:
        self.seen.append(piece)
        if len(self.seen) == self.dispose_at:
            self.life.dispose()


def generator() -> Iterator[str]:
    yield from "ab"


async def async_generator() -> AsyncIterator[str]:
    for char in "ab":
        await asyncio.sleep(0)
        yield char


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "ab"


class Later:
    """An awaitable that is not a coroutine."""

    def __await__(self) -> Any:
        return coroutine().__await__()


class Pieces:
    """An async iterable that is not a generator."""

    def __init__(self) -> None:
        self.left = ["b", "a"]

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


SHAPES: list[Any] = [
    pytest.param(lambda: "ab", ["ab"], id="str"),
    pytest.param(lambda: "", [""], id="empty str"),
    pytest.param(lambda: None, [None], id="None"),
    pytest.param(lambda: 5, [5], id="int"),
    pytest.param(lambda: ARRAY, [ARRAY], id="array"),
    pytest.param(lambda: ["a", "b"], ["a", "b"], id="list"),
    pytest.param(list, [], id="empty list"),
    pytest.param(lambda: iter("ab"), ["a", "b"], id="iterator"),
    pytest.param(generator, ["a", "b"], id="generator"),
    pytest.param(async_generator, ["a", "b"], id="async generator"),
    pytest.param(Pieces, ["a", "b"], id="async iterable"),
    pytest.param(coroutine, ["ab"], id="coroutine"),
    pytest.param(Later, ["ab"], id="awaitable"),
    pytest.param(lambda: rx.of("a", "b"), ["a", "b"], id="observable"),
    pytest.param(rx.empty, [], id="empty observable"),
]


@pytest.mark.parametrize(("ask", "pieces"), SHAPES)
def test_here_and_now(ask: Any, pieces: list[Any]) -> None:
    assert Delivery(ask).seen == [*pieces, "end"]


@pytest.mark.parametrize(("ask", "pieces"), SHAPES)
def test_in_a_running_loop(ask: Any, pieces: list[Any]) -> None:
    async def main() -> list[Any]:
        delivery = Delivery(ask)
        while len(delivery.seen) <= len(pieces):
            await asyncio.sleep(0)
        return delivery.seen

    assert asyncio.run(main()) == [*pieces, "end"]


@pytest.mark.parametrize("deliver_on", [True, False])
@pytest.mark.parametrize(("ask", "pieces"), SHAPES)
def test_on_a_worker(ask: Any, pieces: list[Any], deliver_on: bool) -> None:
    worker = TestScheduler()
    delivery = Delivery(ask, worker=worker, scheduler=worker if deliver_on else None)
    assert delivery.seen == []
    worker.start()
    assert delivery.seen == [*pieces, "end"]


def raising() -> Any:
    raise BOOM


def raising_generator() -> Iterator[str]:
    yield "a"
    raise BOOM


async def raising_coroutine() -> str:
    raise BOOM


async def raising_async_generator() -> AsyncIterator[str]:
    yield "a"
    raise BOOM


@pytest.mark.parametrize(
    ("ask", "pieces"),
    [
        (raising, []),
        (raising_generator, ["a"]),
        (raising_coroutine, []),
        (raising_async_generator, ["a"]),
        (lambda: rx.throw(BOOM), []),
    ],
)
@pytest.mark.parametrize("where", ["here", "loop", "worker"])
def test_what_it_raises(ask: Any, pieces: list[Any], where: str) -> None:
    async def main() -> Delivery:
        delivery = Delivery(ask)
        while BOOM not in delivery.seen:
            await asyncio.sleep(0)
        return delivery

    if where == "loop":
        delivery = asyncio.run(main())
    elif where == "worker":
        worker = TestScheduler()
        delivery = Delivery(ask, worker=worker)
        worker.start()
    else:
        delivery = Delivery(ask)
    assert delivery.seen == [*pieces, BOOM]


def test_an_observable_runs_on_the_subscriptions_scheduler() -> None:
    scheduler = TestScheduler()
    delivery = Delivery(lambda: rx.timer(2.0), scheduler=scheduler)
    scheduler.advance_to(1.9)
    assert delivery.seen == []
    scheduler.advance_to(2.1)
    assert delivery.seen == [0, "end"]


def test_an_observable_is_let_go_of() -> None:
    gone: list[bool] = []

    def ask() -> Observable[str]:
        return Observable(lambda observer, scheduler=None: lambda: gone.append(True))

    delivery = Delivery(ask)
    delivery.life.dispose()
    assert gone == [True]


def test_one_step_at_a_time_on_a_worker() -> None:
    """Other work runs between two steps."""
    worker = TestScheduler()
    log: list[str] = []

    def ask() -> Iterator[str]:
        for char in "ab":
            log.append(char)
            yield char

    Delivery(ask, worker=worker)
    worker.schedule(lambda *_: log.append("other"))  # type: ignore[arg-type,func-returns-value]
    worker.start()
    assert log == ["a", "other", "b"]


def test_disposed_before_it_is_asked() -> None:
    worker = TestScheduler()
    asked: list[bool] = []
    delivery = Delivery(lambda: asked.append(True), worker=worker)
    delivery.life.dispose()
    worker.start()
    assert (asked, delivery.seen) == ([], [])


def test_what_is_on_its_way_when_disposed_is_not_delivered() -> None:
    worker, conversation = TestScheduler(), TestScheduler()
    delivery = Delivery(generator, worker=worker, scheduler=conversation)
    worker.start()
    delivery.life.dispose()
    conversation.start()
    assert delivery.seen == []


class Endless:
    """Generators that note their end."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def sync(self) -> Iterator[str]:
        try:
            while True:
                self.log.append("step")
                yield "x"
        finally:
            self.log.append("closed")

    async def gen(self) -> AsyncIterator[str]:
        try:
            while True:
                self.log.append("step")
                yield "x"
                await asyncio.sleep(0)
        finally:
            self.log.append("closed")

    async def slow_to_close(self) -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            await asyncio.sleep(0)
            self.log.append("closed")


@pytest.mark.parametrize("kind", ["sync", "gen"])
@pytest.mark.parametrize("worker", [False, True])
def test_a_generator_is_closed_once_within_a_step(kind: str, worker: bool) -> None:
    it = Endless()
    scheduler = TestScheduler()
    delivery = Delivery(getattr(it, kind), worker=scheduler if worker else None, dispose_at=2)
    scheduler.start()
    assert delivery.seen == ["x", "x"]
    assert it.log == ["step", "step", "closed"]


def in_a_loop(ask: Any, **options: Any) -> Delivery:
    async def main() -> Delivery:
        delivery = Delivery(ask, **options)
        for _ in range(20):
            await asyncio.sleep(0)
        return delivery

    return asyncio.run(main())


def test_an_async_generator_is_closed_in_its_loop() -> None:
    it = Endless()
    assert in_a_loop(it.gen, dispose_at=2).seen == ["x", "x"]
    assert it.log == ["step", "step", "closed"]


def test_an_async_generator_is_given_time_to_close() -> None:
    it = Endless()
    in_a_loop(it.slow_to_close, dispose_at=2)
    assert it.log == ["closed"]


def test_without_a_loop_an_async_generator_is_given_time_to_close() -> None:
    it = Endless()
    Delivery(it.slow_to_close, dispose_at=2)
    assert it.log == ["closed"]


@pytest.mark.filterwarnings("error")
def test_disposed_at_once_a_coroutine_is_closed() -> None:
    async def main() -> None:
        delivery = Delivery(coroutine)
        delivery.life.dispose()
        await asyncio.sleep(0)

    caught: list[Any] = []
    hook = _unraisable(caught)
    with hook:
        asyncio.run(main())
        gc.collect()
    if caught:
        raise pytest.PytestUnraisableExceptionWarning(str(caught[0]))


class _unraisable:
    """Collects what Python can only report, such as a coroutine that nobody awaited."""

    def __init__(self, into: list[Any]) -> None:
        self.into = into

    def __enter__(self) -> None:
        import sys

        self.before = sys.unraisablehook
        sys.unraisablehook = lambda it: self.into.append(it.exc_value)

    def __exit__(self, *_: object) -> None:
        import sys

        sys.unraisablehook = self.before


def test_a_model_that_is_cancelled_has_failed() -> None:
    async def cancelled() -> str:
        raise asyncio.CancelledError

    assert isinstance(in_a_loop(cancelled).seen[0], asyncio.CancelledError)


@pytest.mark.parametrize("worker", [False, True])
def test_what_a_subscriber_raises_is_not_swallowed(worker: bool) -> None:
    it = Endless()
    scheduler = TestScheduler()
    errors: list[Any] = []

    def heard(piece: str) -> None:
        raise BOOM

    def run() -> None:
        deliver(
            it.sync,
            heard,
            lambda: None,
            errors.append,
            life=CompositeDisposable(),
            worker=scheduler if worker else None,
            scheduler=None,
        )
        scheduler.start()

    with pytest.raises(RuntimeError, match="no weights"):
        run()
    assert errors == []


@pytest.mark.parametrize(
    "worker",
    [
        False,
        pytest.param(
            True,
        ),
    ],
)
def test_what_a_subscriber_raises_closes_the_generator(worker: bool) -> None:
    it = Endless()
    kept: list[Any] = []
    scheduler = TestScheduler()

    def ask() -> Any:
        kept.append(it.sync())
        return kept[0]

    def heard(piece: str) -> None:
        raise BOOM

    def run() -> None:
        deliver(
            ask,
            heard,
            lambda: None,
            lambda error: None,
            life=CompositeDisposable(),
            worker=scheduler if worker else None,
            scheduler=None,
        )
        scheduler.start()

    with pytest.raises(RuntimeError, match="no weights"):
        run()
    assert it.log == ["step", "closed"]


def test_a_generator_that_cannot_be_closed_does_not_kill_the_worker() -> None:
    def ask() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            raise BOOM

    worker = TestScheduler()
    Delivery(ask, worker=worker, dispose_at=1)
    worker.start()


def test_what_a_subscriber_raises_at_a_synchronous_observable_is_not_its_error() -> None:
    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        observer.on_next("a")
        return lambda: None

    errors: list[Any] = []

    def heard(piece: str) -> None:
        raise BOOM

    with pytest.raises(RuntimeError, match="no weights"):
        deliver(
            lambda: Observable(subscribe),
            heard,
            lambda: None,
            errors.append,
            life=CompositeDisposable(),
            worker=None,
            scheduler=None,
        )


def test_an_async_answer_does_not_hold_the_worker_and_comes_back_to_it() -> None:
    worker = EventLoopScheduler()
    driven: set[str] = set()
    delivered: set[str] = set()
    done, awaits, go_on = threading.Event(), threading.Event(), threading.Event()

    async def ask() -> AsyncIterator[str]:
        try:
            for char in "ab":
                awaits.set()
                while not go_on.is_set():
                    await asyncio.sleep(0)
                driven.add(threading.current_thread().name)
                yield char
        finally:
            driven.add(threading.current_thread().name)

    seen: list[str] = []

    def on_piece(piece: str) -> None:
        delivered.add(threading.current_thread().name)
        seen.append(piece)

    names: list[str] = []
    worker.schedule(lambda *_: names.append(threading.current_thread().name))
    try:
        deliver(
            ask,
            on_piece,
            done.set,
            lambda error: done.set(),
            life=CompositeDisposable(),
            worker=worker,
            scheduler=None,
        )
        assert awaits.wait(60)
        other = threading.Event()
        worker.schedule(lambda *_: other.set())
        assert other.wait(60), "the worker waits for it"
        go_on.set()
        assert done.wait(60)
    finally:
        worker.dispose()
    assert seen == ["a", "b"]
    assert driven == {"rxvoice-async"}
    assert delivered == set(names)


def test_a_hundred_thousand_pieces() -> None:
    assert len(Delivery(lambda: (n for n in range(100_000))).seen) == 100_001


def test_run_which_brings_a_thread_for_each_action_loses_nothing() -> None:
    # Observable.run() subscribes with NewThreadScheduler, which has no thread to come back to.
    turns = [Turn.of(np.zeros(4, np.float32), id=n) for n in range(1, 30)]
    worker = EventLoopScheduler()
    seen: list[str] = []
    rx.from_iterable(turns).pipe(
        vox.transcribe(lambda audio: "hi", worker=worker),
        vox.respond(lambda text: iter("abcdef"), worker=worker),
        ops.filter(lambda reply: reply.final),
        ops.do_action(lambda reply: seen.append(f"{reply.turn.id} {reply.text}")),
    ).run()
    worker.dispose()
    assert seen == [f"{turn.id} abcdef" for turn in turns]


def test_a_worker_is_two_pieces_ahead_of_what_was_taken() -> None:
    """However slow the scheduler is that delivers the pieces."""
    worker, home = TestScheduler(), TestScheduler()
    made: list[int] = []

    def five() -> Iterator[int]:
        for n in range(5):
            made.append(n)
            yield n

    delivery = Delivery(five, worker=worker, scheduler=home)
    ahead: list[tuple[list[int], list[Any]]] = []
    while "end" not in delivery.seen:
        worker.start()
        ahead.append((made.copy(), delivery.seen.copy()))
        home.start()
    assert ahead == [([0, 1], []), ([0, 1, 2, 3], [0, 1]), ([0, 1, 2, 3, 4], [0, 1, 2, 3])]
    assert delivery.seen == [0, 1, 2, 3, 4, "end"]


def test_over_between_two_steps_it_is_closed_before_what_is_asked_next() -> None:
    """Another thread ends the answer after a step, before the next one is scheduled."""
    it = Endless()

    class Late(TestScheduler):
        def schedule(self, action: Any, state: Any = None) -> Any:
            if state is not None and not delivery.life.is_disposed:
                delivery.life.dispose()
                super().schedule(lambda *_: it.log.append("asked next"))
            return super().schedule(action, state)

    worker = Late()
    delivery = Delivery(it.sync, worker=worker)
    worker.start()
    assert it.log == ["step", "closed", "asked next"]


@pytest.mark.parametrize("shut", [False, True])
def test_over_while_the_worker_waits_the_generator_is_closed(shut: bool) -> None:
    worker, home = EventLoopScheduler(), TestScheduler()
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    delivery = Delivery(endless, worker=worker, scheduler=home)
    idle = threading.Event()
    worker.schedule(lambda *_: worker.schedule(lambda *_: worker.schedule(lambda *_: idle.set())))
    assert idle.wait(60)
    assert not closed.is_set()
    if shut:
        worker.dispose()
    delivery.life.dispose()
    assert closed.wait(60)
    worker.dispose()


def test_over_within_a_step_it_is_closed_before_what_the_worker_does_next() -> None:
    """`_end` finds nothing between two steps, so the step itself sees that the answer is over."""
    it = Endless()
    worker = TestScheduler()
    delivery = Delivery(it.sync, worker=worker, dispose_at=1)
    worker.schedule(lambda *_: it.log.append("other"))  # type: ignore[arg-type,func-returns-value]
    worker.start()
    assert delivery.seen == ["x"]
    assert it.log == ["step", "closed", "other"]


def test_over_within_a_later_step_nothing_more_is_asked_of_the_worker() -> None:
    it = Endless()
    worker = TestScheduler()
    asked: list[Any] = []
    hand_over = worker.schedule

    def schedule(action: Any, state: Any = None) -> Any:
        asked.append(action)
        return hand_over(action, state)

    worker.schedule = schedule  # type: ignore[method-assign]
    Delivery(it.sync, worker=worker, dispose_at=2)
    worker.start()
    assert it.log == ["step", "step", "closed"]
    assert len(asked) == 2


def test_over_within_a_step_whose_piece_was_not_taken_it_is_closed_at_once() -> None:
    """Another thread ends the answer just before the step notes where it is."""
    it = Endless()
    worker, home = TestScheduler(), TestScheduler()
    hand_over = home.schedule

    def ending(action: Any, state: Any = None) -> Any:
        delivery.life.dispose()
        return hand_over(action, state)

    home.schedule = ending  # type: ignore[method-assign]
    delivery = Delivery(it.sync, worker=worker, scheduler=home)
    worker.schedule(lambda *_: it.log.append("other"))  # type: ignore[arg-type,func-returns-value]
    worker.start()
    home.start()
    assert delivery.seen == []
    assert it.log == ["step", "closed", "other"]


def shut_down() -> EventLoopScheduler:
    worker = EventLoopScheduler()
    worker.dispose()
    return worker


def closed_loop() -> AsyncIOThreadSafeScheduler:
    loop = asyncio.new_event_loop()
    loop.close()
    return AsyncIOThreadSafeScheduler(loop)


@pytest.mark.parametrize(
    ("gone", "told"), [(shut_down, "DisposedException"), (closed_loop, "RuntimeError")]
)
def test_a_worker_that_takes_no_more_fails_the_answer(gone: Any, told: str) -> None:
    delivery = Delivery(generator, worker=gone())
    assert [type(it).__name__ for it in delivery.seen] == [told]


def test_a_worker_that_takes_no_more_amid_an_answer_closes_it() -> None:
    it = Endless()
    worker = TestScheduler()
    hand_over, steps = worker.schedule, 0

    def schedule(action: Any, state: Any = None) -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise BOOM
        return hand_over(action, state)

    worker.schedule = schedule  # type: ignore[method-assign]
    delivery = Delivery(it.sync, worker=worker)
    worker.start()
    assert delivery.seen[-1] is BOOM
    assert it.log[-1] == "closed"


@pytest.mark.parametrize("at", ["a", "b"])
def test_what_a_subscriber_raises_on_a_worker_of_the_same_thread_is_raised(at: str) -> None:
    def raises(piece: str) -> None:
        if piece == at:
            raise BOOM

    ended: list[Any] = []
    life, worker = CompositeDisposable(), ImmediateScheduler()
    with pytest.raises(RuntimeError) as raised:
        deliver(
            *(lambda: iter("ab"), raises, lambda: None, ended.append),
            life=life,
            worker=worker,
            scheduler=None,
        )
    assert raised.value is BOOM
    assert ended == []


@pytest.mark.parametrize("ended_by", ["end", "error"])
def test_once_over_an_answer_tells_nothing(ended_by: str) -> None:
    """Neither its end nor its error is delivered."""
    worker, home = TestScheduler(), TestScheduler()
    delivery = Delivery(
        list if ended_by == "end" else raising_generator, worker=worker, scheduler=home
    )
    worker.start()
    delivery.life.dispose()
    home.start()
    assert delivery.seen == []


@pytest.mark.parametrize("worker", [False, True])
def test_what_was_answered_is_freed_at_once(worker: bool) -> None:
    """Without the garbage collector, which would have more to do with each turn."""
    scheduler, source = TestScheduler(), Subject[Any]()
    source.pipe(
        vox.respond(lambda text: iter("ab"), worker=scheduler if worker else None)
    ).subscribe(scheduler=scheduler)
    turn = Turn.of(np.zeros(4, np.float32))
    freed: list[bool] = []
    weakref.finalize(turn, freed.append, True)
    gc.disable()
    try:
        source.on_next(Transcript(turn, "hi"))
        scheduler.start()
        del turn
        source.on_next(Transcript(Turn.of(np.zeros(4, np.float32)), "the last one is kept"))
        scheduler.start()
        assert freed == [True]
    finally:
        gc.enable()


def test_a_notice_that_comes_twice_is_told_twice() -> None:
    notice = Notice("the line is bad")
    seen: list[Any] = []
    rx.of(notice, notice).pipe(vox.respond(lambda text: text)).subscribe(seen.append)
    assert seen == [notice, notice]


def test_what_a_subscriber_raises_after_an_element_was_dealt_with_does_not_bring_it_back() -> None:
    answer, source = Subject[str](), Subject[Any]()
    asked: list[str] = []

    def heard(element: Any) -> None:
        if isinstance(element, Notice):
            raise BOOM

    def respond(text: str) -> Any:
        asked.append(text)
        return answer if text == "one" else "yes"

    source.pipe(vox.respond(respond)).subscribe(heard)
    source.on_next(Transcript(Turn.of(np.zeros(4, np.float32), id=1), "one"))
    source.on_next(Notice("it waits"))
    with pytest.raises(RuntimeError, match="no weights"):
        answer.on_completed()
    source.on_next(Transcript(Turn.of(np.zeros(4, np.float32), id=2), "two"))
    assert asked == ["one", "two"]


@pytest.mark.parametrize("worker", [False, True])
def test_what_is_left_of_a_turn_that_has_failed_is_skipped(worker: bool) -> None:
    """The rest of its sentences is not spoken; those of the next turn are."""
    scheduler = TestScheduler()
    asked: list[str] = []
    seen: list[Any] = []

    def tts(text: str) -> np.ndarray[Any, Any]:
        asked.append(text)
        if text == "Two.":
            raise BOOM
        return ARRAY

    turns = [Turn.of(np.zeros(4, np.float32), id=n) for n in range(3)]

    def reply(id: int, text: str) -> Reply:
        return Reply(Transcript(turns[id], "hi"), text, text=text, final=True)

    replies = [reply(1, "One. Two. Three."), reply(2, "Four."), reply(1, "Five.")]
    rx.from_iterable(replies).pipe(
        vox.synthesize(tts, worker=scheduler if worker else None)
    ).subscribe(seen.append)
    scheduler.start()
    assert asked == ["One.", "Two.", "Four."]
    ends = [
        (it.turn.id, isinstance(it, TurnFailed))
        for it in seen
        if isinstance(it, TurnFailed) or it.final
    ]
    assert ends == [(1, True), (2, False)]
