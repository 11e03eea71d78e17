"""A timer that can be set again."""

from __future__ import annotations

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable
from reactivex.scheduler import (
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
    TrampolineScheduler,
)

from rxvoice.operators._interruption._mailbox import Action, Mailbox

__all__ = ["Alarm", "home"]


def home(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """The scheduler, where it has a place of its own and can wait without blocking."""
    if isinstance(scheduler, ImmediateScheduler | NewThreadScheduler | TrampolineScheduler):
        return None
    return scheduler


class Alarm:
    """Runs an action in the mailbox, some time after it was last set."""

    def __init__(
        self, scheduler: abc.SchedulerBase | None, mailbox: Mailbox, life: CompositeDisposable
    ) -> None:
        self._clock = home(scheduler) or TimeoutScheduler.singleton()
        self._mailbox = mailbox
        self._timer = SerialDisposable()
        self._set: object = None
        life.add(self._timer)

    def set(self, ms: float, action: Action) -> None:
        """Run the action so many milliseconds from now, and no other."""
        mine = self._set = object()

        def due() -> None:
            if self._set is mine and not self._timer.is_disposed:
                self._set = None
                action()

        def ring(*_: object) -> None:
            self._mailbox.post(due)

        self._timer.disposable = self._clock.schedule_relative(ms / 1000, ring)

    def cancel(self) -> None:
        """Run nothing."""
        self._set = None
        self._timer.disposable = Disposable()
