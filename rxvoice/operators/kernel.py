"""The kernel of the operators: the only place that makes an Observable of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice.elements import Event
from rxvoice.errors import ConfigError

__all__ = ["Operator", "Subscription", "misplaced", "stateful", "stateful_on_events"]

T = TypeVar("T")
U = TypeVar("U")

Operator: TypeAlias = Callable[[Observable[T]], Observable[U]]
"""What ``pipe`` takes: a function from one observable to another."""

Step: TypeAlias = Callable[[T], None]
Flush: TypeAlias = Callable[[], None]
Fail: TypeAlias = Callable[[Exception], None]
Handlers: TypeAlias = tuple[Step[T], Flush | None, Fail | None]


class Subscription(Generic[U]):
    """One subscriber's side of an operator.

    Args:
        observer: the subscriber.
        scheduler: what it subscribed with; passed on to everything that is subscribed to here.
    """

    __slots__ = ("_observer", "complete", "emit", "life", "scheduler")

    def __init__(self, observer: abc.ObserverBase[U], scheduler: abc.SchedulerBase | None) -> None:
        self._observer = observer
        self.emit = observer.on_next
        self.complete = observer.on_completed
        self.scheduler = scheduler
        self.life = CompositeDisposable()

    def fail(self, error: Exception) -> None:
        """End it with an error; nothing further reaches the operator."""
        self.life.dispose()
        self._observer.on_error(error)


def misplaced(takes: tuple[str, type[object], str], element: object) -> ConfigError:
    """What an operator fails with when it is given what another one makes."""
    name, wanted, maker = takes
    return ConfigError(
        f"{name}() takes {wanted.__name__}, which {maker} gives, got {type(element).__name__}: "
        "check the order of the operators"
    )


def stateful(
    start: Callable[[Subscription[U | Event]], Handlers[T]],
    *,
    takes: tuple[str, type[T], str] | None = None,
) -> Operator[T | Event, U | Event]:
    """An operator with state of its own in each subscription; an `Event` passes it, at once.

    Args:
        takes: its name, what it takes, and the operator that makes it: anything else fails, with
            an error that says which operators are in the wrong order.
        start: called once per subscription; gives what to do with an element (step), on
            completion (None: complete) and on an error (None: pass it on). A step catches what
            it calls, never what is downstream: it reports by ``subscription.fail(error)``.
    """
    return cast("Operator[T | Event, U | Event]", _operator(start, passes=Event, takes=takes))


def stateful_on_events(start: Callable[[Subscription[U]], Handlers[T]]) -> Operator[T, U]:
    """As `stateful`, for one that steps on events too."""
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
            life, emit = subscription.life, subscription.emit
            step, flush, fail = start(subscription)

            ended = False

            def on_next(element: T) -> None:
                # A source may go on after its end, or after the operator has failed.
                if ended or life.is_disposed:
                    return
                if takes and isinstance(element, takes[1]):
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
                    (fail or subscription.fail)(error)

            def on_completed() -> None:
                nonlocal ended
                if not ended and not life.is_disposed:
                    ended = True
                    (flush or subscription.complete)()

            life.add(source.subscribe(on_next, on_error, on_completed, scheduler=scheduler))
            return life

        return Observable(subscribe)

    return operator
