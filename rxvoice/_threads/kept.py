"""`Kept`: the turns that wait in a queue."""

from __future__ import annotations

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice.turn import Turn


class Kept:
    """Counts each turn in a queue as listened to until it is taken.

    Without that, the source could be disposed of before anyone subscribes to the turn.

    Args:
        life: of the subscription that the queue belongs to.
    """

    def __init__(self, life: CompositeDisposable) -> None:
        self._life = life
        self._kept: dict[int, abc.DisposableBase] = {}

    def put(self, element: object) -> None:
        """Keep an element that will wait; does nothing unless it is a turn."""
        if isinstance(element, Turn):
            self._kept[id(element)] = kept = element.keep()
            self._life.add(kept)

    def taken(self, element: object) -> None:
        """Stop keeping an element that has been passed on, or dropped."""
        kept = self._kept.pop(id(element), None)
        if kept is not None:
            self._life.remove(kept)
