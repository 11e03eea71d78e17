"""Signals of the app, which come from any thread while an operator handles an element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import ParamSpec, TypeVar

from reactivex import Observable

from rxvoice._answers.observables import outwards
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
    signal: Observable[object],
    out: Subscription[T],
    act: Callable[[], None],
    fail: Callable[[Exception], None],
) -> None:
    """Call `act` for each element of the signal, on the thread of the conversation."""

    def at_home(action: Callable[[], None]) -> None:
        def run(*_: object) -> None:
            action()

        if out.home is None:
            run()
        else:
            out.home.schedule(run)

    def on_value(_: object) -> None:
        at_home(act)

    on_next, on_error = outwards(on_value, lambda error: at_home(partial(fail, error)))
    out.life.add(signal.subscribe(on_next, on_error, scheduler=out.scheduler))
