"""What every operator that the kernel makes does; `check_operator` has the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex.disposable import Disposable
from reactivex.scheduler import (
    CurrentThreadScheduler,
    EventLoopScheduler,
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
)
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice.operators import kernel
from rxvoice.operators.kernel import (
    Handlers,
    Subscription,
    misplaced,
    stateful,
    stateful_on_events,
)
from rxvoice.testing import check_operator

TURN = rxv.Turn.of(np.zeros(4, np.float32))
BOOM = RuntimeError("boom")


def numbered() -> rxv.Operator[Any, Any]:
    def start(out: Subscription[tuple[int, rxv.Turn] | rxv.Event]) -> Handlers[rxv.Turn]:
        count = 0

        def step(turn: rxv.Turn) -> None:
            nonlocal count
            count += 1
            out.emit((count, turn))

        return step, None, None

    return stateful(start, takes=("numbered", rxv.Turn, "turn_window()"))


def test_the_example_passes_the_battery() -> None:
    check_operator(numbered, elements=[TURN, TURN, TURN])


def test_every_name_is_public() -> None:
    assert {"Handlers", "Operator", "Subscription", "stateful", "stateful_on_events"} <= set(
        kernel.__all__
    )


def test_what_it_does_not_take_is_an_error_that_says_so() -> None:
    seen: list[Any] = []
    rx.of(TURN, rxv.Notice("x"), 5).pipe(numbered()).subscribe(seen.append, seen.append)
    *passed, error = seen
    assert passed == [(1, TURN), rxv.Notice("x")]
    assert str(error) == (
        "numbered() takes Turn, which turn_window() gives, got int: "
        "check the order of the operators"
    )


class Outs:
    """An operator whose subscriptions the test gets hold of."""

    def __init__(self) -> None:
        self.outs: list[Subscription[Any]] = []

    def __call__(self) -> rxv.Operator[Any, Any]:
        def start(out: Subscription[Any]) -> Handlers[Any]:
            self.outs.append(out)
            return out.emit, None, None

        return stateful_on_events(start)


def test_what_is_kept_keeps_the_source() -> None:
    made, source = Outs(), Subject[Any]()
    life = source.pipe(made()).subscribe()
    (out,) = made.outs
    one, other = out.keep(), out.keep()
    assert not out.is_left
    life.dispose()
    one.dispose()
    assert out.is_left
    assert source.observers
    other.dispose()
    assert not source.observers
    assert out.life.is_disposed
    out.keep().dispose()


def test_nothing_reaches_a_subscriber_that_has_left() -> None:
    made, source = Outs(), Subject[Any]()
    seen: list[Any] = []
    life = source.pipe(made()).subscribe(seen.append, seen.append)
    made.outs[0].keep()
    life.dispose()
    source.on_next(1)
    source.on_error(BOOM)
    assert seen == []


@pytest.mark.parametrize(
    ("scheduler", "has"),
    [
        (None, False),
        (NewThreadScheduler(), False),
        (TimeoutScheduler(), False),
        (ImmediateScheduler(), False),
        (CurrentThreadScheduler(), False),
        (EventLoopScheduler(), True),
        (TestScheduler(), True),
    ],
)
def test_home_is_a_scheduler_to_come_back_to(scheduler: Any, has: bool) -> None:
    made = Outs()
    rx.never().pipe(made()).subscribe(scheduler=scheduler)
    (out,) = made.outs
    assert out.scheduler is scheduler
    assert (out.home is scheduler) is (has or scheduler is None)


def test_the_source_is_not_begun_where_the_operator_has_failed_at_once() -> None:
    begun: list[Any] = []

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        begun.append(observer)
        return Disposable()

    def start(out: Subscription[Any]) -> Handlers[Any]:
        out.fail(BOOM)
        return out.emit, None, None

    seen: list[Any] = []
    Observable(subscribe).pipe(stateful(start)).subscribe(seen.append, seen.append)
    assert seen == [BOOM]
    assert begun == []


@pytest.mark.parametrize("end", ["end", "error"])
def test_nothing_of_a_source_within_subscribe_reaches_an_operator_that_has_failed(end: str) -> None:
    """Its subscription cannot be disposed of yet."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        observer.on_next(1)
        observer.on_next(2)
        if end == "end":
            observer.on_completed()
        else:
            observer.on_error(ValueError())
        return Disposable()

    told: list[Any] = []

    def start(out: Subscription[Any]) -> Handlers[Any]:
        def step(element: object) -> None:
            told.append(element)
            out.fail(BOOM)

        return step, lambda: told.append("end"), told.append

    Observable(subscribe).pipe(stateful_on_events(start)).subscribe(on_error=told.append)
    assert told == [1, BOOM]


@pytest.mark.parametrize(
    ("name", "element", "remedy"),
    [
        ("synthesize", "hi", "speak(tts) takes text"),
        ("synthesize", 5, "check the order of the operators"),
        ("numbered", "hi", "check the order of the operators"),
    ],
)
def test_only_a_text_for_a_voice_is_told_of_speak(name: str, element: object, remedy: str) -> None:
    assert str(misplaced((name, rxv.Turn, "turn_window()"), element)).endswith(f": {remedy}")


@pytest.mark.parametrize(
    "ends", [("end", "error", "end", "next"), ("error", "end", "error", "next")]
)
def test_a_source_of_ones_own_ends_once(ends: tuple[str, ...]) -> None:
    """RxPY watches over its own observables only. The operator has more to do at the end."""

    class Broken(Observable[Any]):
        def subscribe(  # type: ignore[override]
            self, on_next: Any, on_error: Any, on_completed: Any, *, scheduler: Any = None
        ) -> Any:
            gives = {
                "end": on_completed,
                "error": lambda: on_error(BOOM),
                "next": lambda: on_next(1),
            }
            for end in ends:
                gives[end]()
            return Disposable()

    told: list[str] = []

    def start(out: Subscription[Any]) -> Handlers[Any]:
        return (
            lambda _: told.append("next"),
            lambda: told.append("end"),
            lambda _: told.append("error"),
        )

    Broken().pipe(stateful_on_events(start)).subscribe()
    assert told == [ends[0]]
