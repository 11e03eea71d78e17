"""Every case of `check_operator` catches an operator broken in just that way, and no other case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import Disposable

from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event, TurnFailed
from rxvoice.operators.kernel import Handlers, Subscription, stateful_on_events
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.turn import Turn

ELEMENTS = [1, 2, 3]

Operator = Callable[[Observable[Any]], Observable[Any]]


class Unguarded(Observable[Any]):
    """An observable without RxPY's guards: what it is told to emit, it emits."""

    def __init__(self, run: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.run = run

    def subscribe(
        self, on_next: Any = None, on_error: Any = None, on_completed: Any = None, **kw: Any
    ) -> Any:
        class Observer:
            pass

        it: Any = Observer()
        it.on_next, it.on_error, it.on_completed = on_next, on_error, on_completed
        return self.run(it, kw.get("scheduler"))


def operator(subscribe: Callable[[Any, Any, Any], Any]) -> Operator:
    """An operator by hand: what to do at a subscription, given source, observer and scheduler."""
    return lambda source: Observable(lambda o, s=None: subscribe(source, o, s))


def unguarded(subscribe: Callable[[Any, Any, Any], Any]) -> Operator:
    return lambda source: Unguarded(lambda o, s: subscribe(source, o, s))


def tenfold() -> Operator:
    return ops.map(lambda n: 10 * n)


def broken(make: Callable[[], Operator], case: str, **kw: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        check_operator(make, elements=ELEMENTS, name="it", **kw)
    message = str(raised.value)
    assert message.startswith(f"it: {case}: "), message
    return message


def test_passes_what_is_not_broken() -> None:
    check_operator(tenfold, elements=ELEMENTS)
    check_operator(lambda: ops.pairwise(), elements=ELEMENTS)
    check_operator(lambda: ops.to_list(), elements=ELEMENTS, on_empty=[[]])
    check_operator(lambda: ops.default_if_empty(0), elements=ELEMENTS, on_empty=[0])
    check_operator(lambda: ops.delay(0.01), elements=ELEMENTS)


def test_compares_arrays_and_what_the_key_gives() -> None:
    arrays = [np.ones(3, np.float32), np.zeros(2, np.float32)]
    check_operator(lambda: ops.map(lambda a: a * 2), elements=arrays)
    serial = iter(range(10**6))
    check_operator(
        lambda: ops.map(lambda n: (n, next(serial))), elements=ELEMENTS, key=lambda pair: pair[0]
    )
    with pytest.raises(AssertionError):
        check_operator(lambda: ops.map(lambda n: (n, next(serial))), elements=ELEMENTS)


def test_never_one_that_speaks_unasked() -> None:
    message = broken(lambda: ops.start_with(0), "never")
    assert "expected nothing, got [next 0]" in message


def test_never_one_that_holds_on_to_the_source() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        source.subscribe(o, scheduler=s)
        return Disposable()

    assert "the source let go of" in broken(lambda: operator(subscribe), "never")


def test_empty_one_that_never_completes() -> None:
    message = broken(lambda: lambda source: rx.merge(source, rx.never()), "empty")
    assert message.endswith("expected [completed], got []")


def test_empty_one_that_emits_unannounced() -> None:
    broken(lambda: ops.default_if_empty(0), "empty")


def test_one_that_does_not_complete_after_a_single_element() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        count = 0

        def on_next(value: Any) -> None:
            nonlocal count
            count += 1
            o.on_next(value)

        def on_completed() -> None:
            if count != 1:
                o.on_completed()

        return source.subscribe(on_next, o.on_error, on_completed, scheduler=s)

    broken(lambda: operator(subscribe), "one")


def test_many_that_fails_at_the_second() -> None:
    broken(lambda: ops.map(lambda n: 1 // (2 - n)), "many")


def test_many_that_emits_nothing_proves_nothing() -> None:
    assert "emit nothing" in broken(lambda: ops.ignore_elements(), "many")


def test_error_swallowed() -> None:
    broken(lambda: ops.catch(rx.empty()), "error")


def test_error_replaced() -> None:
    wrap = ops.catch(lambda error, _: rx.throw(RuntimeError(str(error))))
    assert "the same object" in broken(lambda: wrap, "error")


def test_never_ending_one_that_ends() -> None:
    broken(lambda: ops.take(len(ELEMENTS)), "never-ending")


def test_never_ending_one_that_holds_on_to_the_source_once_begun() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        begun = False

        def on_next(value: Any) -> None:
            nonlocal begun
            begun = True
            o.on_next(value)

        held = source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)
        return Disposable(lambda: None if begun else held.dispose())

    assert "the source let go of" in broken(lambda: operator(subscribe), "never-ending")


def test_early_disposal_with_the_source_held_in_the_middle() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        last = 0

        def on_next(value: Any) -> None:
            nonlocal last
            last = value
            o.on_next(value)

        held = source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)
        return Disposable(lambda: None if last == 1 else held.dispose())

    message = broken(lambda: operator(subscribe), "early-disposal")
    assert "disposed after element 1: the source let go of" in message


def test_early_disposal_with_work_left_behind() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        def on_next(value: Any) -> None:
            rx.timer(0.02).subscribe(lambda _: o.on_next(value), scheduler=s)

        def on_completed() -> None:
            rx.timer(0.02).subscribe(lambda _: o.on_completed(), scheduler=s)

        return source.subscribe(on_next, o.on_error, on_completed, scheduler=s)

    broken(lambda: unguarded(subscribe), "early-disposal")


def test_disposal_inside_goes_unnoticed() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        def on_next(value: Any) -> None:
            o.on_next(value)
            o.on_next(value)

        return source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)

    broken(lambda: unguarded(subscribe), "disposal-inside")


def counting(*, fresh: bool) -> Operator:
    """Numbers its elements, in state outside the subscription."""
    count = 0

    def subscribe(source: Any, o: Any, s: Any) -> Any:
        nonlocal count
        if fresh:
            count = 0

        def on_next(value: Any) -> None:
            nonlocal count
            count += 1
            o.on_next((count, value))

        return source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)

    return operator(subscribe)


