"""A model's answer, whatever shape it has, delivered piece by piece."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.internal import DisposedException
from reactivex.scheduler import NewThreadScheduler

from rxvoice.slots import Answer

__all__ = ["deliver", "outwards"]

T = TypeVar("T")

_ON_WAY = 2
"""Pieces that a worker has made and that have not been taken; it makes no more before they are."""

_log = logging.getLogger("rxvoice")


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
    closed on the thread that ran it. What the handlers raise is raised on.

    Args:
        worker: where to ask and to take each step; None for here and now. An async answer is
            driven by the running event loop where there is one, else step by step in place.
        scheduler: where to deliver what came from a worker; None for the worker's own thread, and
            so for ``NewThreadScheduler`` (``Observable.run`` brings it), which has none to come
            back to.
    """
    home = None if isinstance(scheduler, NewThreadScheduler) else scheduler

    def pull(pieces: Iterator[T], taken: Callable[[], None] = _nothing) -> bool:
        """Take one step; whether there may be more."""
        if life.is_disposed:
            _close(pieces)
            return False
        try:
            piece = next(pieces)
        except StopIteration:
            hand_over(on_end)
            return False
        except Exception as error:
            fail(error)
            return False
        try:
            hand_over(lambda: on_piece(piece), then=taken)
        except BaseException:  # from downstream: not ours to handle
            _close(pieces)
            raise
        return True

    def hand_over(action: Callable[[], None], then: Callable[[], None] = _nothing) -> None:
        def run(_: abc.SchedulerBase | None = None, __: object = None) -> None:
            try:
                if not life.is_disposed:
                    action()
            finally:
                then()

        if worker is None or home is None:
            run()
        else:
            home.schedule(run)

    def fail(error: Exception) -> None:
        hand_over(lambda: on_error(error))

    def begin() -> Iterator[T] | None:
        """Ask; None where the pieces come by themselves, or none will."""
        try:
            answer = ask()
            if isinstance(answer, Observable):
                given, pieces = cast("Observable[T]", answer), None
            else:
                given, pieces = None, _pieces(answer)
        except Exception as error:
            fail(error)
            return None
        if given is not None:
            follow(given)
        if pieces is None:
            return None
        if isinstance(pieces, Iterator):
            return pieces
        loop = _running_loop()
        if loop is None:
            return _stepped(pieces)
        life.add(drive(loop, pieces, cast("object", answer)))
        return None

    def drive(
        loop: asyncio.AbstractEventLoop, pieces: AsyncGenerator[T], answer: object
    ) -> abc.DisposableBase:
        """Deliver an async answer by a task of the running loop."""
        begun = False

        async def steps() -> None:
            nonlocal begun
            begun = True
            try:
                while not life.is_disposed:
                    try:
                        piece = await anext(pieces)
                    except StopAsyncIteration:
                        hand_over(on_end)
                        return
                    except asyncio.CancelledError:
                        if task.cancelling():
                            raise
                        fail(RuntimeError("the model's own work was cancelled"))
                        return
                    except Exception as error:
                        fail(error)
                        return
                    hand_over(lambda piece=piece: on_piece(piece))
            finally:
                await pieces.aclose()
                if inspect.iscoroutine(answer):
                    answer.close()  # never awaited where life ended before it began

        def cancel() -> None:
            if _running_loop() is not loop:
                loop.call_soon_threadsafe(cancel)
            elif begun and asyncio.current_task() is not task:
                task.cancel()  # otherwise it sees for itself that life is over

        task = loop.create_task(steps())
        # What comes from downstream goes to the loop's exception handler, and at once.
        task.add_done_callback(lambda done: None if done.cancelled() else done.result())
        return Disposable(cancel)

    def follow(answer: Observable[T]) -> None:
        def deliver_piece(piece: T) -> None:
            hand_over(lambda: on_piece(piece))

        on_next, on_fail = outwards(deliver_piece, fail)
        where = scheduler if worker is None else worker
        life.add(answer.subscribe(on_next, on_fail, lambda: hand_over(on_end), scheduler=where))

    if worker is None:
        pieces = begin()
        while pieces is not None and pull(pieces):
            pass
        return
    _Steps(begin, pull, life, worker).start()


class _Steps(Generic[T]):
    """The steps of an answer on a worker, at most `_ON_WAY` pieces ahead of what was taken.

    Args:
        begin: asks; None where there are no steps to be taken.
        pull: takes one, or closes once `life` is disposed; whether there may be more. Calls its
            second argument when the piece has arrived, or never will.
    """

    def __init__(
        self,
        begin: Callable[[], Iterator[T] | None],
        pull: Callable[[Iterator[T], Callable[[], None]], bool],
        life: CompositeDisposable,
        worker: abc.SchedulerBase,
    ) -> None:
        self._begin = begin
        self._pull = pull
        self._life = life
        self._worker = worker
        self._lock = Lock()
        self._on_way = 0
        self._between: Iterator[T] | None = None  # two steps
        self._held = False  # the next one, until what was made has arrived

    def start(self) -> None:
        """Have it asked for."""
        self._life.add(Disposable(self._end))
        self._worker.schedule(self._first)

    def _first(self, *_: object) -> None:
        if not self._life.is_disposed and (pieces := self._begin()) is not None:
            self._step(pieces)

    def _next(self, _: abc.SchedulerBase, pieces: Iterator[T] | None = None) -> None:
        assert pieces is not None
        with self._lock:
            self._between = None
        self._step(pieces)

    def _step(self, pieces: Iterator[T]) -> None:
        with self._lock:
            self._on_way += 1
        if not self._pull(pieces, self._taken):
            return
        with self._lock:
            # Seen here or by `_end`: closed before the worker takes up what is asked for next.
            over = self._life.is_disposed
            if not over:
                self._between, self._held = pieces, self._on_way >= _ON_WAY
            held = self._held
        if over:
            _close(pieces)
        elif not held:
            self._schedule(pieces)

    def _taken(self) -> None:
        with self._lock:
            self._on_way -= 1
            pieces = self._between if self._held else None
            self._held = False
        if pieces is not None:
            self._schedule(pieces)

    def _end(self) -> None:
        with self._lock:
            pieces, self._between, self._held = self._between, None, False
        if pieces is not None:
            self._schedule(pieces)

    def _schedule(self, pieces: Iterator[T]) -> None:
        try:
            # As its state, so that a worker that shuts down can close it on its own thread.
            self._worker.schedule(self._next, pieces)
        except DisposedException:  # it was shut down, and will not close it
            _close(pieces)


def _nothing() -> None:
    """Nothing follows."""


def outwards(
    on_next: Callable[[T], None], on_error: Callable[[Exception], None]
) -> tuple[Callable[[T], None], Callable[[Exception], None]]:
    """Handlers for `subscribe`, which hands what `on_next` raises within it to `on_error`.

    What comes from downstream is raised on instead: it is not the observable's own error.
    """
    escaped: BaseException | None = None

    def guarded_next(element: T) -> None:
        nonlocal escaped
        try:
            on_next(element)
        except BaseException as error:
            escaped = error
            raise

    def guarded_error(error: Exception) -> None:
        if error is escaped:
            raise error
        on_error(error)

    return guarded_next, guarded_error


def _close(pieces: object) -> None:
    """Close a generator; other iterators have nothing to close."""
    if isinstance(pieces, Generator):
        try:
            cast("Generator[object]", pieces).close()
        except Exception:  # nobody waits for it any more
            _log.exception("a model raised while its answer was closed")


def _pieces(answer: object) -> Iterator[Any] | AsyncGenerator[Any]:
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
