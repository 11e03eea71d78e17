"""How long an answer may take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.clock import SubscriptionClock
from rxvoice._check import at_least
from rxvoice.errors import ModelTimeout

_SLACK = 1e-6  # seconds that a timer may come early, by rounding


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limits of an answer, in seconds; infinite for no limit.

    Args:
        silence: the longest time until the first piece, and between two pieces.
        total: the longest time for all pieces.
    """

    silence: float = math.inf
    total: float = math.inf

    def left(self, silent: float, spent: float) -> float:
        """Return the seconds that are left."""
        return min(self.silence - silent, self.total - spent)

    def exceeded(self, silent: float, spent: float) -> ModelTimeout:
        """Make the error of an answer that took too long."""
        if self.silence - silent <= self.total - spent:
            limit = f"timeout_ms={self.silence * 1000:g}"
            return ModelTimeout(f"the model gave nothing for {silent:.3g} s ({limit})", silent)
        limit = f"total_timeout_ms={self.total * 1000:g}"
        return ModelTimeout(f"the model was not done after {spent:.3g} s ({limit})", spent)


def limits(name: str, timeout_ms: float | None, total_timeout_ms: float | None) -> TimeLimits:
    """Make the limits of the operator `name`; None for no limit."""
    seconds = [math.inf, math.inf]
    for at, (which, ms) in enumerate(
        (("timeout_ms", timeout_ms), ("total_timeout_ms", total_timeout_ms))
    ):
        if ms is not None:
            at_least(f"{name} {which}", ms, 1, "ms, or None,")
            seconds[at] = ms / 1000
    return TimeLimits(*seconds)


class Watch(abc.DisposableBase):
    """Measures how long a model takes, and fails the answer when a limit is exceeded.

    Time counts from when a step is asked for until it has come. A model that is not asked, because
    the user goes on speaking or because its last piece was not taken yet, uses up no time. There is
    one timer at most. If the thread of the timer is inside the model, the limit is noticed at the
    end of the step.

    Args:
        life: of the answer; the timer ends with it.
        on_late: called once with the error, on the thread that notices: the clock's, a worker's, or
            the one that calls `came`. Nothing of the answer may be delivered afterwards.
    """

    __slots__ = (
        "_armed",
        "_asked",
        "_away",
        "_clock",
        "_life",
        "_limits",
        "_lock",
        "_now",
        "_on_late",
        "_over",
        "_silence",
        "_since",
        "_spent",
        "_timer",
        "_total",
    )

    def __init__(
        self,
        limits: TimeLimits,
        clock: SubscriptionClock,
        life: CompositeDisposable,
        on_late: Callable[[ModelTimeout], None],
    ) -> None:
        self._limits = limits
        self._silence, self._total = limits.silence, limits.total
        self._clock = clock
        self._life = life
        self._now = clock.now
        self._on_late = on_late
        self._lock = Lock()
        self._asked = 0  # steps that were asked for and have not come
        self._since: float  # when the last step came, or the first was asked for
        self._spent = 0.0
        self._over = self._armed = self._away = False
        self._timer: abc.DisposableBase | None = None

    def tell(self, on_late: Callable[[ModelTimeout], None]) -> None:
        """Call this one, when a limit is exceeded from now on."""
        with self._lock:
            if not self._over:
                self._on_late = on_late

    def asked(self, *, away: bool = False) -> None:
        """Note that a step is asked for.

        Args:
            away: it is not asked of the worker, whose thread may be stuck meanwhile.
        """
        with self._lock:
            self._away = away
            self._asked += 1
            if self._asked == 1:
                self._since = self._now()

    def came(self, *, raised: bool = False) -> bool:
        """Note that a step has come; returns whether it may be delivered.

        Args:
            raised: the step is an error, which is delivered even if it is late.
        """
        with self._lock:
            if self._over:
                return False
            now = self._now()
            silent = now - self._since
            self._asked -= 1
            self._since = now
            self._spent = spent = self._spent + silent
            if raised or (silent < self._silence and spent < self._total):
                return True
            self._over = True
            late = self._limits.exceeded(silent, spent)
        self._on_late(late)
        return False

    def arm(self) -> None:
        """Start the timer if a step is asked for and there is a limit."""
        with self._lock:
            if self._over or self._armed or not self._asked:
                return
            left = self._left()
            if left == math.inf:
                return
            self._armed = True
        if self._timer is None:
            self._life.add(self)
        self._set(left)

    def left(self) -> float:
        """Return the seconds until a limit is exceeded, if nothing comes."""
        with self._lock:
            return self._left()

    def expire(self, error: ModelTimeout | None = None) -> None:
        """Fail the answer if a step is asked for: for exceeding a limit, or with `error`."""
        with self._lock:
            if self._over or not self._asked or (self._away and error is not None):
                return
            self._over = True
            if error is None:
                silent = min(self._limits.silence, self._limits.total - self._spent)
                error = self._limits.exceeded(silent, self._spent + silent)
        self._on_late(error)

    def dispose(self) -> None:
        """Stop: the answer is over."""
        with self._lock:
            self._over = True
            timer, self._timer = self._timer, None
            self._on_late = _not_told  # what it was may hold this watch
        if timer is not None:
            timer.dispose()

    def _left(self) -> float:
        silent = self._now() - self._since
        return self._limits.left(silent, self._spent + silent)

    def _set(self, seconds: float) -> None:
        timer = self._clock.after(seconds, self._due)
        with self._lock:
            over = self._over
            if not over:
                self._timer = timer
        if over:
            timer.dispose()

    def _due(self) -> None:
        with self._lock:
            self._armed = False
            late = self._left() <= _SLACK
        if late:
            self.expire()
        else:
            self.arm()


def _not_told(_: ModelTimeout) -> None:
    """The answer is over."""
