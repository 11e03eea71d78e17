"""An answer of any shape, as pieces."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Generator, Iterable, Iterator
from typing import Any, TypeVar, cast

__all__ = ["close", "close_async", "ends_the_process", "pieces_of"]

T = TypeVar("T")

_log = logging.getLogger("rxvoice")


def pieces_of(answer: object) -> Iterator[Any] | AsyncGenerator[Any]:
    """The pieces of an answer that is no observable."""
    if isinstance(answer, str) or hasattr(answer, "shape"):
        return iter((answer,))
    if isinstance(answer, AsyncIterable):
        return _generated(cast("AsyncIterable[Any]", answer))
    if inspect.isawaitable(answer):
        return _awaited(answer)
    if isinstance(answer, Iterable):
        return iter(cast("Iterable[Any]", answer))
    return iter((answer,))


def ends_the_process(error: BaseException) -> bool:
    """Whether it is a Ctrl-C: those reach the main thread only.

    A model that calls ``sys.exit()`` has failed its turn, and no more.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    return threading.current_thread() is threading.main_thread()


def close(pieces: object) -> None:
    """Close a generator; other iterators have nothing to close."""
    if isinstance(pieces, Generator):
        try:
            cast("Generator[object]", pieces).close()
        except BaseException as error:  # nobody waits for it any more
            if ends_the_process(error):
                raise
            _log.exception("a model raised while its answer was closed")


async def close_async(pieces: AsyncGenerator[object], source: object) -> None:
    """Close an async generator, and the coroutine that it was to await."""
    try:
        await pieces.aclose()
    except Exception:
        _log.exception("a model raised while its answer was closed")
    finally:
        if inspect.iscoroutine(source):
            source.close()  # never awaited where it was over before it began


async def _generated(pieces: AsyncIterable[T]) -> AsyncGenerator[T]:
    given = aiter(pieces)
    try:
        async for piece in given:
            yield piece
    finally:
        # An `async for` leaves a generator that it has not exhausted to the garbage collector.
        if isinstance(given, AsyncGenerator):
            await given.aclose()


async def _awaited(answer: Awaitable[T]) -> AsyncGenerator[T]:
    yield await answer
