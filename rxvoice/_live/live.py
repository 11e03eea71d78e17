"""`live`: a pipe on a conversation thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

from reactivex import Observable, abc
from reactivex.observer import Observer
from reactivex.scheduler.eventloop import AsyncIOScheduler, AsyncIOThreadSafeScheduler
from reactivex.scheduler.mainloop import QtScheduler, TkinterScheduler, WxScheduler

from rxvoice._check import file_path, whole
from rxvoice._live.conversation_thread import ConversationThread
from rxvoice._threads.inbox import Inbox, app_queue
from rxvoice.errors import ConfigError
from rxvoice.events import Notice

if TYPE_CHECKING:
    from rxvoice.trace._recording import Recording

T = TypeVar("T")

_log = logging.getLogger("rxvoice")

_END_S = 5.0
"""How long `run` waits for the conversation thread after Ctrl-C."""


def live(
    observable: Observable[T],
    *,
    deliver_on: abc.SchedulerBase | None = None,
    max_events: int = 10_000,
    trace: str | os.PathLike[str] | None = None,
    trace_content: bool = True,
    trace_command: Mapping[str, object] | None = None,
) -> Live[T]:
    """Run a pipe on a conversation thread, and deliver its events to the app.

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
    rxv.live(conversation).subscribe(print)    # or: in the background of a program
    for event in rxv.live(conversation).iterate():    # or: in a loop
        print(event)
    ```

    The pipe is subscribed to on a thread "rxvoice-conversation", with a scheduler of that thread:
    microphones deliver there, models' replies come back there, and the sink is written to there.
    An app that has a thread of its own may take as long as it likes with the events.

    Emits: what the pipe emits, in order. Where some were dropped, a `Notice` comes before the next.
    Completes: with the pipe, after what is queued.
    Errors: with the pipe, after what is queued, and with what a part of the pipe raised on the
        conversation thread. What the subscriber raises is logged by the logger "rxvoice", and ends
        nothing.
    Drops: with ``deliver_on``, when ``max_events`` wait for the app. The oldest `Level`, `Partial`
        and `ReplyDelta` go first, since later events make up for them; then the oldest of all
        others. Drops are counted and reported. On disposal, what is queued.
    Runs on: ``deliver_on``; with None, the conversation thread. A subscriber on the conversation
        thread must be quick: the microphone waits for it. Each subscription has a thread of its
        own, which ends with it. The scheduler given to ``subscribe`` is not used.

    Dispose of the subscription from any thread, also from within ``on_next``. Disposal closes the
    microphone and everything else at once, and does not wait for the thread. The thread does not
    keep a program alive: a program that ends without disposal logs a warning.

    Args:
        observable: the pipe, up to and including ``play`` or ``converse``.
        deliver_on: where the app wants its events: a scheduler that any thread may call, such as
            ``AsyncIOThreadSafeScheduler(loop)``, ``rxv.qt.scheduler()``,
            ``rxv.tk.scheduler(root)`` or an ``EventLoopScheduler``.
        max_events: how many elements may wait for the app, 1 or more.
        trace: a directory, new or empty, to record the conversation in: all that came from outside
            and all that came out, for `replay`, ``rxvoice timeline`` and ``rxvoice trace export``.
            The pipe stays the same. Samples are rounded to 16 bits before anything judges them. A
            subscription needs a directory of its own. None: nothing is recorded.
        trace_content: whether the trace keeps texts and sound. False: their lengths and all times,
            which is enough for ``rxvoice timeline``, and not for a replay.
        trace_command: what to note of the app in the header of the trace, as JSON has it: its
            ``"name"``, and its ``"settings"``.
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
    record: Callable[[abc.SchedulerBase], Recording] | None = None
    if trace is not None:
        record = partial(_recording, file_path("live trace", trace), trace_command, trace_content)
    return Live(observable, deliver_on, max_events, record)


def _recording(
    trace: Path, command: Mapping[str, object] | None, content: bool, loop: abc.SchedulerBase
) -> Recording:
    from rxvoice.trace._recording import Recording

    return Recording(trace, loop, command=command, content=content)


def _one_thread(given: abc.SchedulerBase, wanted: str) -> ConfigError:
    return ConfigError(
        "live deliver_on must be a scheduler that another thread may call, "
        f"got {type(given).__name__}: use {wanted}"
    )


class Live(Observable[T | Notice]):
    """A pipe that runs on a thread of its own once it is subscribed to. Made by `live`."""

    def __init__(
        self,
        observable: Observable[T],
        deliver_on: abc.SchedulerBase | None,
        max_events: int,
        record: Callable[[abc.SchedulerBase], Recording] | None = None,
    ) -> None:
        super().__init__()
        self._record = record
        self._observable = observable
        self._deliver_on = deliver_on
        self._max_events = max_events

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, on_next: abc.ObserverBase[T | Notice] | abc.OnNext[T | Notice] | None = None
    ) -> T | Notice | None:
        """Subscribe, wait for the end, and return the last element; None where there was none.

        Ctrl-C ends the conversation: everything is disposed of, which closes devices and completes
        files, and `run` returns. A second Ctrl-C does not wait for that, and is raised.

        Use it in a program without an event loop: while it waits, nothing is delivered on this
        thread.

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

        conversation = self._thread(self._deliver_on, self._max_events)
        try:
            conversation.begin(each, failed, completed)
            over.wait()
        except KeyboardInterrupt:
            conversation.life.dispose()
            if not conversation.join(_END_S):
                _log.warning("the conversation thread is still busy %g s after Ctrl-C", _END_S)
        finally:
            conversation.life.dispose()
        conversation.join(_END_S)
        if errors:
            raise errors[0]
        return last

    def iterate(self, *, max_events: int | None = None) -> Generator[T | Notice]:
        """Subscribe, and give each element to a ``for`` loop.

        ```python
        for event in rxv.live(conversation).iterate():
            print(event)
        ```

        The loop may take its time: meanwhile the conversation goes on, and its events wait. The
        loop ends with the pipe. When you leave it by ``break``, by an error or by Ctrl-C, which is
        raised, everything is disposed of: devices are closed and files are completed.

        Inside an asyncio app use ``rxv.aio.events``: while this loop waits, nothing is delivered on
        its thread.

        Args:
            max_events: how many elements may wait, 1 or more; beyond that some are dropped, as
                `live` says. None for the ``max_events`` of `live`.

        Raises:
            ConfigError: at once, if `live` was given ``deliver_on``: the loop gets the events.
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
        conversation = self._thread(None, most)
        inbox: Inbox[T | Notice] = Inbox(app_queue(most, conversation.life))
        try:
            conversation.begin(inbox.put, inbox.end, inbox.end)
            yield from inbox.elements()
        finally:
            conversation.life.dispose()
            conversation.join(_END_S)

    def __iter__(self) -> NoReturn:
        """Raise: RxPY would make an endless loop of it."""
        raise TypeError(
            "live(...) is an observable, not an iterable: loop over rxv.live(pipe).iterate()"
        )

    def _thread(
        self, deliver_on: abc.SchedulerBase | None, max_events: int
    ) -> ConversationThread[T]:
        return ConversationThread(self._observable, deliver_on, max_events, self._record)

    def _subscribe_core(
        self,
        observer: abc.ObserverBase[T | Notice],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        conversation = self._thread(self._deliver_on, self._max_events)
        conversation.begin(observer.on_next, observer.on_error, observer.on_completed)
        return conversation.life


def _observer(given: abc.ObserverBase[T] | abc.OnNext[T] | None) -> abc.ObserverBase[T]:
    """Make an observer of what `subscribe` takes as its first argument."""
    if callable(getattr(given, "on_next", None)):
        return cast("abc.ObserverBase[T]", given)
    if given is not None and not callable(given):
        raise ConfigError(f"run takes a function such as print, or an observer, got {given!r}")
    return Observer(given, _nothing)


def _nothing(*_: object) -> None:
    """Ignore an error: `run` raises it."""
