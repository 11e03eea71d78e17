"""`TextQueue`: texts that wait for each other, for a voice that speaks one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from threading import Lock
from typing import Any, cast

from reactivex.subject import AsyncSubject

from rxvoice._answers.pauses import Waiting
from rxvoice.slots import Answer

__all__ = ["TextQueue", "in_queue"]


class TextQueue:
    """The texts of all conversations that one voice is to speak, in the order in which they came.

    A conversation speaks a sentence at a time, so it waits for a sentence of each other one at
    most. While a text waits, the worker does other work.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._texts: deque[AsyncSubject[None]] = deque()

    def speak(self, begin: Callable[[], Iterable[Any]]) -> Generator[Any]:
        """Yield what the voice gives for a text, after a `Waiting` if others come first.

        Args:
            begin: asks the voice.
        """
        mine = AsyncSubject[None]()
        with self._lock:
            self._texts.append(mine)
            waits = self._texts[0] is not mine
        try:
            if waits:
                yield Waiting(mine)
            yield from begin()
        finally:
            self._leave(mine)

    def _leave(self, text: AsyncSubject[None]) -> None:
        with self._lock:
            self._texts.remove(text)
            first = self._texts[0] if self._texts else None
        if first is not None:  # it begins, or has begun
            first.on_completed()


def in_queue(voice: object, ask: Callable[[str], Answer[Any]]) -> Callable[[str], Answer[Any]]:
    """`ask`; if the voice has a `TextQueue` as its ``queue``, then in that order.

    Args:
        ask: its method; with a queue, one that gives an iterable.
    """
    queue = getattr(voice, "queue", None)
    if not isinstance(queue, TextQueue):
        return ask
    return lambda text: queue.speak(lambda: cast("Iterable[Any]", ask(text)))
