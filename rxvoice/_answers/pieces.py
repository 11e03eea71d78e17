"""An answer of any shape, as pieces."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Generator, Iterable, Iterator
from typing import Any, TypeVar, cast

__all__ = ["close", "close_async", "pieces_of", "raise_if_ctrl_c"]

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


def raise_if_ctrl_c(error: BaseException) -> None:
    """Raise it where it is to end the process: a Ctrl-C, which reaches the main thread only.

    To be called when the turn has been failed by it. A model that calls ``sys.exit()`` has failed
    its turn, and no more.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and isinstance(error, KeyboardInterrupt):
        raise error


def close(pieces: object) -> None:
    """Close a generator; other iterators have nothing to close."""
    if isinstance(pieces, Generator):
        try:
            cast("Generator[object]", pieces).close()
        except BaseException as error:  # nobody waits for it any more
            raise_if_ctrl_c(error)
            _log.exception("a model raised while its answer was closed")


async def close_async(pieces: AsyncGenerator[object], source: object) -> None:
    """Close an async generator, and the coroutine that it was to await."""
    try:
        await pieces.aclose()
    except BaseException as error:
        raise_if_ctrl_c(error)
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