def test_resubscription_sees_what_the_first_left() -> None:
    message = broken(lambda: counting(fresh=False), "resubscription")
    assert "expected in the second subscription: [next (1, 1)" in message
    assert "got [next (4, 1)" in message


def test_two_at_once_share_state() -> None:
    broken(lambda: counting(fresh=True), "two-at-once")


def calling(call: Callable[[int], Any], on_error: Callable[[Any, Exception], None]) -> Operator:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        def on_next(value: Any) -> None:
            try:
                result = call(value)
            except Exception as error:
                on_error(o, error)
            else:
                o.on_next(result)

        return source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)

    return operator(subscribe)


def raiser(error: Exception) -> Callable[[int], Any]:
    def call(_: int) -> Any:
        raise error

    return call


def reraise(_: Any, error: Exception) -> None:
    raise error


def failing_by(on_error: Callable[[Any, Exception], None]) -> Callable[[Exception], Operator]:
    return lambda error: calling(raiser(error), on_error)


def test_callback_told_rightly() -> None:
    turn = Turn.of(np.zeros(1, np.float32))
    rightly: list[Callable[[Any, Exception], None]] = [
        lambda o, e: o.on_error(e),
        lambda o, e: o.on_error(StageError("it", None, e)),
        lambda o, e: o.on_next(TurnFailed(turn, StageError("it", turn, e))),
    ]
    for on_error in rightly:
        check_operator(tenfold, elements=ELEMENTS, failing=failing_by(on_error))


@pytest.mark.parametrize(
    ("on_error", "message"),
    [
        (lambda o, e: None, "on_error or a TurnFailed"),
        (lambda o, e: o.on_error(ValueError("another")), "with the callback's error"),
        (lambda o, e: o.on_completed(), "on_error or a TurnFailed"),
    ],
    ids=["swallowed", "replaced", "completed"],
)
def test_callback_mistold(on_error: Any, message: str) -> None:
    assert message in broken(tenfold, "callback", failing=failing_by(on_error))


def test_callback_raised_into_the_producer() -> None:
    message = broken(tenfold, "callback", failing=failing_by(reraise))
    assert "expected nothing raised into the producer" in message


@pytest.mark.parametrize(
    "on_error",
    [lambda o, e: None, lambda o, e: o.on_error(e)],
    ids=["swallowed", "turned into on_error"],
)
@pytest.mark.parametrize("at", ["next", "completed"])
def test_subscriber_caught(on_error: Any, at: str) -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        def guarded(action: Callable[..., None]) -> Callable[..., None]:
            def run(*args: Any) -> None:
                try:
                    action(*args)
                except Exception as error:
                    on_error(o, error)

            return run

        on_next = guarded(o.on_next) if at == "next" else o.on_next
        on_completed = guarded(o.on_completed) if at == "completed" else o.on_completed
        return source.subscribe(on_next, o.on_error, on_completed, scheduler=s)

    assert f"on_{at}" in broken(lambda: operator(subscribe), "subscriber")


