"""Keeps the caches of all conversations with one model within a bound."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from weakref import ref

from rxvoice.mlx._cache_size import CacheSize
from rxvoice.mlx._prompt_cache import PromptCache


class Shelf:
    """The caches of one model: those in use, and those that wait for their next question.

    A cache that is in use stays whatever it takes. Of those that wait, the one that has waited the
    longest is emptied first.

    Args:
        most: how many bytes they may take together; None for any number.
        size: of one cache; None if that is not known.
    """

    def __init__(self, most: int | None, size: CacheSize | None) -> None:
        self._most = most
        self._size = size
        self._lock = Lock()
        self._used: list[int] = []
        self._waiting: list[ref[PromptCache]] = []

    @contextmanager
    def using(self, cache: PromptCache, tokens: int) -> Generator[None]:
        """Keep this cache while it is used, and make room for that many tokens in it."""
        need = 0 if self._size is None else self._size.bytes_of(tokens)
        with self._lock:
            self._waiting = [it for it in self._waiting if it() not in (None, cache)]
            self._used.append(need)
            self._make_room()
        try:
            yield
        finally:
            with self._lock:
                self._used.remove(need)
                self._waiting.append(ref(cache))
                self._make_room()

    def _make_room(self) -> None:
        if self._most is None:
            return
        waiting = [it for kept in self._waiting if (it := kept())]
        total = sum(self._used) + sum(it.bytes for it in waiting)
        for cache in waiting:
            if total <= self._most:
                return
            total -= cache.bytes
            cache.forget()
