"""The work of a stage on one element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Literal, TypeAlias, TypeVar

from reactivex import abc

from rxvoice._answers.clock import SubscriptionClock, home_of, time_of
from rxvoice._answers.deliver import deliver
from rxvoice._answers.limits import TimeLimits, Watch
from rxvoice._answers.stuck import expire_when_stuck
from rxvoice._boundary import Handled, boundary_of, outside
from rxvoice._threads.life import Life
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Notice, TurnFailed
from rxvoice.operators.kernel import Subscription
from rxvoice.slots import Answer
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn, turn_name

U = TypeVar("U")
P = TypeVar("P")
Q = TypeVar("Q")

Errors: TypeAlias = Literal["event", "raise"]
"""How a failed turn is reported: by a `TurnFailed`, or by the end of the stream."""


def check_errors(name: str, errors: str) -> None:
    """Raise unless `errors` is one of the two ways to report a failed turn."""
    if errors not in ("event", "raise"):
        raise ConfigError(f'{name} errors must be "event" or "raise", got {errors!r}')


class Job(Generic[U]):
    """The work on one element. It ends by `done`, `drop` or `fail`, or with the subscription."""

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
        self._turn: Turn  # that the model is asked about
        self._watch: Watch | None = None
        self.emit: Callable[[U], None] = out.emit
        self.life = Life()
        self.more = False
        """Whether this was only a part: the work is called with the same element again."""
        out.life.add(self.life)

    def now(self) -> float:
        """The time of the conversation, in seconds."""
        return time_of(self._out.scheduler)()

    def ask(
        self,
        turn: Turn,
        call: Callable[[], Answer[Q | Notice]],
        take: Callable[[Q], P],
        on_piece: Callable[[P], None],
        on_end: Callable[[], None],
        text: str | None = None,
    ) -> None:
        """Ask the model. The turn fails if the model raises, or is silent for too long.

        Args:
            turn: the turn that is asked about.
            call: asks the model.
            take: converts a piece, or raises if it is not one. Runs on the thread that made it.
            on_piece: called with each piece.
            on_end: called after the last piece.
            text: the question, where it is a text; for a trace.
        """

        def take_any(piece: Q | Notice) -> P | Notice:
            return piece if isinstance(piece, Notice) else take(piece)

        def taken(piece: P | Notice) -> None:
            if isinstance(piece, Notice):
                notice = replace(piece, turn=turn, stage=self._name)
                self._downstream(lambda: self._out.emit(notice))
            else:
                self._downstream(lambda: on_piece(piece))

        def failed(error: BaseException) -> None:
            self.fail(turn, error)

        handled = Handled(taken, lambda: self._downstream(on_end), failed, self.life)
        boundary = boundary_of(self._out.scheduler)
        if boundary is not None:
            recorded = boundary.ask(self._name, turn, text, handled)
            if recorded is None:
                return
            handled = recorded
        watch = self._watch or self._watched(turn, handled.fail)
        watch.tell(handled.fail)
        deliver(
            call,
            handled.take,
            handled.end,
            handled.fail,
            life=self.life,
            worker=self._worker,
            scheduler=outside(self._out.scheduler),
            watch=watch,
            what=self._what,
            convert=take_any,
        )

    def _watched(self, turn: Turn, fail: Callable[[BaseException], None]) -> Watch:
        """Begin the watch over the model's time; one for all that is asked in this job."""
        self._turn = turn
        self._watch = watch = Watch(self._limits, self._clock, self.life, fail)
        self.life.add(watch)
        if self._worker is not None:
            expire_when_stuck(watch, self._worker, home_of(outside(self._out.scheduler)), self.life)
        return watch

    def _what(self) -> str:
        return f"{self._name} (turn {turn_name(self._turn)})"

    def done(self) -> None:
        """The work on the element is done; with `more`, a part of it."""
        self._finish(None)

    def drop(self, event: Event) -> None:
        """Emit this event in place of a result, and end the work."""
        self._downstream(lambda: self._out.emit(event))
        self._finish(None)

    def fail(self, turn: Turn, cause: BaseException) -> None:
        """The turn has failed: emit it and go on with the next element, or end the stream."""
        error = cause if isinstance(cause, StageError) else StageError(self._name, turn, cause)
        if self._errors == "raise":
            self._out.fail(error)
        else:
            self._downstream(lambda: self._out.emit(TurnFailed(turn, error)))
            self._finish(turn)

    def _downstream(self, action: Callable[[], None]) -> None:
        """Emit something. If a subscriber raises, end this job, and let the producer know."""
        try:
            action()
        except BaseException:
            self._finish(None)
            raise

    def _finish(self, failed: Turn | None) -> None:
        # If downstream raises at what follows, this is called again: the element was dealt with.
        more, self.more = self.more, False
        self._out.life.remove(self.life)
        self._end(failed, more)
