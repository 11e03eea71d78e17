"""`live`: a pipe on a conversation thread of its own."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Generator
from typing import Generic, NoReturn, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable
from reactivex.observer import Observer
from reactivex.scheduler.eventloop import AsyncIOScheduler, AsyncIOThreadSafeScheduler
from reactivex.scheduler.mainloop import QtScheduler, TkinterScheduler, WxScheduler

from rxvoice._check import whole
from rxvoice._threads.delivery import Delivery
from rxvoice._threads.inbox import Inbox, Waiting
from rxvoice._threads.kept import Kept
from rxvoice._threads.loop import Loop
from rxvoice.errors import ConfigError
from rxvoice.events import Notice

__all__ = ["Live", "live"]

T = TypeVar("T")

_log = logging.getLogger("rxvoice")

_END_S = 5.0
"""How long `run` waits for the conversation thread after Ctrl-C."""
_CUT_SHORT = (
    "the program ends in the middle of a conversation, and what it is at is lost: no thread of it "
    "keeps a program alive. Use rxv.live(pipe).run(), which waits for its end, or dispose of the "
    "subscription"
)


def live(
    observable: Observable[T],
    *,
    deliver_on: abc.SchedulerBase | None = None,
    max_events: int = 10_000,
) -> Live[T]:
    """Put a pipe on its threads: the conversation on one of its own, the app on the app's.

    ```python
    speaker = rxv.speaker()
    conversation = rxv.microphone().pipe(
        vox.chunk(512),
        vox.vad(rxv.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(1600)),
        vox.converse(hear, think, speak, sink=speaker),
    )
    rxv.live(conversation).run(print)          # until it ends, or Ctrl-C
    rxv.live(conversation).subscribe(print)    # or: beside the program, while that has more to do
    for event in rxv.live(conversation).iterate():    # or: in a loop of the program's own
        print(event)
    ```

    The pipe is subscribed to on a thread "rxvoice-conversation", with a scheduler of that thread:
    microphones deliver there, models' answers come back there, and the sink is written to
    there. What the app does with the events, and how long it takes, holds none of it up when it has
    a thread of its own.

    Emits: what the pipe emits, in order; when some were dropped, a `Notice` before the next.
    Completes: with the pipe, after what is queued.
    Errors: with the pipe, after what is queued, and with what a part of the pipe raised on the
        conversation thread. What the subscriber raises is logged, by the logger "rxvoice", and ends
        nothing.
    Drops: with ``deliver_on``, when ``max_events`` wait for the app: the oldest `Level`, `Partial`
        and `ReplyDelta` first, which later events make up for, then the oldest of whatever else;
        counted and told. On disposal, what is queued.
    Runs on: ``deliver_on``; None for the conversation thread, which the subscriber then must not
        hold up: the microphone waits for it. The thread ends with the subscription; each has its
        own. The scheduler given to ``subscribe`` is not used.

    Disposal, from any thread and from within ``on_next`` too, lets go of the microphone and
    everything else at once; it does not wait for the thread. The thread does not keep a program
    alive: one that ends without disposal says so, by the logger "rxvoice".

    Args:
        observable: the pipe, up to and including ``play``.
        deliver_on: where the app wants its events, a scheduler that may be called from any thread:
            ``AsyncIOThreadSafeScheduler(loop)``, ``rxv.qt.scheduler()``,
            ``rxv.tk.scheduler(root)``, an ``EventLoopScheduler``.
        max_events: how many elements may wait for it, 1 or more.
    """
    whole("live max_events", max_events, 1, "events")
    if isinstance(deliver_on, AsyncIOScheduler) and not isinstance(
        deliver_on, AsyncIOThreadSafeScheduler
    ):
        raise _one_thread(deliver_on, "AsyncIOThreadSafeScheduler(loop)")
    if isinstance(deliver_on, QtScheduler):
        raise _one_thread(deliver_on, "rxv.qt.scheduler()")
    if isinstance(deliver_on, TkinterScheduler):
        raise _one_thread(deliver_on, "rxv.tk.scheduler(root)")
    if isinstance(deliver_on, WxScheduler):
        raise _one_thread(deliver_on, "one that calls wx.CallAfter")
    return Live(observable, deliver_on, max_events)


def _one_thread(given: abc.SchedulerBase, wanted: str) -> ConfigError:
    return ConfigError(
        "live deliver_on must be a scheduler that another thread may call, "
        f"got {type(given).__name__}: use {wanted}"
    )


class Live(Observable[T | Notice]):
    """Made by `live`."""

    def __init__(
        self, observable: Observable[T], deliver_on: abc.SchedulerBase | None, max_events: int
    ) -> None:
        super().__init__()
        self._observable = observable
        self._deliver_on = deliver_on
        self._max_events = max_events

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, on_next: abc.ObserverBase[T | Notice] | abc.OnNext[T | Notice] | None = None
    ) -> T | Notice | None:
        """Subscribe, and wait for the end; gives the last element, None where there was none.

        Ctrl-C ends it: everything is disposed, which closes devices and finishes files, and `run`
        returns. A second Ctrl-C does not wait for that and is raised. For a program without a
        loop of its own: whoever waits here delivers nothing on its thread.

        Args:
            on_next: called with each element, such as ``print``; or an observer, such as a sink.

        Raises:
            Exception: what the pipe fails with.
        """
        observer = _observer(on_next)
        over = threading.Event()
        errors: list[Exception] = []
        last: T | Notice | None = None

        def each(element: T | Notice) -> None:
            nonlocal last
            last = element
            observer.on_next(element)

        def failed(error: Exception) -> None:
            errors.append(error)
            try:
                observer.on_error(error)
            except Exception as raised:
                if raised is not error:
                    raise
            finally:
                over.set()

        def completed() -> None:
            try:
                observer.on_completed()
            finally:
                over.set()

        session = _Session(self._observable, self._deliver_on, self._max_events)
        try:
            session.begin(each, failed, completed)
            over.wait()
        except KeyboardInterrupt:
            session.life.dispose()
            if not session.loop.join(_END_S):
                _log.warning("the conversation thread is still busy %g s after Ctrl-C", _END_S)
        finally:
            session.life.dispose()
        session.loop.join(_END_S)
        if errors:
            raise errors[0]
        return last

    def iterate(self, *, max_events: int | None = None) -> Generator[T | Notice]:
        """Subscribe, and wait for each element in turn, for a ``for`` loop.

        ```python
        for event in rxv.live(conversation).iterate():
            print(event)
        ```

        The loop has its own time: it holds nothing of the conversation up, and what comes
        meanwhile waits for it. It ends with the pipe. Leaving it by ``break``, by an error or by
        Ctrl-C, which is raised, disposes of everything, closes devices and finishes files. Inside
        an asyncio app use ``rxv.aio.events``: whoever waits here delivers nothing on its thread.

        Args:
            max_events: how many elements may wait, 1 or more; of more, some are dropped, as `live`
                says. None: as many as `live` was told.

        Raises:
            ConfigError: at once, of a ``live(deliver_on=...)``: the loop is where they are wanted.
            Exception: what the pipe fails with, after what waited.
        """
        if self._deliver_on is not None:
            raise ConfigError(
                "iterate() gives the events to the loop that it is in: leave out live's deliver_on"
            )
        most = self._max_events if max_events is None else max_events
        whole("iterate max_events", most, 1, "events")
        return self._iterated(most)

    def _iterated(self, most: int) -> Generator[T | Notice]:
        session = _Session(self._observable, None, most)
        inbox: Inbox[T] = Inbox(most, session.life)
        try:
            session.begin(inbox.put, inbox.end, inbox.end)
            yield from inbox.elements()
        finally:
            session.life.dispose()
            session.loop.join(_END_S)

    def __iter__(self) -> NoReturn:
        """Not this way: RxPY would make an endless loop of it."""
        raise TypeError(
            "live(...) is an observable, not an iterable: loop over rxv.live(pipe).iterate()"
        )

    def _subscribe_core(
        self,
        observer: abc.ObserverBase[T | Notice],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        session = _Session(self._observable, self._deliver_on, self._max_events)
        session.begin(observer.on_next, observer.on_error, observer.on_completed)
        return session.life


def _observer(given: abc.ObserverBase[T] | abc.OnNext[T] | None) -> abc.ObserverBase[T]:
    """What `subscribe` takes as its first argument, as an observer."""
    if callable(getattr(given, "on_next", None)):
        return cast("abc.ObserverBase[T]", given)
    if given is not None and not callable(given):
        raise ConfigError(f"run takes a function such as print, or an observer, got {given!r}")
    return Observer(given, _nothing)


def _nothing(*_: object) -> None:
    """`run` raises it."""


class _Session(Generic[T]):
    """One subscription: its thread, its queue, its end."""

    def __init__(
        self, observable: Observable[T], deliver_on: abc.SchedulerBase | None, max_events: int
    ) -> None:
        self._observable = observable
        self._deliver_on = deliver_on
        self._waiting: Waiting[T] = Waiting(max_events)
        self.loop = Loop("rxvoice-conversation", on_raise=self._raised)
        self.life = CompositeDisposable()

    def begin(
        self, on_next: abc.OnNext[T | Notice], on_error: abc.OnError, on_completed: abc.OnCompleted
    ) -> None:
        direct = self._deliver_on is None
        kept = Kept(self.life)

        def tell(element: T | Notice) -> None:
            try:
                on_next(element)
            except Exception:
                _log.exception("a subscriber of live() raised at %r", element)
            kept.taken(element)

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

        def from_pipe(element: T) -> None:
            if direct and self.loop.is_current:
                tell(element)
                return
            kept.put(element)
            with self._delivery.lock:
                dropped = self._waiting.put(element)
            kept.taken(dropped)
            self._deliver(self._delivery.kick)

        self._delivery: Delivery[T | Notice] = Delivery(
            self._waiting, tell, fail, complete, self._deliver_on or self.loop
        )
        source = SingleAssignmentDisposable()
        for part in (self._delivery, source, Disposable(self.loop.dispose)):
            self.life.add(part)
        _going_on.add(cast("_Session[object]", self))
        self.life.add(Disposable(lambda: _going_on.discard(cast("_Session[object]", self))))

        def subscribe(*_: object) -> None:
            source.disposable = self._observable.subscribe(
                from_pipe, self._end, self._end, scheduler=self.loop
            )

        self.loop.schedule(subscribe)

    def _end(self, error: Exception | None = None) -> None:
        self._deliver(lambda: self._delivery.end(error))

    def _deliver(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            _log.exception("live() cannot deliver on %r any more and ends", self._deliver_on)
            self.life.dispose()

    def _raised(self, error: BaseException) -> None:
        if self.life.is_disposed:
            _log.error("the conversation raised after its end", exc_info=error)
        elif isinstance(error, Exception):
            self._end(error)
        else:
            wrapped = RuntimeError(f"the conversation thread was told to end by {error!r}")
            wrapped.__cause__ = error
            self._end(wrapped)


_going_on: set[_Session[object]] = set()
"""Conversations that have begun and were neither over nor disposed of."""


def _at_exit() -> None:
    if _going_on:
        _log.warning(_CUT_SHORT)


atexit.register(_at_exit)
