"""Tools that need no network: the time, the date, a die, a coin, timers and arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction

from reactivex import Observable, Subject
from reactivex.abc import SchedulerBase
from reactivex.scheduler import TimeoutScheduler

from rxvoice.elements import Say

__all__ = ["OfflineTools"]

_LONGEST = 24 * 3600
_DATE = "{0:%A}, {0:%B} {0.day}, {0.year}"


class OfflineTools:
    """Functions that a language model may call: pass `functions` as its ``tools=``.

    The demonstration model has them by itself. A model with published weights takes them too:

    ```python
    tools = rxv.offline.OfflineTools()
    llm = rxv.mlx.llm("mlx-community/Qwen3-4B-Instruct-2507-4bit", tools=tools.functions)
    conversation = vox.converse(..., says=tools.rings)
    ```

    Each answers with a sentence that can be spoken as it is. They are safe with any argument: what
    cannot be calculated or waited for gets a sentence that says so.

    Args:
        now: gives the time of day; ``datetime.now`` where it is not given.
        rng: what rolls the die and flips the coin.
        scheduler: what the timers wait on. None: a thread for each timer that runs.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = datetime.now,
        rng: random.Random | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> None:
        self._now = now
        self._rng = rng or random.Random()
        self._scheduler = scheduler
        self._rings: Subject[Say] = Subject()

    @property
    def rings(self) -> Observable[Say]:
        """What to say when a timer is over, for ``says=`` of `converse`. Never completes."""
        return self._rings

    @property
    def functions(self) -> tuple[Callable[..., str], ...]:
        """All of the tools."""
        return (self.time, self.date, self.dice, self.coin, self.calculate, self.timer)

    def time(self) -> str:
        """Tell the time of day."""
        return f"It is {self._now():%H:%M}."

    def date(self) -> str:
        """Tell the date and the day of the week."""
        return f"It is {_DATE.format(self._now())}."

    def dice(self) -> str:
        """Roll a die."""
        return f"You rolled a {self._rng.randint(1, 6)}."

    def coin(self) -> str:
        """Flip a coin."""
        return self._rng.choice(("Heads.", "Tails."))

    def calculate(self, expression: str) -> str:
        """Calculate.

        Args:
            expression: numbers with plus, minus, times or divided by between them, in digits or
                words; or such as "add 5 and 7", "half of 30", "15% of 80".
        """
        from rxvoice.offline._calculate import NotArithmetic, calculate, spoken

        try:
            return f"That is {spoken(calculate(expression))}."
        except ZeroDivisionError:
            return "That cannot be divided."
        except NotArithmetic:
            return "I cannot calculate that."

    def timer(self, length: str) -> str:
        """Set a timer.

        Args:
            length: how long, at most a day, such as "5 minutes" or "an hour and a half".
        """
        from rxvoice.offline._calculate import NotArithmetic, duration, seconds

        try:
            whole = Fraction(round(seconds(length)))
        except NotArithmetic:
            return "How long?"
        if not 0 < whole <= _LONGEST:
            return "How long?"
        self._start(duration(whole), int(whole))
        return f"I will tell you in {duration(whole)}."

    def _start(self, length: str, seconds: int) -> None:
        scheduler = self._scheduler or TimeoutScheduler.singleton()

        def over(*_: object) -> None:
            self._rings.on_next(Say(f"Time is up. Your timer was set for {length}."))

        scheduler.schedule_relative(timedelta(seconds=seconds), over)
