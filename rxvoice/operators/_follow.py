"""A subscription that can be let go of before ``subscribe`` has returned."""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, MultipleAssignmentDisposable

T = TypeVar("T")


class _Subscribing(local):
    """Whose source is being subscribed to on this thread, until that has been reached."""

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
    """Subscribe for as long as `life` lasts, even where all is emitted within ``subscribe``.

    RxPY has nothing to dispose of before ``subscribe`` returns: a model that is asked in place,
    by an element that comes at once, would go on to its end for nobody. So the next operator of
    ours upstream is told whom it works for.
    """
    _subscribing.life = life
    try:
        life.add(source.subscribe(on_next, on_error, on_completed, scheduler=scheduler))
    finally:
        _subscribing.life = None


def emitting() -> None:
    """An element has come: what is subscribed to from here on is somebody else's."""
    _subscribing.life = None


def reached(disposable: abc.DisposableBase) -> Callable[[], None]:
    """An operator is being subscribed to: it ends with whom it works for.

    Returns:
        To be called when its own ``subscribe`` is about to return: from then on RxPY sees to it.
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
    """It works for nobody that could be told."""
