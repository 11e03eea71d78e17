"""A stage asks a model about one element at a time: `transcribe`, `respond`, `synthesize`."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeAlias, TypeVar

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
        work = start()
        clock = SubscriptionClock(outside(out.scheduler))
        told: Event | None = None  # the last notice of a thread that is stuck
        waiting: deque[T | Event] = deque()
        kept = Kept(out.life)
        current: T | Event | None = None  # the element that is worked on
        lock = Lock()
        failed: Turn | None = None
        busy = False
        looping = False
        ended = False

        def proceed() -> None:
            # One thread at a time, and never nested: a job that ends at once returns to this loop.
            nonlocal busy, looping, current
            with lock:
                if looping:
                    return
                looping = True
            while not out.life.is_disposed:
                with lock:
                    if busy or not waiting:
                        looping = False
                        finished = ended and not busy
                        break
                    element = waiting.popleft()
                    if failed is not None and getattr(element, "turn", None) is failed:
                        continue
                    busy = not isinstance(element, Event)
                    current = element
                try:
                    if isinstance(element, Event):
                        out.emit(element)
                    else:
                        work(element, Job(name, out, end, worker, errors, limits, clock))
                        kept.taken(element)
                except BaseException:  # from downstream; the stage must stay ready for more
                    busy = looping = False
                    raise
            else:
                return
            if finished:
                out.complete()

        def end(failed_turn: Turn | None, more: bool) -> None:
            nonlocal busy, failed, current
            with lock:
                busy = False
                failed = failed_turn or failed
                element, current = current, None
                if more and element is not None:
                    waiting.appendleft(element)
            proceed()

        def step(element: T | Event) -> None:
            nonlocal told
            if not isinstance(element, (takes, Event)):
                out.fail(misplaced((name, takes, made_by), element))
                return
            if element is told:  # a stage upstream has passed it on, too
                return
            if isinstance(element, Notice) and isinstance(element.detail, ModelThreadStuck):
                told = element
            kept.put(element)
            waiting.append(element)
            proceed()

        def tell(notice: Notice) -> None:
            if notice is not told:
                step(notice)

        thread = shared_thread(worker)
        if thread is not None:
            home = home_of(outside(out.scheduler))
            out.life.add(thread.follow(lambda _, notice: at(home, partial(tell, notice))))

        def flush() -> None:
            nonlocal ended
            ended = True
            proceed()

        return step, flush, None

    # An event waits for the elements before it.
    operator = stateful_on_events(begin)
    return StageOperator(operator, speaks=speaks, worker=worker, memory=memory)
