"""An answer of any shape, as pieces."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from typing import Any, TypeVar, cast

from reactivex import Observable

from rxvoice._answers.shapes import is_whole

__all__ = ["close", "close_async", "pieces_of", "raise_if_ctrl_c"]

T = TypeVar("T")

_log = logging.getLogger("rxvoice")


def pieces_of(answer: object, take: Callable[[Any], T]) -> Iterator[T] | AsyncGenerator[T]:
    """The pieces of an answer that is no observable.

    Args:
        take: gives a piece as it is to be, or raises where it is none; called with each as it is
            made.
    """
    if is_whole(answer):
        return iter((take(answer),))
    if isinstance(answer, AsyncIterable):
        return _generated(cast("AsyncIterable[Any]", answer), take)
    if inspect.isawaitable(answer):
        return _awaited(answer, take)
    if isinstance(answer, Iterable):
        return _iterated(cast("Iterable[Any]", answer), take)
    return iter((take(answer),))


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


def _iterated(pieces: Iterable[Any], take: Callable[[Any], T]) -> Generator[T]:
    given = iter(pieces)
    try:
        for piece in given:
            yield take(piece)
    finally:
        if isinstance(given, Generator):
            cast("Generator[object]", given).close()


async def _generated(pieces: AsyncIterable[Any], take: Callable[[Any], T]) -> AsyncGenerator[T]:
    given = aiter(pieces)
    try:
        async for piece in given:
            yield take(piece)
    finally:
        # An `async for` leaves a generator that it has not exhausted to the garbage collector.
        if isinstance(given, AsyncGenerator):
            await given.aclose()


async def _awaited(answer: Awaitable[Any], take: Callable[[Any], T]) -> AsyncGenerator[T]:
    """What is awaited is an answer too: a piece, or pieces."""
    given = await answer
    if inspect.isawaitable(given) or isinstance(given, Observable):
        yield take(given)  # it says what came
        return
    pieces = pieces_of(given, take)
    if isinstance(pieces, AsyncGenerator):
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    else:
        try:
            for piece in pieces:
                yield piece
        finally:
            close(pieces)
