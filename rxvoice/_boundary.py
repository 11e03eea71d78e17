"""`Boundary`: the one door through which everything from outside comes into a conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice.slots import AudioSink
from rxvoice.turn import Turn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handled:
    """What is done with a model's answer.

    Args:
        take: called with each piece.
        end: called after the last piece.
        fail: called with the error in place of the end.
        life: where it is disposed of, nothing is to be done any more.
    """

    take: Callable[[Any], None]
    end: Callable[[], None]
    fail: Callable[[BaseException], None]
    life: CompositeDisposable | None = None


class Boundary(Protocol):
    """Records what comes from outside, or gives back what was recorded.

    Its methods are called on the conversation thread. Without a trace there is no boundary.
    """

    def now(self) -> float:
        """When the current action began, in seconds of ``time.monotonic()``."""
        ...

    def source(self, name: str, observer: abc.ObserverBase[T]) -> abc.ObserverBase[T] | None:
        """The observer for a source of sound to emit to; None if the source must not start."""
        ...

    def signal(self, name: str, observer: abc.ObserverBase[T]) -> abc.ObserverBase[T] | None:
        """The same for what the app or a sink says."""
        ...

    def ask(self, stage: str, turn: Turn, text: str | None, handled: Handled) -> Handled | None:
        """What is to be done with a model's answer; None if the model must not be asked.

        Args:
            text: the question, where it is a text.
        """
        ...

    def call(
        self, name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0
    ) -> T:
        """Call a part of the app, or give back what it said; it said `otherwise` most of the time.

        Args:
            sample_rate: Hz, of the sound that it gives; 0 if it gives none.

        Raises:
            BaseException: what the function raises, or raised.
        """
        ...

    def policy(self, function: Callable[[], T]) -> T:
        """Call a policy, which a replay does too; only what is not in place is given back.

        Raises:
            BaseException: what the function raises.
        """
        ...

    def sink(self, sink: AudioSink) -> AudioSink:
        """The sink, to be used in place of this one."""
        ...

    def sound(self, name: str, samples: Any, sample_rate: int) -> None:
        """Note samples that are of interest, and not needed for a replay."""
        ...


def boundary_of(scheduler: abc.SchedulerBase | None) -> Boundary | None:
    """The boundary of a scheduler that records or replays; None for any other."""
    return getattr(scheduler, "boundary", None)


def recorded(name: str, source: Observable[T]) -> Observable[T]:
    """The same source; with a boundary, what it emits is recorded, or comes from the trace."""

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        boundary = boundary_of(scheduler)
        given: abc.ObserverBase[T] | None = observer
        if boundary is not None:
            given = boundary.source(name, observer)
        if given is None:
            return Disposable()
        return source.subscribe(given, scheduler=outside(scheduler))

    return Observable(subscribe)


class Calling(Protocol):
    """Calls a part of the app; see `Boundary.call`."""

    def __call__(
        self, name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0
    ) -> T: ...


def calling(scheduler: abc.SchedulerBase | None) -> Calling:
    """How a subscription with this scheduler calls parts of the app."""
    boundary = boundary_of(scheduler)
    return _call if boundary is None else boundary.call


def _call(name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0) -> T:
    return function()


def outside(scheduler: Any) -> Any:
    """The scheduler for what happens outside the pipe, such as the steps of a model's answer.

    A replay repeats what the pipe schedules itself, and nothing of what happens outside.
    """
    return getattr(scheduler, "outside", scheduler)
