"""`Steps`: an answer whose steps a worker takes, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock, get_ident
from typing import Generic, Protocol, TypeVar

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._answers.limits import Watch
from rxvoice._answers.pauses import Flush, Waiting
from rxvoice._answers.pieces import close
from rxvoice._answers.stuck import doing, shared_thread

T = TypeVar("T")

ON_WAY = 2
"""How many pieces may be made on another thread before the first of them is taken."""


class Pulled(Protocol[T]):
    """An answer whose steps somebody has to take.

    Attributes:
        pause: the last piece, if it says that the next step must not follow at once.
    """

    pause: Flush | None

    def begin(self) -> Iterator[T] | None:
        """Ask the model; None if there are no steps to take, or its life is over."""
        ...

    def pull(self, pieces: Iterator[T], taken: Callable[[], None], /) -> bool:
        """Take a step, or close the answer if its life is over; returns whether to go on.

        Args:
            taken: called when the piece has been delivered, or never will be.
        """
        ...

    def wait(self, pause: Waiting, then: Callable[[], None], /) -> None:
        """Call `then`, on any thread, when the pause is over."""
        ...

    def fail(self, error: BaseException, /) -> None:
        """End the answer with an error."""
        ...


class Steps(Generic[T]):
    """Has a worker take an answer's steps, at most `ON_WAY` pieces ahead of delivery.

    Args:
        what: describes what the worker's thread is doing meanwhile.
    """

    def __init__(
        self,
        answer: Pulled[T],
        life: CompositeDisposable,
        worker: abc.SchedulerBase,
        watch: Watch,
        what: Callable[[], str],
    ) -> None:
        self._answer = answer
        self._life = life
        # A worker that holds steps back for room, and the one behind it, which does not.
        self._hold: Callable[[Callable[[abc.SchedulerBase], None]], object] | None
        self._hold = getattr(worker, "hold", None)
        self._behind = worker if self._hold is None else getattr(worker, "worker", worker)
        self._thread = shared_thread(worker)
        self._watch = watch
        self._what = what
        self._lock = Lock()
        self._on_way = 0
        self._between: Iterator[T] | None = None  # the pieces, between two steps
        self._held: Iterator[T] | None = None  # those whose step waits for `_room`, or for a pause
        self._room: int  # how many pieces may be on the way
        self._waits: bool  # for a pause
        self._given: object = None  # the last step, which the worker may hold back
        self._taken_up: bool  # the worker has begun with the last step

    def start(self) -> None:
        """Have the worker ask the model."""
        self._life.add(Disposable(self._end))
        self._hand_over(self._first)

    def _first(self, *_: object) -> None:
        self._taken_up = True
        thread = get_ident()
        doing[thread] = self._what
        try:
            if (pieces := self._answer.begin()) is not None:
                self._step(pieces)
        finally:
            doing.pop(thread, None)

    def _next(self, _: abc.SchedulerBase, pieces: Iterator[T] | None = None) -> None:
        assert pieces is not None
        self._taken_up = True
        with self._lock:
            self._between = None
        thread = get_ident()
        doing[thread] = self._what
        try:
            self._step(pieces)
        finally:
            doing.pop(thread, None)

    def _step(self, pieces: Iterator[T]) -> None:
        with self._lock:
            self._on_way += 1
        if not self._answer.pull(pieces, self._taken):
            return
        pause = self._answer.pause
        with self._lock:
            # Either this or `_end` sees it, and closes the answer before the worker's next action.
            over = self._life.is_disposed
            if not over:
                self._between = self._held = pieces
                self._room = ON_WAY if pause is None else 1
                self._waits = isinstance(pause, Waiting)
        if over:
            close(pieces)
        elif isinstance(pause, Waiting):
            self._answer.wait(pause, self._waited)
        else:
            self._go_on()

    def _taken(self) -> None:
        with self._lock:
            self._on_way -= 1
        self._go_on()

    def _waited(self) -> None:
        with self._lock:
            self._waits = False
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            pieces = self._held
            if pieces is None or self._waits or self._on_way >= self._room:
                return
            self._held = None
        self._hand_over(self._next, pieces)

    def _end(self) -> None:
        with self._lock:
            pieces, self._between, self._held = self._between, None, None
            given, self._given = self._given, None
        if isinstance(given, abc.DisposableBase):
            given.dispose()
        if pieces is not None:  # to be closed, for which nobody has to make room
            self._go(self._behind, self._next, pieces)

    def _hand_over(
        self, step: abc.ScheduledAction[Iterator[T]], pieces: Iterator[T] | None = None
    ) -> None:
        """Have the worker take a step, and time it from then on.

        A worker with a method `hold`, such as `paced`, may hold the step back; the time then counts
        from when the step goes on.
        """
        if self._hold is None:
            self._go(self._behind, step, pieces)
        else:
            self._given = self._hold(lambda worker: self._go(worker, step, pieces))

    def _go(
        self,
        worker: abc.SchedulerBase,
        step: abc.ScheduledAction[Iterator[T]],
        pieces: Iterator[T] | None,
    ) -> None:
        self._watch.asked()
        self._taken_up = False
        try:
            # The pieces are the state, so that a worker that shuts down can close them.
            worker.schedule(step, pieces)
        except Exception as error:
            if self._taken_up:  # here and now: it is the subscriber's
                raise
            # The worker takes no more: it was shut down, or its event loop is closed.
            close(pieces)
            self._answer.fail(error)
        else:
            self._watch.arm()
            # After `asked`: a thread that gets stuck is noticed by its listener, or here.
            if self._thread is not None and (stuck := self._thread.stuck) is not None:
                self._watch.expire(stuck)
