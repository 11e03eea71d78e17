"""The kernel of the operators: `stateful` makes an operator of your own that has state.

An operator is a function from an observable to an observable. `stateful` makes one from a function
that it calls once per subscription, so that two subscribers share nothing. It forwards the
scheduler, lets events pass, emits nothing after the end, and disposes the source on disposal.

```python
def numbered() -> Operator[Turn | Event, tuple[int, Turn] | Event]:
    def start(out: Subscription[tuple[int, Turn] | Event]) -> Handlers[Turn]:
        count = 0

        def step(turn: Turn) -> None:
            nonlocal count
            count += 1
            out.emit((count, turn))

        return step, None, None

    return stateful(start, takes=("numbered", Turn, "turn_window()"))
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, RefCountDisposable
from reactivex.scheduler import (
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
    TrampolineScheduler,
)

from rxvoice._threads.life import Life
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._follow import emitting, follow, reached

__all__ = ["Handlers", "Operator", "Subscription", "misplaced", "stateful", "stateful_on_events"]

T = TypeVar("T")
U = TypeVar("U")

Operator: TypeAlias = Callable[[Observable[T]], Observable[U]]
"""A function from one observable to another, for ``pipe``."""

Step: TypeAlias = Callable[[T], None]
Flush: TypeAlias = Callable[[], None]
Fail: TypeAlias = Callable[[Exception], None]
Handlers: TypeAlias = tuple[Step[T], Flush | None, Fail | None]
"""What an operator does with an element, at the end, and with an error. None: pass it on."""

_ELSEWHERE = (ImmediateScheduler, NewThreadScheduler, TimeoutScheduler, TrampolineScheduler)


class Subscription(Generic[U]):
    """One subscriber's side of an operator.

    ``emit(element)`` and ``complete()`` are the subscriber's ``on_next`` and ``on_completed``. What
    you add to ``life`` is disposed with the subscription.

    Args:
        observer: the subscriber.
        scheduler: the scheduler that the subscriber gave. Pass it to every ``subscribe`` here.
    """

    __slots__ = ("_observer", "complete", "disposable", "emit", "life", "scheduler")

    def __init__(self, observer: abc.ObserverBase[U], scheduler: abc.SchedulerBase | None) -> None:
        self._observer = observer
        self.emit = observer.on_next
        self.complete = observer.on_completed
        self.scheduler = scheduler
        self.life: CompositeDisposable = Life()
        self.disposable = RefCountDisposable(self.life)
        """The disposable that the subscriber gets."""

    @property
    def home(self) -> abc.SchedulerBase | None:
        """The scheduler, if it has a thread of its own to which another thread can come back."""
        return None if isinstance(self.scheduler, _ELSEWHERE) else self.scheduler

    @property
    def is_left(self) -> bool:
        """Whether the subscriber has disposed, and only observables kept by `keep` are in use."""
        return self.disposable.is_primary_disposed

    def keep(self) -> abc.DisposableBase:
        """Keep the source, even if the subscriber disposes, until the result is disposed.

        For an operator that emits observables, as `turn_window` does: once for each subscriber of
        one of them.
        """
        return self.disposable.disposable

    def fail(self, error: Exception) -> None:
        """End the stream with an error. Nothing further reaches the operator."""
        self.life.dispose()
        self._observer.on_error(error)


def misplaced(takes: tuple[str, type[object], str], element: object) -> ConfigError:
    """The error of an operator that gets an element of another kind."""
    name, wanted, maker = takes
    remedy = "check the order of the operators"
    if name == "synthesize" and isinstance(element, str):
        remedy = "speak(tts) takes text"
    return ConfigError(
        f"{name}() takes {wanted.__name__}, which {maker} gives, got {type(element).__name__}: "
        f"{remedy}"
    )


def stateful(
    start: Callable[[Subscription[U | Event]], Handlers[T]],
    *,
    takes: tuple[str, type[T], str] | None = None,
) -> Operator[T | Event, U | Event]:
    """Make an operator whose state belongs to the subscription. An `Event` passes it at once.

    Args:
        start: called once per subscription. It returns three handlers: of an element, of the
            completion (None: complete) and of an error (None: pass it on). A handler catches what
            it calls itself, never what is downstream, and reports by ``subscription.fail(error)``.
        takes: the operator's name, the class that it takes, and the operator that makes it. Any
            other element fails the stream, with an error about the order of the operators.
    """
    return cast("Operator[T | Event, U | Event]", _operator(start, passes=Event, takes=takes))


def stateful_on_events(start: Callable[[Subscription[U]], Handlers[T]]) -> Operator[T, U]:
    """As `stateful`, for an operator that handles events too."""
    return _operator(start, passes=())


def _operator(
    start: Callable[[Subscription[U]], Handlers[T]],
    *,
    passes: type[Event] | tuple[()],
    takes: tuple[str, type[T], str] | None = None,
) -> Operator[T, U]:
    def operator(source: Observable[T]) -> Observable[U]:
        def subscribe(
            observer: abc.ObserverBase[U], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            subscription = Subscription(observer, scheduler)
            unlink = reached(subscription.disposable)
            life, emit = subscription.life, subscription.emit
            step, flush, fail = start(subscription)
            wanted = takes and takes[1]
            ended = False
            subscribing = True

            def on_next(element: T) -> None:
                # A source may emit after its end, or after the operator has failed.
                if ended or life.is_disposed:
                    return
                if subscribing:
                    emitting()
                if wanted and isinstance(element, wanted):
                    step(element)
                elif isinstance(element, passes):
                    emit(cast("U", element))
                elif takes:
                    subscription.fail(misplaced(takes, element))
                else:
                    step(element)

            def on_error(error: Exception) -> None:
                nonlocal ended
                if not ended and not life.is_disposed:
                    ended = True
                    if subscribing:
                        emitting()
                    (fail or subscription.fail)(error)

            def on_completed() -> None:
                nonlocal ended
                if not ended and not life.is_disposed:
                    ended = True
                    if subscribing:
                        emitting()
                    (flush or subscription.complete)()

            try:
                if not life.is_disposed:  # start() may have failed
                    follow(source, life, on_next, on_error, on_completed, scheduler=scheduler)
            finally:
                subscribing = False
                unlink()
            return subscription.disposable

        return Observable(subscribe)

    return operator