def test_broken_source_let_through() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        return source.subscribe(o.on_next, o.on_error, o.on_completed, scheduler=s)

    message = broken(lambda: unguarded(subscribe), "broken-source")
    assert "of a source that goes on after completion" in message


def test_scheduler_forgotten() -> None:
    def subscribe(source: Any, o: Any, s: Any) -> Any:
        return source.subscribe(o.on_next, o.on_error, o.on_completed)

    assert "got [None]" in broken(lambda: operator(subscribe), "scheduler")


CHUNKS = [AudioChunk(np.full(4, level, np.float32), speech=True) for level in (0.5, 0.0)]


def numbered() -> Operator:
    """Counts what it is given, whatever it is."""

    def subscribe(source: Any, o: Any, s: Any) -> Any:
        count = 0

        def on_next(value: Any) -> None:
            nonlocal count
            count += 1
            o.on_next((count, value))

        return source.subscribe(on_next, o.on_error, o.on_completed, scheduler=s)

    return operator(subscribe)


def reordered() -> Operator:
    """Holds the first event back until the next."""

    def start(out: Subscription[Any]) -> Handlers[Any]:
        held: list[Event] = []

        def step(element: Any) -> None:
            if isinstance(element, Event):
                held.append(element)
            if len(held) != 1:
                for each in reversed(held):
                    out.emit(each)
                held.clear()
            if not isinstance(element, Event):
                out.emit(element)

        def flush() -> None:
            for each in held:
                out.emit(each)
            out.complete()

        return step, flush, None

    return stateful_on_events(start)


def copied() -> Operator:
    return ops.map(lambda it: replace(it, number=it.number) if hasattr(it, "number") else it)


def asked() -> Operator:
    return ops.filter(lambda chunk: chunk.speech)


def kept_back() -> Operator:
    return ops.filter(lambda it: not isinstance(it, Event))


@pytest.mark.parametrize("make", [numbered, asked, kept_back, copied, reordered])
def test_events_that_do_not_pass(make: Callable[[], Operator]) -> None:
    with pytest.raises(AssertionError, match=r"^it: events: expected "):
        check_operator(make, elements=CHUNKS, name="it")
    check_operator(make, elements=CHUNKS, name="it", events="none")


def test_events_that_count_among_the_elements() -> None:
    def counting_all() -> Operator:
        def start(out: Subscription[Any]) -> Handlers[Any]:
            count = 0

            def step(element: Any) -> None:
                nonlocal count
                count += 1
                out.emit(element if isinstance(element, Event) else (count, element))

            return step, None, None

        return stateful_on_events(start)

    with pytest.raises(AssertionError, match=r"^it: events: expected beside the events, what com"):
        check_operator(counting_all, elements=CHUNKS, name="it")


def test_events_that_are_to_be_dropped() -> None:
    check_operator(kept_back, elements=CHUNKS, events="drop")
    with pytest.raises(AssertionError, match=r"^it: events: expected no event to pass"):
        check_operator(lambda: ops.map(lambda it: it), elements=CHUNKS, name="it", events="drop")


def test_events_come_only_where_the_elements_are_of_a_conversation() -> None:
    check_operator(tenfold, elements=ELEMENTS)
    with pytest.raises(AssertionError, match=r"^tenfold: events: "):
        check_operator(tenfold, elements=ELEMENTS, events="pass")


def test_the_name_is_that_of_make() -> None:
    def loud() -> Operator:
        return ops.ignore_elements()

    with pytest.raises(AssertionError, match=r"^loud: many: "):
        check_operator(loud, elements=ELEMENTS)


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="wanted at least 2, got 1"):
        check_operator(tenfold, elements=[1])
    with pytest.raises(ConfigError, match=r"events must be .* got 'all'"):
        check_operator(tenfold, elements=ELEMENTS, events="all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"every_ms must be at least 0\.001 ms, got 0"):
        check_operator(tenfold, elements=ELEMENTS, every_ms=0)


def test_the_example_of_the_docstring() -> None:
    def loud(gate: Callable[[Any], bool]) -> Operator:
        def passes(element: Any) -> bool:
            return isinstance(element, Event) or gate(element.samples)

        return ops.filter(passes)

    def broken_gate(error: Exception) -> Callable[[Any], bool]:
        def gate(samples: Any) -> bool:
            raise error

        return gate

    chunks = [AudioChunk(np.full(4, level, np.float32)) for level in (0.5, 0.0)]
    check_operator(
        lambda: loud(lambda samples: abs(samples).max() > 0.1),
        elements=chunks,
        failing=lambda error: loud(broken_gate(error)),
        name="loud",
    )
