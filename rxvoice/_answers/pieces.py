"""An answer of any shape becomes an iterator of pieces."""

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

from rxvoice._answers.shapes import is_whole

T = TypeVar("T")

_log = logging.getLogger("rxvoice")


def pieces_of(answer: object, convert: Callable[[Any], T]) -> Iterator[T] | AsyncGenerator[T]:
    """Return the pieces of an answer that is not an observable.

    Args:
        convert: makes of each piece what is wanted, or raises if it cannot; called as soon as the
            piece is made.
    """
    if is_whole(answer):
        return iter((convert(answer),))
    if isinstance(answer, AsyncIterable):
        return _generated(cast("AsyncIterable[Any]", answer), convert)
    if inspect.isawaitable(answer):
        return _awaited(answer, convert)
    if isinstance(answer, Iterable):
        return _iterated(cast("Iterable[Any]", answer), convert)
    return iter((convert(answer),))


def raise_if_ctrl_c(error: BaseException) -> None:
    """Raise the error if it is a Ctrl-C on the main thread, which has to end the program.

    Call it after the turn has been failed with the error. A model that calls ``sys.exit()`` fails
    its turn, and nothing else.
    """
    if is_ctrl_c(error):
        raise error


def is_ctrl_c(error: BaseException) -> bool:
    """Whether the error is a Ctrl-C on the main thread."""
    on_main = threading.current_thread() is threading.main_thread()
    return on_main and isinstance(error, KeyboardInterrupt)


def close(pieces: object) -> None:
    """Close a generator. Other iterators have nothing to close."""
    if isinstance(pieces, Generator):
        try:
            cast("Generator[object]", pieces).close()
        except BaseException as error:  # no one is left to be told
            raise_if_ctrl_c(error)
            _log.exception("a model raised while its answer was closed")


async def close_async(pieces: AsyncGenerator[object], source: object) -> None:
    """Close an async generator, and the coroutine that it would have awaited."""
    try:
        await pieces.aclose()
    except BaseException as error:
        raise_if_ctrl_c(error)
        _log.exception("a model raised while its answer was closed")
    finally:
        if inspect.iscoroutine(source):
            source.close()  # it was never awaited if the answer ended before it began


def _iterated(pieces: Iterable[Any], convert: Callable[[Any], T]) -> Generator[T]:
    given = iter(pieces)
    try:
        for piece in given:
            yield convert(piece)
    finally:
        if isinstance(given, Generator):
            cast("Generator[object]", given).close()


async def _generated(pieces: AsyncIterable[Any], convert: Callable[[Any], T]) -> AsyncGenerator[T]:
    given = aiter(pieces)
    try:
        async for piece in given:
            yield convert(piece)
    finally:
        # An `async for` leaves a generator that it has not exhausted to the garbage collector.
        if isinstance(given, AsyncGenerator):
            await given.aclose()


async def _awaited(answer: Awaitable[Any], convert: Callable[[Any], T]) -> AsyncGenerator[T]:
    """Await an answer, which may be one piece or several."""
    given = await answer
    if inspect.isawaitable(given):  # an observable is awaitable, too
        yield convert(given)  # it raises, with a message that names what came
        return
    pieces = pieces_of(given, convert)
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
