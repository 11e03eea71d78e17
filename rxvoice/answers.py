"""A model's answer, whatever shape it has, delivered piece by piece."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice.slots import Answer

__all__ = ["deliver"]

T = TypeVar("T")


def deliver(
    ask: Callable[[], Answer[T]],
    on_piece: Callable[[T], None],
    on_end: Callable[[], None],
    on_error: Callable[[Exception], None],
    *,
    life: CompositeDisposable,
    worker: abc.SchedulerBase | None,
    scheduler: abc.SchedulerBase | None,
) -> None:
    """Ask, and deliver the answer: each piece, then its end or its error.

    A str, an array (anything with a ``shape``) and whatever cannot be iterated is one piece.
    Once `life` is disposed no piece is delivered and no further step is taken: the generator is
    closed on the thread that ran it.

    Args:
        worker: where to ask and to take each step; None for here and now. An async answer is
            driven by the running event loop where there is one, else step by step in place.
        scheduler: where to deliver what came from a worker; None for the worker's own thread.
    """

    def pull(pieces: Iterator[T]) -> bool:
        """Take one step; whether there may be more."""
        if life.is_disposed:
            close(pieces)
            return False
        try:
            piece = next(pieces)
        except StopIteration:
            hand_over(on_end)
            return False
        except Exception as error:
            fail(error)
            return False
        hand_over(lambda: on_piece(piece))
        return True

    def hand_over(action: Callable[[], None]) -> None:
        if worker is None or scheduler is None:
            if not life.is_disposed:
                action()
            return

        def run(_: abc.SchedulerBase, __: object = None) -> None:
            if not life.is_disposed:
                action()

        scheduler.schedule(run)

    def fail(error: Exception) -> None:
        hand_over(lambda: on_error(error))

    def begin() -> Iterator[T] | None:
        """Ask; None where the pieces come by themselves or nothing more is to come."""
        try:
            answer = ask()
            if isinstance(answer, Observable):
                given = cast("Observable[T]", answer)
                life.add(
                    given.subscribe(
                        lambda piece: hand_over(lambda: on_piece(piece)),
                        fail,
                        lambda: hand_over(on_end),
                        scheduler=scheduler if worker is None else worker,
                    )
                )
                return None
            pieces = _iterator(answer)
        except Exception as error:
            fail(error)
            return None
        if isinstance(pieces, Iterator):
            return pieces
        loop = _running_loop()
        if loop is None:
            return _stepped(pieces)
        task = loop.create_task(drive(pieces))

        def cancel() -> None:
            task.cancel()

        life.add(Disposable(cancel))
        return None

    async def drive(pieces: AsyncGenerator[T]) -> None:
        try:
            while not life.is_disposed:
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    hand_over(on_end)
                    return
                except Exception as error:
                    fail(error)
                    return
                hand_over(lambda piece=piece: on_piece(piece))
        finally:
            await pieces.aclose()

    if worker is None:
        pieces = begin()
        try:
            while pieces is not None and pull(pieces):
                pass
        except BaseException:  # from downstream: not ours to handle
            close(pieces)
            raise
        return

    pieces: Iterator[T] | None = None

    def work(again: abc.SchedulerBase, _: object = None) -> None:
        nonlocal pieces
        if life.is_disposed and pieces is None:
            return
        if pieces is None:
            pieces = begin()
        if pieces is not None and pull(pieces):
            worker.schedule(work)

    worker.schedule(work)


def close(pieces: object) -> None:
    """Close a generator; other iterators have nothing to close."""
    if isinstance(pieces, Generator):
        cast("Generator[object]", pieces).close()


def _iterator(answer: object) -> Iterator[Any] | AsyncGenerator[Any]:
    if isinstance(answer, str) or hasattr(answer, "shape"):
        return iter((answer,))
    if isinstance(answer, AsyncIterable):
        return _generated(cast("AsyncIterable[Any]", answer))
    if inspect.isawaitable(answer):
        return _awaited(answer)
    if isinstance(answer, Iterable):
        return iter(cast("Iterable[Any]", answer))
    return iter((answer,))


async def _generated(pieces: AsyncIterable[T]) -> AsyncGenerator[T]:
    try:
        async for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _awaited(answer: Awaitable[T]) -> AsyncGenerator[T]:
    yield await answer


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _stepped(pieces: AsyncGenerator[T]) -> Generator[T]:
    """An async answer pulled in place, by a loop that runs only while a piece is awaited."""
    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                piece = loop.run_until_complete(anext(pieces))
            except StopAsyncIteration:
                return
            yield piece
    finally:
        loop.run_until_complete(pieces.aclose())
        loop.close()
