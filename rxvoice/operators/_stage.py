"""A stage asks a model about one element at a time: `transcribe`, `respond`, `synthesize`."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from reactivex import abc

from rxvoice._answers.clock import SubscriptionClock, at, home_of
from rxvoice._answers.limits import TimeLimits
from rxvoice._answers.stuck import shared_thread
from rxvoice._boundary import outside
from rxvoice._check import check_worker
from rxvoice._threads.kept import Kept
from rxvoice.errors import ModelThreadStuck
from rxvoice.events import Event, Notice
from rxvoice.operators._job import Errors, Job, check_errors
from rxvoice.operators._stage_operator import Memory, StageOperator
from rxvoice.operators.kernel import Handlers, Subscription, misplaced, stateful_on_events
from rxvoice.turn import Turn

T = TypeVar("T")
U = TypeVar("U")

Work: TypeAlias = Callable[[T, Job[U]], None]
"""Works on an element, and ends the job."""

_log = logging.getLogger("rxvoice")

_NO_HOME = (
    "%s() has a worker, and was subscribed to without a scheduler: what the model gives arrives on "
    "the worker's thread, and a program that ends does not wait for it. Use rxv.live(pipe).run(), "
    "or subscribe(..., scheduler=...) and wait for the end"
)


def stage(
    name: str,
    start: Callable[[], Work[T, U]],
    *,
    takes: type[T],
    made_by: str,
    worker: abc.SchedulerBase | None,
    errors: Errors,
    limits: TimeLimits,
    speaks: bool | None = None,
    memory: Memory | None = None,
) -> StageOperator[T | Event, U | Event]:
    """Make an operator that works on one element at a time, in order.

    After a turn has failed, its remaining elements are skipped. If the worker's thread gets stuck,
    a `Notice` says so, and another one says that it goes on. If several stages have the same
    worker, the first one emits them.

    Args:
        name: the name of the operator.
        start: called once per subscription; gives the function that works on an element.
        takes: the type of the elements. Any other type but `Event` ends it with a `ConfigError`.
        made_by: the operator that makes such elements.
        worker: the scheduler on which the model is asked.
        errors: how a failed turn is reported.
        limits: how long the model may take.
        speaks: see `StageOperator`.
        memory: see `StageOperator`.
    """
    check_errors(name, errors)
    check_worker(name, worker)
    warned = False  # once for each operator, not for each subscription

    def begin(out: Subscription[U | Event]) -> Handlers[T | Event]:
        nonlocal warned
        if worker is not None and out.scheduler is None and not warned:
            warned = True
            _log.warning(_NO_HOME, name)
        clock = SubscriptionClock(outside(out.scheduler))

        def job(end: Callable[[Turn | None, bool], None]) -> Job[U]:
            return Job(name, out, end, worker, errors, limits, clock)

        line = _Line(out, (name, takes, made_by), start(), job)
        thread = shared_thread(worker)
        if thread is not None:
            home = home_of(outside(out.scheduler))
            out.life.add(thread.follow(lambda _, notice: at(home, partial(line.tell, notice))))
        return line.step, line.flush, None

    # An event waits for the elements before it.
    operator = stateful_on_events(begin)
    return StageOperator(operator, speaks=speaks, worker=worker, memory=memory)


class _Line(Generic[T, U]):
    """The elements of one subscription. Their work is done one at a time, in order.

    It is a class, since closures that call each other are a cycle: garbage of each turn that is not
    freed at once.
    """

    __slots__ = (
        "_busy",
        "_ended",
        "_failed",
        "_job",
        "_kept",
        "_lock",
        "_looping",
        "_out",
        "_takes",
        "_told",
        "_waiting",
        "_work",
    )

    def __init__(
        self,
        out: Subscription[U | Event],
        takes: tuple[str, type[T], str],
        work: Work[T, U],
        job: Callable[[Callable[[Turn | None, bool], None]], Job[U]],
    ) -> None:
        self._out = out
        self._takes = takes
        self._work = work
        self._job = job
        self._told: Event | None = None  # the last notice of a thread that is stuck
        self._waiting: deque[T | Event] = deque()
        self._kept = Kept(out.life)
        self._lock = Lock()
        self._failed: Turn | None = None
        self._busy = self._looping = self._ended = False

    def step(self, element: T | Event) -> None:
        """Take the next element."""
        if not isinstance(element, (self._takes[1], Event)):
            self._out.fail(misplaced(self._takes, element))
            return
        if element is self._told:  # a stage upstream has passed it on, too
            return
        if isinstance(element, Notice) and isinstance(element.detail, ModelThreadStuck):
            self._told = element
        self._kept.put(element)
        self._waiting.append(element)
        self._proceed()

    def tell(self, notice: Notice) -> None:
        """Pass on a notice of the worker's thread."""
        if notice is not self._told:
            self.step(notice)

    def flush(self) -> None:
        """No more elements come."""
        self._ended = True
        self._proceed()

    def _proceed(self) -> None:
        # One thread at a time, and never nested: a job that ends at once returns to this loop.
        out = self._out
        with self._lock:
            if self._looping:
                return
            self._looping = True
        while not out.life.is_disposed:
            with self._lock:
                if self._busy or not self._waiting:
                    self._looping = False
                    finished = self._ended and not self._busy
                    break
                element = self._waiting.popleft()
                if self._failed is not None and getattr(element, "turn", None) is self._failed:
                    continue
                self._busy = not isinstance(element, Event)
            try:
                if isinstance(element, Event):
                    out.emit(element)
                else:
                    self._work(element, self._job(partial(self._end, element)))
                    self._kept.taken(element)
            except BaseException:  # from downstream; the stage must stay ready for more
                self._busy = self._looping = False
                raise
        else:
            return
        if finished:
            out.complete()

    def _end(self, element: T, failed: Turn | None, more: bool) -> None:
        """The job of an element is over, or with `more` a part of it."""
        with self._lock:
            self._busy = False
            self._failed = failed or self._failed
            if more:
                self._waiting.appendleft(element)
        self._proceed()
