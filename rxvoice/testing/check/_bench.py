"""The bench of `check_operator`: an operator between a source and its subscribers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.testing import TestScheduler

Kind: TypeAlias = Literal["next", "error", "completed"]
Stamped: TypeAlias = tuple[float, Kind, Any]
"""What a subscriber saw: when, in virtual seconds; the kind; the value or the error."""

_SETTLE_S = 60.0
"""Virtual seconds that an operator has to finish its work."""


class HandDrivenSource(Observable[Any]):
    """A hot source that a case drives. It keeps its observers and their schedulers."""

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


class _Unguarded(abc.ObserverBase[Any]):
    """An observer without RxPY's guard against calls after the end."""

    def __init__(self, on_next: Any, on_error: Any, on_completed: Any) -> None:
        self.on_next = on_next or _ignore  # type: ignore[method-assign]
        self.on_error = on_error or _ignore  # type: ignore[method-assign]
        self.on_completed = on_completed or _ignore

    def on_next(self, value: Any) -> None: ...
    def on_error(self, error: Exception) -> None: ...
    def on_completed(self) -> None: ...


class BrokenSource(HandDrivenSource):
    """A source that breaks the contract: nothing stops it, not even disposal."""

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
        self.observers.append(_Unguarded(on_next, on_error, on_completed))
        return Disposable()


def _ignore(*_: object) -> None:
    pass


@dataclass(eq=False)
class Subscriber:
    """A subscriber that keeps what it sees.

    Args:
        clock: the virtual clock.
        react: called after each notification, with its kind.
    """

    clock: TestScheduler
    react: Callable[[Kind], None] = _ignore
    events: list[Stamped] = field(default_factory=list[Stamped])
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


class Bench:
    """An operator between a source and its subscribers, on a virtual clock."""

    def __init__(
        self, operator: Callable[[Any], Any], every_s: float, source: HandDrivenSource
    ) -> None:
        self.clock = TestScheduler()
        self.source = source
        self.every_s = every_s
        self.out: Observable[Any] = operator(source)
        self.raised: list[Exception] = []

    def subscribe(self, react: Callable[[Kind], None] = _ignore) -> Subscriber:
        seen = Subscriber(self.clock, react)
        seen.subscribe(self.out)
        return seen

    def push(self, *events: tuple[Kind, object]) -> None:
        """Schedule notifications of the source, one after the other."""
        for n, (kind, value) in enumerate(events, 1):
            self.at(n, partial(self.source.push, kind, value))

    def at(self, step: float, action: Callable[[], None]) -> None:
        def run(*_: object) -> None:
            action()

        self.clock.schedule_relative(step * self.every_s, run)

    def run(self) -> None:
        """Run all that is scheduled; keep what is raised into the source or the clock."""
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
