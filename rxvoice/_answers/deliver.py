"""`deliver`: asks a model, and delivers its answer piece by piece, whatever its shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import VirtualTimeScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice._answers.clock import SubscriptionClock, at, home_of, place_of
from rxvoice._answers.limits import TimeLimits, Watch
from rxvoice._answers.observables import Guarded, Outward, closing
from rxvoice._answers.pauses import Flush, Waiting
from rxvoice._answers.pieces import close, pieces_of, raise_if_ctrl_c
from rxvoice._answers.steps import Steps
from rxvoice._answers.stuck import expire_when_stuck
from rxvoice._answers.tasks import follow_async
from rxvoice._threads.async_loop import running_loop
from rxvoice.slots import Answer

T = TypeVar("T")
P = TypeVar("P")

_NO_LIMITS = TimeLimits()


def _as_it_is(piece: Any) -> Any:
    return piece


def _a_model() -> str:
    return "a model"


def deliver(
    ask: Callable[[], Answer[T]],
    on_piece: Callable[[P], None],
    on_end: Callable[[], None],
    on_error: Callable[[BaseException], None],
    *,
    life: CompositeDisposable,
    worker: abc.SchedulerBase | None,
    scheduler: abc.SchedulerBase | None,
    convert: Callable[[T], P] = _as_it_is,
    watch: Watch | None = None,
    what: Callable[[], str] = _a_model,
) -> None:
    """Ask a model, and deliver its answer: each piece, then the end or the error.

    An answer is one piece if `_answers.shapes.is_whole` says so, as it does of a str, an array or a
    mapping, or if it cannot be iterated. Otherwise its elements are the pieces.

    Disposing of `life` ends the answer: no piece is delivered, no step is taken, and a generator is
    closed on the thread that ran it. What the handlers raise is raised on. Whatever the model
    raises is its error, also a ``SystemExit``; a Ctrl-C on the main thread is raised on as well.

    After a `Flush` among the pieces, the next step is taken when the pieces before it have been
    taken. After a `Waiting`, it is taken when the wait is over as well. No thread is blocked for
    that if `scheduler` gives a way back to it.

    An async answer is a task of an event loop that outlives it (see `_threads.async_loop`).
    Disposing of `life` cancels it at once. Another thread delivers its pieces where one can;
    otherwise this thread waits for the whole answer.

    Args:
        worker: where to ask and to take each step; None for here and now.
        scheduler: where to deliver what comes from a worker, or from the loop of an async answer.
            None for the worker's own thread. A ``NewThreadScheduler``, which ``Observable.run``
            brings, counts as None: it has no thread to come back to.
        convert: makes of a piece what is delivered, or raises if it cannot. It runs on the thread
            that made the piece, where an array that is not evaluated yet belongs.
        watch: measures how long the model takes; None for no limits.
        what: describes the work, for the message of a worker that is stuck in it.
    """
    if watch is None:
        watch = Watch(_NO_LIMITS, SubscriptionClock(scheduler), life, on_error)
        expire_when_stuck(watch, worker, home_of(scheduler), life)
    home = None if worker is None else home_of(scheduler)
    answer = _Answering(
        ask, convert, on_piece, on_end, on_error, life, worker, scheduler, home, watch
    )
    if worker is None:
        answer.run()
    else:
        Steps(answer, life, worker, watch, what).start()


@dataclass(slots=True, eq=False)
class _Answering(Generic[T, P]):
    """One answer on its way from the model to the handlers."""

    ask: Callable[[], Answer[T]]
    convert: Callable[[T], P]
    on_piece: Callable[[P], None]
    on_end: Callable[[], None]
    on_error: Callable[[BaseException], None]
    life: CompositeDisposable
    worker: abc.SchedulerBase | None
    scheduler: abc.SchedulerBase | None
    home: abc.SchedulerBase | None
    watch: Watch
    pause: Flush | None = None

    # For an answer in steps, which are taken here or on the worker

    def run(self) -> None:
        """Take all steps, here and now."""
        self.watch.asked()
        pieces = self.begin()
        if pieces is not None:
            self._go_on(pieces)

    def _go_on(self, pieces: Iterator[P]) -> None:
        while self.pull(pieces):
            if isinstance(self.pause, Waiting) and self._leaves(pieces, self.pause):
                return
            self.watch.asked()

    def _leaves(self, pieces: Iterator[P], pause: Waiting) -> bool:
        """Free this thread until the pause is over, if there is a way back to it."""
        place = place_of(self.scheduler)
        if place is None and (loop := running_loop()) is not None:
            place = AsyncIOThreadSafeScheduler(loop)
        if place is None and not isinstance(self.scheduler, VirtualTimeScheduler):
            return False  # the next step waits
        lock, left = Lock(), [pieces]

        def take() -> Iterator[P] | None:
            with lock:
                return left.pop() if left else None

        def go_on() -> None:
            if (mine := take()) is not None:
                self.life.remove(closing)
                self.watch.asked()
                self._go_on(mine)

        closing = Disposable(lambda: close(take()))
        self.life.add(closing)
        self.wait(pause, partial(at, place, go_on))
        return True

    def begin(self) -> Iterator[P] | None:
        """Ask the model; returns the steps to take.

        None if there are none: the pieces come by themselves, or the model raised.
        """
        if self.life.is_disposed:
            return None
        try:
            answer = self.ask()
            observable = isinstance(answer, Observable)
            pieces = None if observable else pieces_of(answer, self.convert)
        except BaseException as error:
            self.fail(error)
            return None
        if observable:
            self._follow(cast("Observable[T]", answer))
        elif isinstance(pieces, Iterator):
            return pieces
        elif pieces is not None:
            # The worker delivers only if nobody else can.
            place = place_of(self.scheduler) or place_of(self.worker)
            follow_async(
                pieces,
                cast("object", answer),
                self,
                life=self.life,
                watch=self.watch,
                scheduler=self.scheduler,
                place=place,
            )
        return None

    def pull(self, pieces: Iterator[P], taken: Callable[[], None] | None = None) -> bool:
        """Take one step; returns whether there may be more."""
        if self.life.is_disposed:
            close(pieces)
            return False
        try:
            piece = next(pieces)
        except StopIteration:
            if self.watch.came():
                self._hand_over(self.on_end)
            return False
        except BaseException as error:
            self.fail(error)
            return False
        if not self.watch.came():
            close(pieces)
            return False
        self.pause = piece if isinstance(piece, Flush) else None
        try:
            if self.home is not None:
                self._hand_over(lambda: self.on_piece(piece), taken)
                return True
            if not self.life.is_disposed:
                self.on_piece(piece)
            if taken is not None:
                taken()
        except BaseException:  # from downstream: raised on
            close(pieces)
            raise
        return True

    def wait(self, pause: Waiting, then: Callable[[], None]) -> None:
        """Call `then`, on any thread, when the pause is over."""
        waiting = CompositeDisposable()

        def over(_: Exception | None = None) -> None:
            self.life.remove(waiting)
            if self.watch.came():
                then()

        self.life.add(waiting)
        if self.life.is_disposed:
            return
        self.watch.asked(away=True)
        where = place_of(self.scheduler) or self.worker or self.scheduler
        waiting.add(pause.until.subscribe(on_error=over, on_completed=over, scheduler=where))
        self.watch.arm()

    def fail(self, error: BaseException) -> None:
        """Deliver what the model raised."""
        if self.watch.came(raised=True):
            self._hand_over(lambda: self.on_error(error))
        raise_if_ctrl_c(error)

    def _hand_over(
        self, action: Callable[[], None], taken: Callable[[], None] | None = None
    ) -> None:
        def run(*_: object) -> None:
            try:
                if not self.life.is_disposed:
                    action()
            finally:
                if taken is not None:
                    taken()

        if self.home is None:
            run()
        else:
            self.home.schedule(run)

    # For an async answer, which comes by itself on the thread that delivers it

    def take(self, piece: P) -> None:
        """Deliver a piece."""
        if not self.life.is_disposed:
            self.on_piece(piece)

    def end(self) -> None:
        """Deliver the end."""
        if not self.life.is_disposed:
            self.on_end()

    def stop(self, error: BaseException) -> None:
        """Deliver the error."""
        if not self.life.is_disposed:
            self.on_error(error)

    # For an observable

    def _follow(self, answer: Observable[T]) -> None:
        outward = Outward()
        following = CompositeDisposable()
        self.life.add(following)

        def on_next(given: T) -> None:
            try:
                piece = self.convert(given)
            except BaseException as error:
                following.dispose()
                on_error(error)
                return
            if self.watch.came():
                self.watch.asked()
                outward.call(self._hand_over, lambda: self.on_piece(piece))

        def on_error(error: BaseException) -> None:
            outward.own(error)
            outward.call(self.fail, error)

        def on_completed() -> None:
            if self.watch.came():
                outward.call(self._hand_over, self.on_end)

        where = self.scheduler if self.worker is None else self.worker
        guarded = None if where is None else Guarded(where, on_error)
        try:
            told = answer.subscribe(on_next, on_error, on_completed, scheduler=guarded)
            following.add(closing(told))
        except BaseException as error:
            on_error(error)
        self.watch.arm()
