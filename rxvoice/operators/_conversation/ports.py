"""The ways in and out of one subscription of `converse`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable
from reactivex.observer import Observer
from reactivex.scheduler import (
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
    TrampolineScheduler,
)

from rxvoice._answers.clock import at
from rxvoice._answers.pieces import is_ctrl_c, raise_if_ctrl_c
from rxvoice._boundary import boundary_of, calling, outside
from rxvoice.elements import Reply
from rxvoice.errors import SinkStalled
from rxvoice.operators._conversation.mailbox import Action, Mailbox
from rxvoice.operators._follow import follow
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.stage_error import StageError

Way: TypeAlias = Callable[[Action], None]
"""Brings an action into the mailbox."""


class Ports:
    """The ways in lead into one mailbox, so inputs are handled one at a time.

    Args:
        out: the subscription.
        settle: runs after each input.
    """

    def __init__(self, out: Subscription[Any], settle: Action) -> None:
        self._out = out
        self._mailbox = Mailbox(settle, self._on_raised, self._on_left)
        self._home = _home(out.scheduler)
        self.boundary = boundary_of(out.scheduler)
        self.call = calling(out.scheduler)
        self.life = out.life
        self.clock: abc.SchedulerBase = self._home or TimeoutScheduler.singleton()

    # In, from any thread

    def post(self, action: Action) -> None:
        """Run the action here, or on the thread that is busy in the mailbox."""
        self._mailbox.post(action)

    def from_afar(self, action: Action) -> None:
        """Run the action on the subscription's scheduler, if it has one; otherwise here."""
        self._at_home(partial(self.post, action))

    def _at_home(self, action: Action) -> None:
        if not self.life.is_disposed:
            at(outside(self._home), action)

    def follow_from_afar(
        self,
        name: str,
        observable: Observable[Any],
        on_next: Callable[[Any], None],
        on_completed: Action | None = None,
    ) -> None:
        """Subscribe to what the app or the sink says, on any thread.

        Args:
            name: of the observable, for a trace.
            observable: what to subscribe to.
            on_next: handles an element.
            on_completed: handles the end. None: the end changes nothing.
        """
        heard: abc.ObserverBase[Any] | None = Observer(
            lambda value: self.post(partial(on_next, value)),
            lambda error: self.post(partial(self.fail, error)),
            None if on_completed is None else partial(self.post, on_completed),
        )
        if self.boundary is not None:
            heard = self.boundary.signal(name, heard)
            if heard is None:
                return
        self.follow(observable, self._at_home, heard.on_next, heard.on_completed, heard.on_error)

    def door(self, life: CompositeDisposable, on_raised: Callable[[BaseException], None]) -> Way:
        """A way in for the work of an exchange. It closes with the life of the exchange.

        Args:
            life: the life of the exchange.
            on_raised: runs after downstream has raised, with what it raised.
        """

        def way(action: Action) -> None:
            try:
                self.post(lambda: None if life.is_disposed else action())
            except BaseException as error:  # RxPY has closed what the action came from
                self._mailbox.leave(partial(on_raised, error))
                raise

        return way

    def follow(
        self,
        observable: Observable[Any],
        way: Way,
        on_next: Callable[[Any], None],
        on_completed: Action | None = None,
        on_error: Callable[[Exception], None] | None = None,
        life: CompositeDisposable | None = None,
    ) -> None:
        """Subscribe, and bring in what the observable gives.

        Args:
            observable: what to subscribe to.
            way: brings each action in.
            on_next: handles an element.
            on_completed: handles the end. None: the end changes nothing.
            on_error: handles an error. None: the subscription fails with it.
            life: ends the subscription. None: the life of these ports.
        """
        fail = on_error or self.fail
        follow(
            observable,
            self.life if life is None else life,
            lambda value: way(partial(on_next, value)),
            lambda error: way(partial(fail, error)),
            None if on_completed is None else lambda: way(on_completed),
            scheduler=self._out.scheduler,
        )

    def raise_after(self, error: BaseException) -> None:
        """Raise a Ctrl-C on the main thread once the current action is over, and no other error."""
        if is_ctrl_c(error):
            self._mailbox.raise_after(error)

    # Out: only an action in the mailbox calls these

    def say(self, element: object) -> None:
        """Send an element downstream."""
        self._send(lambda: self._out.emit(element))

    def fail(self, error: Exception) -> None:
        """End the subscription with an error."""
        self._send(lambda: self._out.fail(error))

    def complete(self, flush: Action) -> None:
        """Flush, then end the subscription, before the next action."""
        self._send(partial(self._flush, flush))

    def _flush(self, flush: Action) -> None:
        try:
            flush()
        except BaseException as error:
            stalled = isinstance(error, SinkStalled)
            self._out.fail(error if stalled else StageError("converse", None, error))
            raise_if_ctrl_c(error)
        else:
            self._out.complete()

    def _send(self, outgoing: Action) -> None:
        self._mailbox.send(lambda: None if self.life.is_disposed else outgoing())

    def _on_left(self) -> None:
        """Have what is left done soon, where there is a home: nothing else may come."""
        if self._home is not None:
            self._at_home(partial(self.post, lambda: None))

    def _on_raised(self, error: BaseException) -> None:
        """An action has raised: the sink, or another part that it called."""
        self.fail(StageError("converse", None, error))


class Alarm:
    """A timer that can be set again. It runs its action in the mailbox."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._timer = SerialDisposable()
        self._set: object  # a mark of the time that was set last
        ports.life.add(self._timer)

    def set(self, ms: float, action: Action) -> None:
        """Run the action in so many milliseconds, in place of the one that was set before."""
        mine = self._set = object()

        def due() -> None:
            # The alarm may have been set again, or cancelled, while this waited in the mailbox.
            if self._set is mine and not self._timer.is_disposed:
                action()

        def ring(*_: object) -> None:
            self._ports.post(due)

        self._timer.disposable = self._ports.clock.schedule_relative(ms / 1000, ring)

    def cancel(self) -> None:
        """Forget the action."""
        self._set = None
        self._timer.disposable = Disposable()


def just(*elements: object) -> Observable[Any]:
    """An observable of the elements, given within ``subscribe``; ``rx.of`` schedules them."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        for element in elements:
            observer.on_next(element)
        observer.on_completed()
        return Disposable()

    return Observable(subscribe)


def tapped(note: Callable[[Reply], None]) -> Operator[Any, Any]:
    """An operator that passes everything, and notes each `Reply`."""

    def start(out: Subscription[Any]) -> Handlers[Any]:
        def step(element: object) -> None:
            if isinstance(element, Reply):
                note(element)
            out.emit(element)

        return step, None, None

    return stateful_on_events(start)


def _home(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """The scheduler, if it has a thread of its own and can wait without blocking."""
    if isinstance(scheduler, ImmediateScheduler | NewThreadScheduler | TrampolineScheduler):
        return None
    return scheduler
