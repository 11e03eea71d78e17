"""What the tests of the three model operators share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from reactivex import Subject


class Pushed:
    """An operator's elements, pushed by hand, and what comes of them."""

    operator: Callable[..., Any]

    def __init__(self, model: Any, *, scheduler: Any = None, **options: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.end: list[Any] = []
        self.life = self.source.pipe(type(self).operator(model, **options)).subscribe(
            self.seen.append,
            self.end.append,
            lambda: self.end.append("completed"),
            scheduler=scheduler,
        )

    def push(self, *elements: Any, end: bool = False) -> Self:
        for element in elements:
            self.source.on_next(element)
        if end:
            self.source.on_completed()
        return self
