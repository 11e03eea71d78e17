"""`check_operator`: what every operator must do, whatever it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.testing import TestScheduler

from rxvoice._check import at_least
from rxvoice._value import Value, same
from rxvoice.errors import ConfigError
from rxvoice.events import Event, TurnFailed
from rxvoice.turn import Turn

__all__ = ["check_operator"]

T = TypeVar("T")
U = TypeVar("U")

Kind: TypeAlias = Literal["next", "error", "completed"]
Notification: TypeAlias = tuple[float, Kind, Any]

_SETTLE_S = 60.0
"""Virtual seconds that an operator has to finish what it is at."""


def check_operator(
    make: Callable[[], Callable[[Observable[T]], Observable[U]]],
    *,
    elements: Sequence[T],
    on_empty: Sequence[U] = (),
    failing: Callable[[Exception], Callable[[Observable[T]], Observable[U]]] | None = None,
    key: Callable[[U], object] | None = None,
    name: str | None = None,
    every_ms: float = 32,
    events: Literal["pass", "drop", "none"] | None = None,
) -> None:
    """Check that an operator does what every operator must, in virtual time.

    ```python
    def loud(gate):
        def passes(element):
            return isinstance(element, Event) or gate(element.samples)

        return ops.filter(passes)

    def broken_gate(error):
        def gate(samples):
            raise error
        return gate

    check_operator(
        lambda: loud(lambda samples: abs(samples).max() > 0.1),
        elements=[sound("~").chunk(0, 4, 16_000), sound("_").chunk(4, 4, 16_000)],
        failing=lambda error: loud(broken_gate(error)),
        name="loud",
    )
    ```

    The cases:

    never             a silent source: nothing comes, and disposing lets go of the source
    empty             it completes, once
    one, many         it completes, once, after all values
    never-ending      without an end from the source it does not end, and holds back only what the
                      end may bring: its values are the first ones of ``many``
    error             the source's error is passed on, the same object, once and last
    early-disposal    after each element: nothing more comes, and the source is let go of
    disposal-inside   the same, inside the first ``on_next``
    resubscription    a second subscription sees what the first one saw
    two-at-once       two subscribers share no state
    callback          (``failing``) what a callback raises becomes ``on_error`` or a `TurnFailed`,
                      has the error as itself or its cause, and is not raised into the producer
    subscriber        what a subscriber raises, in ``on_next`` or ``on_completed``, reaches the
                      producer, and does not come back as an element or ``on_error``
    broken-source     of one that goes on after its end nothing passes
    scheduler         the source is subscribed to with the subscription's scheduler
    events            an `Event` before, between and after the elements passes: the same object,
                      once, and in order; the elements come as if there were none

    Args:
        make: gives a fresh operator, with models of its own where they have state.
        elements: what to push, at least two; together they must make the operator emit, and none
            may make it end. Each is pushed many times: they must not change.
        on_empty: what it emits for a source that completes at once.
        failing: gives the operator with a callback or model that raises this error at its first
            call; None where it takes none.
        key: what to compare of a value that it emits; None: the value.
        name: the operator's, for the message; None for that of ``make``.
        every_ms: virtual milliseconds between two elements, above 0.
        events: what becomes of an `Event`: ``"pass"``, as with every operator of a conversation;
            ``"drop"``, as with `only`; ``"none"`` where none can come. None: ``"pass"`` where an
            element is one of rxvoice's, ``"none"`` for numbers, text, arrays.

    Raises:
        AssertionError: names the operator, the case, what was expected and what came.
    """
    if len(elements) < 2:
        raise ConfigError(f"check_operator elements: wanted at least 2, got {len(elements)}")
    at_least("check_operator every_ms", every_ms, 0.001, "ms")
    called = name or getattr(make, "__name__", "operator")
    if events not in ("pass", "drop", "none", None):
        raise ConfigError(f'check_operator events must be "pass", "drop" or "none", got {events!r}')
    check = _Check(
        called,
        make,
        list(elements),
        list(on_empty),
        failing,
        key,
        every_ms / 1000,
        events or _beside(elements),
    )
    for case in (
        check.never,
        check.empty,
        check.one,
        check.many,
        check.never_ending,
        check.error,
        check.early_disposal,
        check.disposal_inside,
        check.resubscription,
        check.two_at_once,
        check.callback,
        check.subscriber,
        check.broken_source,
        check.scheduler,
        check.events,
    ):
        check.case = case.__name__.replace("_", "-")
        case()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Beside(Event):
    """What happens beside the elements; of no kind that an operator could know."""

    number: int


def _beside(elements: Sequence[object]) -> Literal["pass", "none"]:
    return "pass" if any(isinstance(it, Value | Turn) for it in elements) else "none"


class _Source(Observable[Any]):
    """A hot source, driven by hand, that knows who subscribes and how."""

    def __init__(self) -> None:
        super().__init__()
        self.observers: list[abc.ObserverBase[Any]] = []
        self.schedulers: list[abc.SchedulerBase | None] = []

    def push(self, kind: Kind, value: object) -> None:
        for observer in tuple(self.observers):
            if kind == "next":
                observer.on_next(value)
            elif kind == "error":
                observer.on_error(cast(Exception, value))
            else:
                observer.on_completed()

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self.observers.append(observer)
        self.schedulers.append(scheduler)
        return Disposable(partial(self.observers.remove, observer))


class _Handlers(abc.ObserverBase[Any]):
    """An observer without RxPY's guard against what comes after the end."""

    def __init__(self, on_next: Any, on_error: Any, on_completed: Any) -> None:
        self.on_next = on_next or _ignore  # type: ignore[method-assign]
        self.on_error = on_error or _ignore  # type: ignore[method-assign]
        self.on_completed = on_completed or _ignore

    def on_next(self, value: Any) -> None: ...
    def on_error(self, error: Exception) -> None: ...
    def on_completed(self) -> None: ...


