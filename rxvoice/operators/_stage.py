"""What `transcribe`, `respond` and `synthesize` share: a model asked, one element at a time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Generic, Literal, TypeAlias, TypeVar

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.clock import SubscriptionClock, at, home_of
from rxvoice._answers.deliver import deliver
from rxvoice._answers.limits import TimeLimits, Watch, limits
from rxvoice._answers.stuck import expire_when_stuck, shared_thread
from rxvoice._check import check_worker
from rxvoice._threads.kept import Kept
from rxvoice.errors import ConfigError, ModelThreadStuck
from rxvoice.events import Event, Notice, TurnFailed
from rxvoice.operators._stage_operator import Memory, StageOperator
from rxvoice.operators.kernel import (
    Handlers,
    Subscription,
    misplaced,
    stateful_on_events,
)
from rxvoice.slots import Answer
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn, turn_name

__all__ = ["Errors", "Job", "Work", "check_errors", "limits", "stage"]

T = TypeVar("T")
U = TypeVar("U")
P = TypeVar("P")
Q = TypeVar("Q")

Errors: TypeAlias = Literal["event", "raise"]

_log = logging.getLogger("rxvoice")

_NO_HOME = (
    "%s() has a worker, and was subscribed to without a scheduler: what the model gives arrives on "
    "the worker's thread, and a program that ends does not wait for it. Use rxv.live(pipe).run(), "
    "or subscribe(..., scheduler=...) and wait for the end"
)


class Job(Generic[U]):
    """The work on one element; ends by `done` or `fail`, and with the subscription."""

    __slots__ = (
        "_clock",
        "_end",
        "_errors",
        "_limits",
        "_name",
        "_out",
        "_turn",
        "_watch",
        "_worker",
        "emit",
        "life",
        "more",
    )

    def __init__(
        self,
        name: str,
        out: Subscription[U | Event],
        end: Callable[[Turn | None, bool], None],
        worker: abc.SchedulerBase | None,
        errors: Errors,
        limits: TimeLimits,
        clock: SubscriptionClock,
    ) -> None:
        self._name = name
        self._out = out
        self._end = end
        self._worker = worker
        self._errors = errors
        self._limits = limits
        self._clock = clock
        self._turn: Turn | None = None
        self._watch: Watch | None = None
        self.emit: Callable[[U], None] = out.emit
        self.life = CompositeDisposable()
        self.more = False
        """Whether the work is to be called with the element again, after this part of it."""
        out.life.add(self.life)

    def ask(
        self,
        turn: Turn,
        call: Callable[[], Answer[Q | Notice]],
        take: Callable[[Q], P],
        on_piece: Callable[[P], None],
        on_end: Callable[[], None],
    ) -> None:
        """Ask the model for `turn`; an error of its own fails the turn, and so does its silence.

        Args:
            take: gives a piece as it is to be, or raises where it is none; on the thread that made
                the piece.
        """

        def take_any(piece: Q | Notice) -> P | Notice:
            if isinstance(piece, Notice):
                return replace(piece, turn=turn, stage=self._name)
            return take(piece)

        def taken(piece: P | Notice) -> None:
            if isinstance(piece, Notice):
                self._downstream(lambda: self._out.emit(piece))
            else:
                self._downstream(lambda: on_piece(piece))

        deliver(
            call,
            taken,
            lambda: self._downstream(on_end),
            lambda error: self.fail(turn, error),
            life=self.life,
            worker=self._worker,
            scheduler=self._out.scheduler,
            watch=self._watch or self._watched(turn),
            what=self._what,
            convert=take_any,
        )

    def _watched(self, turn: Turn) -> Watch:
        """One watch for all that is asked in this job."""
        self._turn = turn
        self._watch = watch = Watch(
            self._limits, self._clock, self.life, lambda error: self.fail(turn, error)
        )
        if self._worker is not None:
            expire_when_stuck(watch, self._worker, home_of(self._out.scheduler), self.life)
        return watch

    def _what(self) -> str:
        return self._name if self._turn is None else f"{self._name} (turn {turn_name(self._turn)})"

    def done(self) -> None:
        """The element has been dealt with, or with `more` a part of it: on to the next."""
        self._finish(None)

    def drop(self, event: Event) -> None:
        """Nothing comes of the element but this: on to the next."""
        self._downstream(lambda: self._out.emit(event))
        self._finish(None)

    def fail(self, turn: Turn, cause: BaseException) -> None:
        """The turn has failed: say so and go on with the next element, or end the stream."""
        error = cause if isinstance(cause, StageError) else StageError(self._name, turn, cause)
        if self._errors == "raise":
            self._out.fail(error)
        else:
            self._downstream(lambda: self._out.emit(TurnFailed(turn, error)))
            self._finish(turn)

    def _downstream(self, action: Callable[[], None]) -> None:
        """What a subscriber raises goes on to the producer, and must not make the stage deaf."""
        try:
            action()
        except BaseException:
            self._finish(None)
            raise

    def _finish(self, failed: Turn | None) -> None:
        self._out.life.remove(self.life)
        self._end(failed, self.more)


Work: TypeAlias = Callable[[T, Job[U]], None]


def check_errors(name: str, errors: str) -> None:
    """Raise unless `errors` is one of the two ways to report a failed turn."""
    if errors not in ("event", "raise"):
        raise ConfigError(f'{name} errors must be "event" or "raise", got {errors!r}')


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
    """An operator that works on its elements one at a time, in order, and waits for each.

    What is left of a turn that has failed in it is skipped. A worker's thread that gets stuck is
    told by a `Notice`, and so is that it goes on; by the first of several stages that have it.

    Args:
        start: called once per subscription; gives the function that works on an element.
        takes: what it works on; anything else, but an `Event`, ends it with a `ConfigError`.
        made_by: the operator that makes those.
        speaks: as `StageOperator` has it.
        memory: likewise.
    """
    check_errors(name, errors)
    check_worker(name, worker)
    warned = False  # once for each operator, however often it is subscribed to

    def begin(out: Subscription[U | Event]) -> Handlers[T | Event]:
        nonlocal warned
        if worker is not None and out.scheduler is None and not warned:
            warned = True
            _log.warning(_NO_HOME, name)
        work = start()
        clock = SubscriptionClock(out.scheduler)
        told: Event | None = None  # of a thread that is stuck
        waiting: deque[T | Event] = deque()
        kept = Kept(out.life)
        current: T | Event | None = None  # what is being worked on
        lock = Lock()
        failed: Turn | None = None
        busy = False
        looping = False
        ended = False

        def proceed() -> None:
            # One thread at a time, and never nested: a job that ends at once comes back to here.
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
                except BaseException:  # from downstream: not ours to handle, nor to go deaf by
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
            if element is told:  # by a stage upstream, too
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
            home = home_of(out.scheduler)
            out.life.add(thread.follow(lambda _, notice: at(home, partial(tell, notice))))

        def flush() -> None:
            nonlocal ended
            ended = True
            proceed()

        return step, flush, None

    # An event waits for the elements before it.
    operator = stateful_on_events(begin)
    return StageOperator(operator, speaks=speaks, worker=worker, memory=memory)
