"""A function of the user's that takes its time, called without holding the model thread."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.internal import DisposedException
from reactivex.observer import Observer
from reactivex.scheduler import NewThreadScheduler

from rxvoice._answers.deliver import deliver
from rxvoice._answers.pauses import Waiting
from rxvoice._threads.async_loop import running_loop
from rxvoice.errors import ConfigError

__all__ = ["SlowCall", "called", "scheduler_of"]


class SlowCall:
    """A call that begins when it is waited for, by `waiting` or by `result`.

    Where nobody waits any more it is given up: an async function is cancelled, one that waits for
    its turn on the worker is not called, one that runs there goes on, and what it gives is ignored.

    Args:
        function: gives a value, an awaitable of one, or an observable, whose last element it is.
        worker: where to call it; None for where it is waited for.
    """

    def __init__(
        self, function: Callable[[], object], worker: abc.SchedulerBase | None = None
    ) -> None:
        self._function = function
        self._worker = worker
        self._is_awaited = False
        self._value: object = None
        self._error: BaseException | None = None
        self._lock = Lock()
        self._over = Event()
        self.has_begun = False
        """Whether the function was called."""
        self.waiting = Waiting(Observable(self._begin))
        """The pause until it is over."""

    def result(self) -> object:
        """What it gave, waiting for that; raises what it raised."""
        if not self._is_awaited:
            # On a loop that waits here, an async function would never end.
            elsewhere = NewThreadScheduler() if running_loop() else None
            life = self._ask(Observer(), self._worker or elsewhere, None)
            try:
                self._over.wait()
            finally:
                life.dispose()
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def give_up(self) -> None:
        """Wait no more, where there is no result yet."""
        self._end(RuntimeError("the call was given up before it gave a result"))

    def _end(self, error: BaseException | None) -> None:
        with self._lock:
            if not self._over.is_set():
                self._error = error
                self._over.set()

    def _begin(
        self, observer: abc.ObserverBase[object], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._ask(observer, self._worker, scheduler)

    def _ask(
        self,
        observer: abc.ObserverBase[object],
        worker: abc.SchedulerBase | None,
        scheduler: abc.SchedulerBase | None,
    ) -> abc.DisposableBase:
        self._is_awaited = True
        life = CompositeDisposable()

        def call() -> Any:
            self.has_begun = True
            return _one_piece(self._function())

        def take(piece: _Whole) -> None:
            self._value = piece.value

        def end(error: BaseException | None = None) -> None:
            self._end(error)
            observer.on_completed()

        deliver(call, take, end, end, life=life, worker=worker, scheduler=scheduler)
        life.add(Disposable(self.give_up))
        return life


@dataclass(frozen=True, slots=True)
class _Whole:
    """A value that is one piece of an answer, whatever it is."""

    value: object


def _one_piece(given: object) -> object:
    if isinstance(given, Observable):
        from reactivex import operators as ops

        return cast("Observable[object]", given).pipe(ops.last_or_default(None), ops.map(_Whole))
    if inspect.isawaitable(given):
        return _awaited(given)
    return _Whole(given)


async def _awaited(given: Awaitable[object]) -> _Whole:
    return _Whole(await given)


def called(
    function: Callable[[], object], worker: abc.SchedulerBase | None = None
) -> object | SlowCall:
    """Call a function here: what it gave, or where that takes time, a `SlowCall`.

    Args:
        worker: where to call it if it is not async.
    """
    if inspect.iscoroutinefunction(function):
        return SlowCall(function)
    if worker is not None:
        return SlowCall(function, worker)
    given = function()
    if isinstance(given, Observable) or inspect.isawaitable(given):
        later = cast("object", given)
        slow = SlowCall(lambda: later)
        slow.has_begun = True
        return slow
    return given


def scheduler_of(
    name: str, worker: abc.SchedulerBase | ThreadPoolExecutor | None
) -> abc.SchedulerBase | None:
    """The worker, the argument of that name, as a scheduler."""
    if isinstance(worker, ThreadPoolExecutor):
        return _Pool(worker)
    if worker is None or isinstance(cast("object", worker), abc.SchedulerBase):
        return worker
    raise ConfigError(
        f"{name} must be a ThreadPoolExecutor, an RxPY scheduler or None, got {worker!r}"
    )


class _Pool(NewThreadScheduler):
    """A scheduler whose threads are those of an executor."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        super().__init__(lambda target: _Submitted(executor, target))


class _Submitted(abc.StartableBase):
    """What is started as a thread, and runs when the executor has one to spare."""

    def __init__(self, executor: ThreadPoolExecutor, target: Callable[[], object]) -> None:
        self._executor = executor
        self._target = target

    def start(self) -> None:
        """Hand it over."""
        try:
            self._executor.submit(self._target)
        except RuntimeError as error:  # it was shut down
            raise DisposedException(f"the tool_worker takes no more calls: {error}") from error
