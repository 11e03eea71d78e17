"""`ConversationThread`: one subscription of `live`."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxvoice._threads.delivery import Delivery
from rxvoice._threads.inbox import app_queue
from rxvoice._threads.life import Life
from rxvoice._threads.loop import Loop
from rxvoice.events import Notice

if TYPE_CHECKING:
    from rxvoice.trace._recording import Recording

T = TypeVar("T")

_log = logging.getLogger("rxvoice")

_CUT_SHORT = (
    "the program ends in the middle of a conversation, and what is not finished is lost: the "
    "threads of a conversation do not keep a program alive. Use rxv.live(pipe).run(), which waits "
    "for its end, or dispose of the subscription"
)


class ConversationThread(Generic[T]):
    """Subscribes to a pipe on a thread of its own, and delivers what it emits to the app.

    Args:
        deliver_on: where to deliver; None for the conversation thread.
        max_events: how many elements may wait for the app.
        record: begins a trace, given the scheduler of the thread; None to record nothing.

    Raises:
        ConfigError: nothing can be recorded there.

    Attributes:
        life: the subscription. Disposing of it, on any thread, ends everything.
        loop: the thread.
    """

    def __init__(
        self,
        observable: Observable[T],
        deliver_on: abc.SchedulerBase | None,
        max_events: int,
        record: Callable[[abc.SchedulerBase], Recording] | None = None,
    ) -> None:
        self._observable = observable
        self._deliver_on = deliver_on
        self.loop = Loop("rxvoice-conversation", on_raise=self._raised)
        self._recording = None if record is None else record(self.loop)
        self.life = Life()
        self._queue = app_queue(max_events, self.life)

    def begin(
        self, on_next: abc.OnNext[T | Notice], on_error: abc.OnError, on_completed: abc.OnCompleted
    ) -> None:
        """Subscribe."""

        def tell(element: T | Notice) -> None:
            try:
                on_next(element)
            except Exception:
                _log.exception("a subscriber of live() raised at %r", element)

        def fail(error: Exception) -> None:
            try:
                on_error(error)
            except Exception:
                _log.error("live() failed, and its subscriber raised", exc_info=error)

        def complete() -> None:
            try:
                on_completed()
            except Exception:
                _log.exception("a subscriber of live() raised at the end")

        recording = self._recording

        def from_pipe(element: T) -> None:
            if self._deliver_on is None and self.loop.is_current:
                tell(element)
                return
            self._queue.put(element)
            self._deliver(self._delivery.kick)

        self._delivery: Delivery[T, Notice] = Delivery(
            self._queue, tell, fail, complete, self._deliver_on or self.loop
        )
        source = SingleAssignmentDisposable()
        if recording is not None:  # what the end brings about is no part of the trace
            self.life.add(Disposable(partial(recording.end, "disposed")))
        for part in (self._delivery, source, Disposable(self.loop.dispose)):
            self.life.add(part)
        _going_on.add(self)
        self.life.add(Disposable(lambda: _going_on.discard(self)))

        def subscribe(*_: object) -> None:
            told = (from_pipe, self._end, self._end)
            source.disposable = (
                self._observable.subscribe(*told, scheduler=self.loop)
                if recording is None
                else recording.follow(self._observable, *told)
            )

        self.loop.schedule(subscribe)

    def join(self, timeout: float) -> bool:
        """Wait, after the end, for the thread and the trace; returns whether both have ended."""
        over = self.loop.join(timeout)
        if self._recording is not None and not self._recording.join(timeout):
            _log.warning("the trace of a conversation is not complete yet")
            return False
        return over

    def _end(self, error: Exception | None = None) -> None:
        self._deliver(lambda: self._delivery.end(error))

    def _deliver(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            _log.exception("live() cannot deliver on %r any more, and ends", self._deliver_on)
            self.life.dispose()

    def _raised(self, error: BaseException) -> None:
        if self.life.is_disposed:
            _log.error("the conversation raised after its end", exc_info=error)
            return
        ending = error
        if not isinstance(ending, Exception):
            ending = RuntimeError(f"the conversation thread was told to end by {error!r}")
            ending.__cause__ = error
        if self._recording is not None:
            self._recording.end("error", ending)
        self._end(ending)


_going_on: set[ConversationThread[Any]] = set()
"""Conversations that have begun, and have neither ended nor been disposed of."""


def _at_exit() -> None:
    if _going_on:
        _log.warning(_CUT_SHORT)


atexit.register(_at_exit)
