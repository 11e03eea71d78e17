"""`Gathering`: the chunks of several streams, held for a moment and evaluated together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from weakref import ReferenceType, WeakKeyDictionary, ref

from reactivex import abc
from reactivex.scheduler import VirtualTimeScheduler

from rxvoice._audio.samples import Samples
from rxvoice._silero.network import Network
from rxvoice._silero.together import Remembered, Together
from rxvoice._threads.async_loop import running_loop

MOST = 32
"""How many chunks are evaluated together at the most."""

FEW = 4
"""With fewer streams, hardly any chunk would meet another."""

Take = Callable[["float | BaseException"], None]


class Gathered:
    """One stream whose chunks are evaluated with those of others.

    Args:
        check: raises if these samples are no chunk for the detector.
        remembered: what is remembered of it.
        gathering: returns what gathers the chunks of the calling thread; it loads the network.
    """

    def __init__(
        self,
        check: Callable[[Samples], None],
        remembered: Remembered,
        gathering: Callable[[], Gathering],
    ) -> None:
        self._check = check
        self._gathering = gathering
        self._with: Gathering | None = None
        self.remembered = remembered
        self.is_over = False

    def ask(self, samples: Samples, take: Take) -> None:
        """Have `take` called with the probability of the next chunk, or with an error, now or soon.

        It is called on this thread, in the order of the chunks; an error may come before the answer
        to an earlier chunk. What it raises now, is raised here.
        """
        try:
            self._check(samples)
            if self._with is None:
                self._with = self._gathering()
                self._with.streams += 1
        except BaseException as error:
            take(error)
            return
        self._with.ask(self, samples, take)

    def settle(self) -> None:
        """Answer all that was asked, now."""
        if self._with is not None:
            self._with.evaluate(self)

    def dispose(self) -> None:
        """Answer nothing more."""
        if self._with is not None and not self.is_over:
            self._with.streams -= 1
        self.is_over = True


class Gathering:
    """Gathers chunks on one thread, and evaluates them together.

    Args:
        together: evaluates them.
        wait_s: how long the first of them waits at the most, in seconds.
        later: calls a function after some seconds, on the same thread.
    """

    def __init__(
        self,
        together: Together,
        wait_s: float,
        later: Callable[[float, Callable[[], None]], object] | None,
    ) -> None:
        self._together = together
        self._wait_s = wait_s
        self._later = later
        self._asked: deque[tuple[Gathered, Samples, Take]] = deque()
        self._is_waiting = self._is_evaluating = False
        self.streams = 0

    def ask(self, one: Gathered, samples: Samples, take: Take) -> None:
        """Evaluate a chunk now, or with others that come soon."""
        self._asked.append((one, samples, take))
        if self._later is None or self.streams < FEW or len(self._asked) >= MOST:
            self.evaluate(one)
        elif not self._is_waiting:
            self._is_waiting = True
            self._later(self._wait_s, self._due)

    def evaluate(self, one: Gathered | None = None) -> None:
        """Evaluate all that waits, and raise what the taker of this one raised."""
        if self._is_evaluating:
            return  # the caller is one of the takers; the rest follows
        self._is_evaluating = True
        raised: dict[Gathered, BaseException] = {}
        try:
            while self._asked:
                raised |= self._evaluated()
        finally:
            self._is_evaluating = False
        own = raised.pop(one, None) if one is not None else None
        for error in raised.values():  # of other streams, whose producers are not here
            assert self._later is not None
            self._later(0, partial(_raise, error))
        if own is not None:
            raise own

    def _due(self) -> None:
        self._is_waiting = False
        self.evaluate()

    def _evaluated(self) -> dict[Gathered, BaseException]:
        """Evaluate one chunk of each stream; returns what takers raised."""
        round_: dict[Gathered, tuple[Samples, Take]] = {}
        rest: list[tuple[Gathered, Samples, Take]] = []
        while self._asked and len(round_) < MOST:
            one, samples, take = self._asked.popleft()
            if one.is_over:
                continue
            if one in round_:
                rest.append((one, samples, take))
            else:
                round_[one] = samples, take
        self._asked.extendleft(reversed(rest))
        if not round_:
            return {}
        answers: list[float] | list[BaseException]
        try:
            answers = self._together.probabilities(
                [it.remembered for it in round_], [samples for samples, _ in round_.values()]
            )
        except BaseException as error:
            answers = [error] * len(round_)
        raised: dict[Gathered, BaseException] = {}
        for (one, (_, take)), answer in zip(round_.items(), answers, strict=True):
            if not one.is_over:
                try:
                    take(answer)
                except BaseException as error:  # from downstream; the others have to be told
                    raised[one] = error
        return raised


def _raise(error: BaseException) -> None:
    raise error


def _on_loop(seconds: float, action: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, action)


def _in_virtual_time(
    scheduler: ReferenceType[VirtualTimeScheduler], seconds: float, action: Callable[[], None]
) -> None:
    def run(_: abc.SchedulerBase, __: object = None) -> None:
        action()

    if (found := scheduler()) is not None:
        found.schedule_relative(seconds, run)


class Gatherings:
    """Where the chunks of a family of detectors are gathered: one place for each loop.

    Args:
        wait_ms: how long a chunk waits at the most, in milliseconds.
        network: loads the network.
    """

    def __init__(self, wait_ms: float, network: Callable[[], Network]) -> None:
        self._wait_s = wait_ms / 1000
        self._network = network
        self._together: Together | None = None
        self._places: WeakKeyDictionary[object, Gathering] = WeakKeyDictionary()

    def at(self, scheduler: abc.SchedulerBase | None) -> Gathering:
        """What gathers the chunks that come on this thread.

        They wait on an event loop that runs here, or in virtual time. Elsewhere nothing says when
        the next chunk comes, and each is evaluated at once.
        """
        if self._together is None:
            self._together = Together(self._network(), MOST)
        if running_loop() is not None:
            place, later = asyncio.get_running_loop(), _on_loop
        elif isinstance(scheduler, VirtualTimeScheduler):
            place, later = scheduler, partial(_in_virtual_time, ref(scheduler))
        else:
            return Gathering(self._together, self._wait_s, None)
        found = self._places.get(place)
        if found is None:
            # It does not hold the place, which would then never go.
            found = self._places[place] = Gathering(self._together, self._wait_s, later)
        return found
