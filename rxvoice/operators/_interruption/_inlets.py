"""The ways into a mailbox: what is subscribed to, and on which thread it is taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice.elements import Reply
from rxvoice.operators._interruption._alarm import home
from rxvoice.operators._interruption._mailbox import Action, Mailbox
from rxvoice.operators._kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["Bring", "door", "follow", "foreign", "just", "tapped"]

Bring = Callable[[Action], None]


def foreign(mailbox: Mailbox, out: Subscription[Any]) -> Bring:
    """The way for what comes from any thread: on the subscription's own, where it has one."""
    own = home(out.scheduler)

    def bring(action: Action) -> None:
        def run(*_: object) -> None:
            mailbox.post(action)

        if out.life.is_disposed:
            return
        if own is None:
            run()
        else:
            own.schedule(run)

    return bring


def door(mailbox: Mailbox, life: CompositeDisposable, on_raise: Action) -> Bring:
    """The way for what works for an exchange; closed to what comes when its life is over.

    Args:
        on_raise: what is to be done after downstream has raised.
    """

    def bring(action: Action) -> None:
        try:
            mailbox.post(lambda: None if life.is_disposed else action())
        except BaseException:  # RxPY has closed the observable that it came from
            mailbox.leave(on_raise)
            raise

    return bring


def follow(
    observable: Observable[Any],
    bring: Bring,
    on_next: Callable[[Any], None],
    on_error: Callable[[Exception], None],
    on_completed: Action | None = None,
    *,
    life: CompositeDisposable,
    scheduler: abc.SchedulerBase | None,
) -> None:
    """Subscribe for as long as `life` lasts, and bring in all that comes."""
    life.add(
        observable.subscribe(
            lambda value: bring(partial(on_next, value)),
            lambda error: bring(partial(on_error, error)),
            None if on_completed is None else lambda: bring(on_completed),
            scheduler=scheduler,
        )
    )


def just(element: object) -> Observable[Any]:
    """The element, here and now; ``rx.just`` would schedule it."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        observer.on_next(element)
        observer.on_completed()
        return Disposable()

    return Observable(subscribe)


def tapped(note: Callable[[Reply], None]) -> Operator[Any, Any]:
    """Everything passes; replies are noted on the way."""

    def start(out: Subscription[Any]) -> Handlers[Any]:
        def step(element: object) -> None:
            if isinstance(element, Reply):
                note(element)
            out.emit(element)

        return step, None, None

    return stateful_on_events(start)
