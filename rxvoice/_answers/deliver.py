"""A model's answer, whatever shape it has, delivered piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import VirtualTimeScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice._answers.clock import Clock, at, home_of, place_of
from rxvoice._answers.guarded import Guarded
from rxvoice._answers.limits import Limits, Watch
from rxvoice._answers.pauses import Flush, Waiting
from rxvoice._answers.pieces import close, pieces_of, raise_if_ctrl_c
from rxvoice._answers.steps import Steps
from rxvoice._answers.stuck import expire_when_stuck
from rxvoice._answers.tasks import follow_async
from rxvoice._threads.async_loop import running_loop
from rxvoice.slots import Answer

__all__ = ["deliver", "outwards"]

T = TypeVar("T")
P = TypeVar("P")


def _as_it_is(piece: Any) -> Any:
    return piece


_NO_LIMITS = Limits()


def deliver(
    ask: Callable[[], Answer[T]],
    on_piece: Callable[[P], None],
    on_end: Callable[[], None],
    on_error: Callable[[BaseException], None],
    *,
    life: CompositeDisposable,
    worker: abc.SchedulerBase | None,
    scheduler: abc.SchedulerBase | None,
    take: Callable[[T], P] = _as_it_is,
    watch: Watch | None = None,
    what: Callable[[], str] | None = None,
) -> None:
    """Ask, and deliver the answer: each piece, then its end or its error.

    A str, an array (anything with a ``shape``), a mapping and whatever else is no container of
    pieces (`_shapes.is_whole`), or cannot be iterated, is one piece.
    Once `life` is disposed no piece is delivered and no further step is taken: the generator is
    closed on the thread that ran it. What the handlers raise is raised on. Whatever the model
    raises is its error, a ``SystemExit`` too; a Ctrl-C on the main thread is raised on as well.

    A `Flush` among the pieces is followed by the next step once what was made has been taken; a
    `Waiting` once it is over as well, and no thread waits for that where there is a way back to it.

    An async answer is a task of an event loop that outlives it, see `rxvoice._answers.loops`; it
    is cancelled at once when `life` is disposed. Where its pieces can be delivered by another
    thread they are, and nobody waits; else this thread waits for all of it.

    Args:
        worker: where to ask and to take each step; None for here and now.
        scheduler: where to deliver what came from a worker, or from the loop of an async answer;
            None for the worker's own thread, and so for ``NewThreadScheduler``
            (``Observable.run`` brings it), which has none to come back to.
        take: gives a piece as it is to be delivered, or raises where it is none: on the thread that
            made it, to which an array that is still to be evaluated belongs.
        watch: counts how long it takes; None for no limits.
        what: says what this is, for whoever finds the worker stuck in it.
    """
    if watch is None:
        watch = Watch(_NO_LIMITS, Clock(scheduler), life, on_error)
        expire_when_stuck(watch, worker, home_of(scheduler), life)
    answer = _Answer(ask, take, on_piece, on_end, on_error, life, worker, scheduler, watch)
    if worker is None:
        answer.run()
    else:
        Steps(answer, life, worker, watch, what or _a_model).start()


class _Answer(Generic[T, P]):
    """One answer on its way."""

    __slots__ = (
        "_ask",
        "_check",
        "_home",
        "_life",
        "_on_end",
        "_on_error",
        "_on_piece",
        "_scheduler",
        "_watch",
        "_worker",
        "pause",
    )

    def __init__(
        self,
        ask: Callable[[], Answer[T]],
        check: Callable[[T], P],
        on_piece: Callable[[P], None],
        on_end: Callable[[], None],
        on_error: Callable[[BaseException], None],
        life: CompositeDisposable,
        worker: abc.SchedulerBase | None,
        scheduler: abc.SchedulerBase | None,
        watch: Watch,
    ) -> None:
        self._ask = ask
        self._check = check
        self._on_piece = on_piece
        self._on_end = on_end
        self._on_error = on_error
        self._life = life
        self._worker = worker
        self._scheduler = scheduler
        self._home = None if worker is None else home_of(scheduler)
        self._watch = watch
        self.pause: Flush | None = None

    # Its steps are taken, here or on the worker

    def run(self) -> None:
        """Take all of them, here and now."""
        self._watch.asked()
        pieces = self.begin()
        if pieces is not None:
            self._go_on(pieces)

    def _go_on(self, pieces: Iterator[P]) -> None:
        while self.pull(pieces):
            if isinstance(self.pause, Waiting) and self._leaves(pieces, self.pause):
                return
            self._watch.asked()

    def _leaves(self, pieces: Iterator[P], pause: Waiting) -> bool:
        """Leave this thread until the pause is over, where there is a way back to it."""
        place = place_of(self._scheduler)
        if place is None and (loop := running_loop()) is not None:
            place = AsyncIOThreadSafeScheduler(loop)
        if place is None and not isinstance(self._scheduler, VirtualTimeScheduler):
            return False  # the next step waits
        lock, left = Lock(), [pieces]

        def take() -> Iterator[P] | None:
            with lock:
                return left.pop() if left else None

        def go_on() -> None:
            if (mine := take()) is not None:
                self._life.remove(closing)
                self._watch.asked()
                self._go_on(mine)

        closing = Disposable(lambda: close(take()))
        self._life.add(closing)
        self.wait(pause, partial(at, place, go_on))
        return True

    def begin(self) -> Iterator[P] | None:
        """Ask; None where the pieces come by themselves, or none will."""
        if self._life.is_disposed:
            return None
        try:
            answer = self._ask()
            observable = isinstance(answer, Observable)
            pieces = None if observable else pieces_of(answer, self._check)
        except BaseException as error:
            self.fail(error)
            return None
        if observable:
            self._follow(cast("Observable[T]", answer))
        elif isinstance(pieces, Iterator):
            return pieces
        elif pieces is not None:
            # The worker, as a place, is for those who have no other.
            place = place_of(self._scheduler) or place_of(self._worker)
            follow_async(
                pieces,
                cast("object", answer),
                self,
                life=self._life,
                watch=self._watch,
                scheduler=self._scheduler,
                place=place,
            )
        return None

    def pull(self, pieces: Iterator[P], taken: Callable[[], None] | None = None) -> bool:
        """Take one step; whether there may be more."""
        if self._life.is_disposed:
            close(pieces)
            return False
        try:
            piece = next(pieces)
        except StopIteration:
            if self._watch.came():
                self._hand_over(self._on_end)
            return False
        except BaseException as error:
            self.fail(error)
            return False
        if not self._watch.came():
            close(pieces)
            return False
        self.pause = piece if isinstance(piece, Flush) else None
        try:
            if self._home is not None:
                self._hand_over(lambda: self._on_piece(piece), taken)
                return True
            if not self._life.is_disposed:
                self._on_piece(piece)
            if taken is not None:
                taken()
        except BaseException:  # from downstream: not ours to handle
            close(pieces)
            raise
        return True

    def wait(self, pause: Waiting, then: Callable[[], None]) -> None:
        """Do something, on any thread, when what is waited for is over."""
        waiting = CompositeDisposable()

        def over(_: Exception | None = None) -> None:
            self._life.remove(waiting)
            if self._watch.came():
                then()

        self._life.add(waiting)
        if self._life.is_disposed:
            return
        self._watch.asked(away=True)
        where = place_of(self._scheduler) or self._worker or self._scheduler
        waiting.add(pause.until.subscribe(on_error=over, on_completed=over, scheduler=where))
        self._watch.arm()

    def fail(self, error: BaseException) -> None:
        """The model has raised this."""
        if self._watch.came(raised=True):
            self._hand_over(lambda: self._on_error(error))
        raise_if_ctrl_c(error)

    def _hand_over(
        self, action: Callable[[], None], taken: Callable[[], None] | None = None
    ) -> None:
        def run(*_: object) -> None:
            try:
                if not self._life.is_disposed:
                    action()
            finally:
                if taken is not None:
                    taken()

        if self._home is None:
            run()
        else:
            self._home.schedule(run)

    # It comes by itself, on the thread on which it is to be delivered

    def take(self, piece: P) -> None:
        """Deliver a piece."""
        if not self._life.is_disposed:
            self._on_piece(piece)

    def end(self) -> None:
        """Deliver the end."""
        if not self._life.is_disposed:
            self._on_end()

    def stop(self, error: BaseException) -> None:
        """Deliver the error."""
        if not self._life.is_disposed:
            self._on_error(error)

    def _follow(self, answer: Observable[T]) -> None:
        escaped: BaseException | None = None

        def outward(action: Callable[[], None]) -> None:
            nonlocal escaped
            try:
                action()
            except BaseException as error:  # from downstream: not the observable's own
                escaped = error
                raise

        following = CompositeDisposable()
        self._life.add(following)

        def on_next(given: T) -> None:
            try:
                piece = self._check(given)
            except BaseException as error:
                following.dispose()
                on_error(error)
                return
            if self._watch.came():
                self._watch.asked()
                outward(lambda: self._hand_over(lambda: self._on_piece(piece)))

        def on_error(error: BaseException) -> None:
            if error is escaped:
                raise error
            outward(lambda: self.fail(error))

        def on_completed() -> None:
            if self._watch.came():
                outward(lambda: self._hand_over(self._on_end))

        where = self._scheduler if self._worker is None else self._worker
        guarded = None if where is None else Guarded(where, on_error)
        try:
            following.add(answer.subscribe(on_next, on_error, on_completed, scheduler=guarded))
        except BaseException as error:
            on_error(error)
        self._watch.arm()


def _a_model() -> str:
    return "a model"


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
