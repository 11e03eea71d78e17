"""Signals of the app, which come from any thread while an operator handles an element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any, ParamSpec, TypeVar

from reactivex import Observable, abc
from reactivex.observer import Observer

from rxvoice._answers.clock import at
from rxvoice._answers.observables import outwards
from rxvoice._boundary import boundary_of, outside
from rxvoice.operators.kernel import Subscription

P = ParamSpec("P")
T = TypeVar("T")


def one_at_a_time() -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A decorator for functions of which no two may run at once, on any threads."""
    lock = RLock()  # what one function calls downstream may call another one

    def one(function: Callable[P, None]) -> Callable[P, None]:
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            with lock:
                function(*args, **kwargs)

        return run

    return one


def on_signal(
    name: str,
    signal: Observable[object],
    out: Subscription[T],
    act: Callable[[], None],
    fail: Callable[[Exception], None],
) -> None:
    """Call `act` for each element of the signal, on the thread of the conversation."""
    follow_signal(name, signal, out, lambda _: act(), fail)


def follow_signal(
    name: str,
    signal: Observable[T],
    out: Subscription[Any],
    on_next: Callable[[T], None],
    on_error: Callable[[Exception], None],
) -> None:
    """Call `on_next` with each element of the signal, on the thread of the conversation."""
    observer: abc.ObserverBase[T] | None = Observer(on_next, on_error)
    boundary = boundary_of(out.scheduler)
    if boundary is not None:
        observer = boundary.signal(name, observer)
        if observer is None:
            return
    told, home = observer, outside(out.home)

    def value_came(value: T) -> None:
        at(home, partial(told.on_next, value))

    def error_came(error: Exception) -> None:
        at(home, partial(told.on_error, error))

    said, failed = outwards(value_came, error_came)
    out.life.add(signal.subscribe(said, failed, scheduler=outside(out.scheduler)))
