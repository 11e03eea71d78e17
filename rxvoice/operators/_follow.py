"""Subscribe so that the source can be disposed before ``subscribe`` has returned."""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, MultipleAssignmentDisposable

T = TypeVar("T")


class _Subscribing(local):
    """The life of the operator that is subscribing to its source on this thread, if any."""

    life: CompositeDisposable | None = None


_subscribing = _Subscribing()


def follow(
    source: Observable[T],
    life: CompositeDisposable,
    on_next: Callable[[T], None] | None = None,
    on_error: Callable[[Exception], None] | None = None,
    on_completed: Callable[[], None] | None = None,
    *,
    scheduler: abc.SchedulerBase | None = None,
) -> None:
    """Subscribe to `source` until `life` is disposed, even if that happens within ``subscribe``.

    RxPY has nothing to dispose before ``subscribe`` returns: a model that is called by an element
    that comes at once would run to its end with no subscriber left. So `follow` tells the next
    rxvoice operator upstream, which calls `reached`, whose life its own depends on.
    """
    _subscribing.life = life
    try:
        life.add(source.subscribe(on_next, on_error, on_completed, scheduler=scheduler))
    finally:
        _subscribing.life = None


def emitting() -> None:
    """Note that the source emits: later subscriptions on this thread are not this operator's."""
    _subscribing.life = None


def reached(disposable: abc.DisposableBase) -> Callable[[], None]:
    """Note that an operator is being subscribed to: it ends with the operator downstream.

    Returns:
        A function to call just before the operator's own ``subscribe`` returns. From then on RxPY
        disposes it.
    """
    life, _subscribing.life = _subscribing.life, None
    if life is None:
        return _nothing
    link = MultipleAssignmentDisposable()
    link.disposable = disposable
    life.add(link)

    def unlink() -> None:
        link.disposable = Disposable()
        life.remove(link)

    return unlink


def _nothing() -> None:
    """There is no rxvoice operator downstream."""
