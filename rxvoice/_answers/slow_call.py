"""`SlowCall`: a slow function of the app, called without blocking the model thread."""

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


class SlowCall:
    """A call that begins when somebody waits for it, by `waiting` or by `result`.

    When nobody waits any more the call is given up: an async function is cancelled; a call that is
    queued on the worker is not made; one that runs there goes on, and its result is ignored.

    Args:
        function: returns a value, an awaitable of one, or an observable whose last element it is.
        worker: where to call it; None for where it is waited for.
    """

    def __init__(
        self, function: Callable[[], object], worker: abc.SchedulerBase | None = None
    ) -> None:
        self._function = function
        self._worker = worker
        self._is_awaited = False
        self._value: object  # once it is over
        self._error: BaseException | None
        self._lock = Lock()
        self._over = Event()
        self.has_begun = False
        """Whether the function has been called."""
        self.waiting = Waiting(Observable(self._begin))
        """A pause that ends with the call."""

    def result(self) -> object:
        """Wait for the result and return it; raises what the function raised."""
        if not self._is_awaited:
            # An async function cannot end on a loop that is blocked here.
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
        """Stop waiting if there is no result yet."""
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
    """Wraps a value of any shape, so that it is one piece of an answer."""

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
    """Call a function; returns its result, or a `SlowCall` if that takes time.

    Args:
        worker: where to call a function that is not async; None for here and now.
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
    """Return a worker as a scheduler; `name` is the argument's, for the message."""
    if isinstance(worker, ThreadPoolExecutor):
        return _ExecutorScheduler(worker)
    if worker is None or isinstance(cast("object", worker), abc.SchedulerBase):
        return worker
    raise ConfigError(
        f"{name} must be a ThreadPoolExecutor, an RxPY scheduler or None, got {worker!r}"
    )


class _ExecutorScheduler(NewThreadScheduler):
    """A scheduler that runs actions on the threads of an executor."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        super().__init__(lambda target: _Submitted(executor, target))


class _Submitted(abc.StartableBase):
    """Stands for a thread: runs the target when the executor has a thread to spare."""

    def __init__(self, executor: ThreadPoolExecutor, target: Callable[[], object]) -> None:
        self._executor = executor
        self._target = target

    def start(self) -> None:
        """Submit the target to the executor."""
        try:
            self._executor.submit(self._target)
        except RuntimeError as error:  # it was shut down
            raise DisposedException(f"the tool_worker takes no more calls: {error}") from error
