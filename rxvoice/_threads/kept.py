"""Turns that wait in a queue."""

from __future__ import annotations

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice.turn import Turn

__all__ = ["Kept"]


class Kept:
    """The turns among what waits in a queue: each counts as listened to until it is taken.

    Args:
        life: of the subscription that they wait in.
    """

    def __init__(self, life: CompositeDisposable) -> None:
        self._life = life
        self._kept: dict[int, abc.DisposableBase] = {}

    def put(self, element: object) -> None:
        """It will wait."""
        if isinstance(element, Turn):
            self._kept[id(element)] = kept = element.keep()
            self._life.add(kept)

    def taken(self, element: object) -> None:
        """It has been passed on, or dropped."""
        kept = self._kept.pop(id(element), None)
        if kept is not None:
            self._life.remove(kept)