class _BrokenSource(_Source):
    """One that breaks the contract: nothing stops it, not even disposal."""

    def subscribe(
        self,
        on_next: Any = None,
        on_error: Any = None,
        on_completed: Any = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        if hasattr(on_next, "on_next"):
            on_next, on_error, on_completed = (
                on_next.on_next,
                on_next.on_error,
                on_next.on_completed,
            )
        self.observers.append(_Handlers(on_next, on_error, on_completed))
        return Disposable()


def _ignore(*_: object) -> None:
    pass


@dataclass(eq=False)
class _Seen:
    """What one subscriber saw, and when; what it does about it."""

    clock: TestScheduler
    react: Callable[[Kind], None] = _ignore
    events: list[Notification] = field(default_factory=list[Notification])
    life: abc.DisposableBase | None = None
    began: float = 0.0

    def subscribe(self, observable: Observable[Any]) -> None:
        self.began = self.clock.clock
        self.life = observable.subscribe(
            partial(self._on, "next"),
            partial(self._on, "error"),
            partial(self._on, "completed", None),
            scheduler=self.clock,
        )

    def dispose(self) -> None:
        if self.life:
            self.life.dispose()

    def _on(self, kind: Kind, value: object) -> None:
        self.events.append((cast(float, self.clock.clock) - self.began, kind, value))
        self.react(kind)


class _Bench:
    """An operator between a source and its subscribers, on a virtual clock."""

    def __init__(self, operator: Callable[[Any], Any], every_s: float, source: _Source) -> None:
        self.clock = TestScheduler()
        self.source = source
        self.every_s = every_s
        self.out: Observable[Any] = operator(source)
        self.raised: list[Exception] = []

    def subscribe(self, react: Callable[[Kind], None] = _ignore) -> _Seen:
        seen = _Seen(self.clock, react)
        seen.subscribe(self.out)
        return seen

    def push(self, *events: tuple[Kind, object]) -> None:
        """Let the source do this, one step after the other."""
        for n, (kind, value) in enumerate(events, 1):
            self.at(n, partial(self.source.push, kind, value))

    def at(self, step: float, action: Callable[[], None]) -> None:
        def run(*_: object) -> None:
            action()

        self.clock.schedule_relative(step * self.every_s, run)

    def run(self) -> None:
        """Let all of it happen; what is raised into the source or the clock is kept."""
        until = self.clock.to_datetime(cast(float, self.clock.clock) + 1000 * self.every_s)
        until += self.clock.to_timedelta(_SETTLE_S)
        while True:
            try:
                self.clock.advance_to(until)
            except Exception as error:
                self.raised.append(error)
                self.clock.stop()
            else:
                return


@dataclass(eq=False)
class _Check(Generic[T, U]):
    """The cases; `case` is the one at hand."""

    name: str
    make: Callable[[], Callable[[Observable[T]], Observable[U]]]
    elements: list[T]
    on_empty: list[U]
    failing: Callable[[Exception], Callable[[Observable[T]], Observable[U]]] | None
    key: Callable[[U], object] | None
    every_s: float
    beside: Literal["pass", "drop", "none"]
    case: str = ""

    def never(self) -> None:
        bench = self._bench()
        seen = bench.subscribe()
        self._run(bench)
        self._expect("nothing", not seen.events, seen.events)
        self._let_go(bench, seen)

    def empty(self) -> None:
        seen = self._drive(("completed", None))
        wanted: list[Notification] = [(0, "next", value) for value in self.on_empty]
        self._compare([*wanted, (0, "completed", None)], seen.events)

    def one(self) -> None:
        self._completed(self._drive(*self._next(self.elements[:1]), ("completed", None)))

    def many(self) -> None:
        seen = self._completed(self._all())
        if len(seen.events) < 2:
            raise AssertionError(
                f"{self.name}: many: the elements made it emit nothing: "
                "give check_operator elements that do"
            )

    def error(self) -> None:
        error = RuntimeError("the source's")
        for elements in ([], self.elements):
            events = self._drive(*self._next(elements), ("error", error)).events
            ends = [value for _, kind, value in events if kind != "next"]
            told = events[-1:] and events[-1][2] is error and ends == [error]
            self._expect("the source's error, the same object, once and last", told, events)

    def never_ending(self) -> None:
        bench = self._bench()
        seen = bench.subscribe()
        bench.push(*self._next(self.elements))
        self._run(bench)
        self._expect("no end", all(kind == "next" for _, kind, _ in seen.events), seen.events)
        self._compare(self._all().events[: len(seen.events)], seen.events)
        self._expect("the source still subscribed to", bool(bench.source.observers), "it is not")
        self._let_go(bench, seen)

    def early_disposal(self) -> None:
        whole = self._all().events
        for n in range(len(self.elements) + 1):
            bench = self._bench()
            seen = bench.subscribe()
            bench.push(*self._next(self.elements), ("completed", None))
            disposed = (n + 0.5) * self.every_s
            bench.at(n + 0.5, seen.dispose)
            held: list[bool] = []
            bench.at(n + 0.75, lambda held=held, bench=bench: held.extend(bench.source.observers))  # type: ignore[misc]
            self._run(bench)
            when = f"disposed after element {n}: "
            self._compare([e for e in whole if e[0] < disposed], seen.events, when)
            self._expect(f"{when}the source let go of", not held, "it is still subscribed to")

    def disposal_inside(self) -> None:
        bench = self._bench()
        seen = bench.subscribe(lambda _: seen.dispose())
        bench.push(*self._next(self.elements), ("completed", None))
        self._run(bench)
        self._compare(self._all().events[:1], seen.events, "disposed in its first on_next: ")
        self._expect("the source let go of", not bench.source.observers, "it is not")

    def resubscription(self) -> None:
        bench = self._bench()
        first = bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None))
        self._run(bench)
        second = bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None))
        self._run(bench)
        self._compare(first.events, second.events, "in the second subscription: ")

    def two_at_once(self) -> None:
        alone = self._all().events
        bench = self._bench()
        both = bench.subscribe(), bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None))
        self._run(bench)
        for which, seen in zip(("first", "second"), both, strict=True):
            self._compare(alone, seen.events, f"to the {which} of two subscribers: ")

    def callback(self) -> None:
        if self.failing is None:
            return
        error = RuntimeError("the callback's")
        bench = _Bench(self.failing(error), self.every_s, _Source())
        seen = bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None))
        self._run(bench)
        told = [
            value.error if isinstance(value, TurnFailed) else value
            for _, kind, value in seen.events
            if kind == "error" or isinstance(value, TurnFailed)
        ]
        by_it = any(error in (it, getattr(it, "__cause__", None)) for it in told)
        self._expect("on_error or a TurnFailed with the callback's error", by_it, seen.events)
        ends = [kind for _, kind, _ in seen.events if kind != "next"]
        ended = len(ends) == 1 and seen.events[-1][1] != "next"
        self._expect("one end, last", ended, seen.events)
        self._expect("the source let go of", not bench.source.observers, "it is not")

    def subscriber(self) -> None:
        wanted = self._all().events
        for at in ("next", "completed"):
            error = RuntimeError("the subscriber's")
            left = [error]

            def react(kind: Kind, at: str = at, left: list[RuntimeError] = left) -> None:
                if kind == at and left:
                    raise left.pop()

            bench = self._bench()
            seen = bench.subscribe(react)
            bench.push(*self._next(self.elements), ("completed", None))
            bench.run()
            expected = f"what the subscriber raised in on_{at} to reach the producer"
            self._expect(expected, bench.raised[:1] == [error], bench.raised)
            came = [
                event
                for event in seen.events
                if event[1] == "error"
                or (isinstance(event[2], TurnFailed) and event[2].error.cause is error)
            ]
            self._expect("none of it to come back", not came, seen.events)
            first = [kind for _, kind, _ in wanted].index(at)
            self._compare(wanted[: first + 1], seen.events[: first + 1])

    def broken_source(self) -> None:
        wanted = self._all().events
        error = RuntimeError("after the end")
        again = [*self._next(self.elements), ("completed", None), ("error", error)]
        bench = self._bench(_BrokenSource())
        seen = bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None), *again)  # type: ignore[arg-type]
        self._run(bench)
        self._compare(wanted, seen.events, "of a source that goes on after completion: ")

        wanted = self._drive(*self._next(self.elements), ("error", error)).events
        bench = self._bench(_BrokenSource())
        seen = bench.subscribe()
        bench.push(*self._next(self.elements), ("error", error), *again)  # type: ignore[arg-type]
        self._run(bench)
        self._compare(wanted, seen.events, "of a source that goes on after an error: ")

    def scheduler(self) -> None:
        bench = self._bench()
        seen = bench.subscribe()
        asked = bench.source.schedulers
        seen.dispose()
        forwarded = bool(asked) and all(one is bench.clock for one in asked)
        self._expect("the source subscribed to with the subscription's scheduler", forwarded, asked)

    def events(self) -> None:
        if self.beside == "none":
            return
        wanted = self._all().events
        beside = [_Beside(n) for n in range(len(self.elements) + 1)]
        bench = self._bench()
        seen = bench.subscribe()
        bench.push(*self._next(self.elements), ("completed", None))
        for n, event in enumerate(beside):  # between two elements, whose times stay the same
            bench.at(n + 0.5, partial(bench.source.push, "next", event))
        self._run(bench)
        came = self._completed(seen).events
        passed = [value for _, _, value in came if isinstance(value, _Beside)]
        if self.beside == "drop":
            self._expect("no event to pass", not passed, came)
        else:
            told = [id(event) for event in passed] == [id(event) for event in beside]
            self._expect("each event to pass, the same object, once and in order", told, came)
        rest = [event for event in came if not isinstance(event[2], _Beside)]
        self._compare(wanted, rest, "beside the events, what comes without them: ")

    def _next(self, elements: Sequence[object]) -> list[tuple[Kind, object]]:
        return [("next", element) for element in elements]

    def _bench(self, source: _Source | None = None) -> _Bench:
        return _Bench(self.make(), self.every_s, source or _Source())

    def _run(self, bench: _Bench) -> None:
        bench.run()
        for error in bench.raised:
            raise AssertionError(
                f"{self.name}: {self.case}: expected nothing raised into the producer, "
                f"got {error!r}"
            ) from error

    def _drive(self, *events: tuple[Kind, object]) -> _Seen:
        bench = self._bench()
        seen = bench.subscribe()
        bench.push(*events)
        self._run(bench)
        return seen

    def _all(self) -> _Seen:
        return self._drive(*self._next(self.elements), ("completed", None))

    def _completed(self, seen: _Seen) -> _Seen:
        ends = [kind for _, kind, _ in seen.events if kind != "next"]
        last = seen.events[-1:] and seen.events[-1][1] == "completed"
        self._expect("completion, once and last", bool(last) and len(ends) == 1, seen.events)
        return seen

    def _let_go(self, bench: _Bench, seen: _Seen) -> None:
        before = len(seen.events)
        seen.dispose()
        self._expect("the source let go of on disposal", not bench.source.observers, "it is not")
        self._run(bench)
        self._expect("nothing after disposal", len(seen.events) == before, seen.events)

    def _compare(
        self, wanted: list[Notification], came: list[Notification], where: str = ""
    ) -> None:
        equal = len(wanted) == len(came) and all(
            a == b and same(self._of(a, v), self._of(b, w))
            for (_, a, v), (_, b, w) in zip(wanted, came, strict=True)
        )
        self._expect(where + self._told(wanted), equal, came)

    def _of(self, kind: Kind, value: Any) -> object:
        return self.key(value) if self.key and kind == "next" else value

    def _told(self, events: list[Notification]) -> str:
        told = (
            f"{kind} {self._of(kind, value)!r}" if kind != "completed" else kind
            for _, kind, value in events
        )
        return f"[{', '.join(told)}]"

    def _expect(self, wanted: str, met: object, came: object) -> None:
        if not met:
            if isinstance(came, list) and came and isinstance(came[0], tuple):
                came = self._told(cast("list[Notification]", came))
            raise AssertionError(f"{self.name}: {self.case}: expected {wanted}, got {came}")
