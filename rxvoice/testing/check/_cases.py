"""The cases of `check_operator`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar, cast

from reactivex import Observable

from rxvoice._value import same
from rxvoice.events import Event, TurnFailed
from rxvoice.testing.check._bench import (
    Bench,
    BrokenSource,
    HandDrivenSource,
    Kind,
    Stamped,
    Subscriber,
)

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class UnknownEvent(Event):
    """An event of a class that no operator knows."""

    number: int


@dataclass(eq=False)
class Cases(Generic[T, U]):
    """The cases, a method each. `case` names the one that runs."""

    name: str
    make: Callable[[], Callable[[Observable[T]], Observable[U]]]
    elements: list[T]
    on_empty: list[U]
    failing: Callable[[Exception], Callable[[Observable[T]], Observable[U]]] | None
    key: Callable[[U], object] | None
    every_s: float
    beside: Literal["pass", "drop", "none"]
    case: str = ""

    def run(self) -> None:
        """Run every case.

        Raises:
            AssertionError: a case failed.
        """
        for case in (
            *(self.never, self.empty, self.one, self.many, self.never_ending, self.error),
            *(self.early_disposal, self.disposal_inside, self.resubscription, self.two_at_once),
            *(self.callback, self.subscriber, self.broken_source, self.scheduler, self.events),
        ):
            self.case = case.__name__.replace("_", "-")
            case()

    def never(self) -> None:
        bench = self._bench()
        seen = bench.subscribe()
        self._run(bench)
        self._expect("nothing", not seen.events, seen.events)
        self._let_go(bench, seen)

    def empty(self) -> None:
        seen = self._drive(("completed", None))
        wanted: list[Stamped] = [(0, "next", value) for value in self.on_empty]
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
            bench.push(*self._whole())
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
        bench.push(*self._whole())
        self._run(bench)
        self._compare(self._all().events[:1], seen.events, "disposed in its first on_next: ")
        self._expect("the source let go of", not bench.source.observers, "it is not")

    def resubscription(self) -> None:
        bench = self._bench()
        first = bench.subscribe()
        bench.push(*self._whole())
        self._run(bench)
        second = bench.subscribe()
        bench.push(*self._whole())
        self._run(bench)
        self._compare(first.events, second.events, "in the second subscription: ")

    def two_at_once(self) -> None:
        alone = self._all().events
        bench = self._bench()
        both = bench.subscribe(), bench.subscribe()
        bench.push(*self._whole())
        self._run(bench)
        for which, seen in zip(("first", "second"), both, strict=True):
            self._compare(alone, seen.events, f"to the {which} of two subscribers: ")

    def callback(self) -> None:
        if self.failing is None:
            return
        error = RuntimeError("the callback's")
        bench = Bench(self.failing(error), self.every_s, HandDrivenSource())
        seen = bench.subscribe()
        bench.push(*self._whole())
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
            bench.push(*self._whole())
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
        again = [*self._whole(), ("error", error)]
        bench = self._bench(BrokenSource())
        seen = bench.subscribe()
        bench.push(*self._whole(), *again)  # type: ignore[arg-type]
        self._run(bench)
        self._compare(wanted, seen.events, "of a source that goes on after completion: ")

        wanted = self._drive(*self._next(self.elements), ("error", error)).events
        bench = self._bench(BrokenSource())
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
        beside = [UnknownEvent(n) for n in range(len(self.elements) + 1)]
        bench = self._bench()
        seen = bench.subscribe()
        bench.push(*self._whole())
        for n, event in enumerate(beside):  # between two elements, whose times stay the same
            bench.at(n + 0.5, partial(bench.source.push, "next", event))
        self._run(bench)
        came = self._completed(seen).events
        passed = [value for _, _, value in came if isinstance(value, UnknownEvent)]
        if self.beside == "drop":
            self._expect("no event to pass", not passed, came)
        else:
            told = [id(event) for event in passed] == [id(event) for event in beside]
            self._expect("each event to pass, the same object, once and in order", told, came)
        rest = [event for event in came if not isinstance(event[2], UnknownEvent)]
        self._compare(wanted, rest, "beside the events, what comes without them: ")

    def _whole(self) -> list[tuple[Kind, object]]:
        return [*self._next(self.elements), ("completed", None)]

    def _next(self, elements: Sequence[object]) -> list[tuple[Kind, object]]:
        return [("next", element) for element in elements]

    def _bench(self, source: HandDrivenSource | None = None) -> Bench:
        return Bench(self.make(), self.every_s, source or HandDrivenSource())

    def _run(self, bench: Bench) -> None:
        bench.run()
        for error in bench.raised:
            raise AssertionError(
                f"{self.name}: {self.case}: expected nothing raised into the producer, "
                f"got {error!r}"
            ) from error

    def _drive(self, *events: tuple[Kind, object]) -> Subscriber:
        bench = self._bench()
        seen = bench.subscribe()
        bench.push(*events)
        self._run(bench)
        return seen

    def _all(self) -> Subscriber:
        return self._drive(*self._whole())

    def _completed(self, seen: Subscriber) -> Subscriber:
        ends = [kind for _, kind, _ in seen.events if kind != "next"]
        last = seen.events[-1:] and seen.events[-1][1] == "completed"
        self._expect("completion, once and last", bool(last) and len(ends) == 1, seen.events)
        return seen

    def _let_go(self, bench: Bench, seen: Subscriber) -> None:
        before = len(seen.events)
        seen.dispose()
        self._expect("the source let go of on disposal", not bench.source.observers, "it is not")
        self._run(bench)
        self._expect("nothing after disposal", len(seen.events) == before, seen.events)

    def _compare(self, wanted: list[Stamped], came: list[Stamped], where: str = "") -> None:
        equal = len(wanted) == len(came) and all(
            a == b and same(self._of(a, v), self._of(b, w))
            for (_, a, v), (_, b, w) in zip(wanted, came, strict=True)
        )
        self._expect(where + self._told(wanted), equal, came)

    def _of(self, kind: Kind, value: Any) -> object:
        return self.key(value) if self.key and kind == "next" else value

    def _told(self, events: list[Stamped]) -> str:
        told = (
            f"{kind} {self._of(kind, value)!r}" if kind != "completed" else kind
            for _, kind, value in events
        )
        return f"[{', '.join(told)}]"

    def _expect(self, wanted: str, met: object, came: object) -> None:
        if not met:
            if isinstance(came, list) and came and isinstance(came[0], tuple):
                came = self._told(cast("list[Stamped]", came))
            raise AssertionError(f"{self.name}: {self.case}: expected {wanted}, got {came}")
