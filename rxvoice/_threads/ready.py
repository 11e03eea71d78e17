"""`Ready`: which action a thread runs next. It has lanes and timers, but no thread and no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from heapq import heapify, heappop, heappush
from typing import cast

from reactivex import abc


class Step(abc.DisposableBase):
    """An action that runs once, unless it is disposed of before. It is its own disposable.

    Args:
        action: what to run; a disposable that it returns is disposed of with the step.
        state: what the action is called with; a generator is closed when the step is dropped.
    """

    __slots__ = ("_action", "_disposed", "_rest", "_state")

    def __init__(self, action: Callable[[], object], state: object = None) -> None:
        self._action: Callable[[], object] | None = action
        self._state = state
        self._rest: abc.DisposableBase | None = None
        self._disposed = False

    @property
    def is_over(self) -> bool:
        """Whether it has run or has been disposed of. Then it holds nothing."""
        return self._action is None

    @property
    def is_disposed(self) -> bool:
        """Whether it has been disposed of: it will not run, if it has not."""
        return self._disposed

    def run(self) -> None:
        """Run the action, here and now."""
        action, self._action, self._state = self._action, None, None
        if action is None:
            return
        rest = action()
        if isinstance(rest, abc.DisposableBase):
            self._rest = rest
            # No lock is needed: either this sees the flag, or `dispose` sees the rest.
            if self._disposed:
                rest.dispose()

    def dispose(self) -> None:
        """Let go of the action at once, from any thread. An action in progress runs to its end."""
        self._disposed = True
        self._action = self._state = None
        rest, self._rest = self._rest, None
        if rest is not None:
            rest.dispose()

    def drop(self) -> None:
        """Dispose of the step, and close the generator that it would have gone on with."""
        state = self._state
        self.dispose()
        if isinstance(state, Generator):
            cast("Generator[object]", state).close()


class ReadyLane:
    """The steps that wait in one lane.

    Args:
        priority: higher lanes go first.

    Attributes:
        since: how many steps of all lanes had been taken when one of this lane was last taken, or
            when this lane began to wait.
        taken: how many steps of this lane have been taken.
        longest_wait: the longest time that a step of this lane was ready before it was taken, in
            seconds.
    """

    __slots__ = ("longest_wait", "priority", "since", "taken", "waiting")

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.waiting: deque[tuple[float, Step]] = deque()
        self.since = 0
        self.taken = 0
        self.longest_wait = 0.0

    def has_ready(self) -> bool:
        """Remove the steps that are over from the front; returns whether one is left."""
        while self.waiting and self.waiting[0][1].is_over:
            self.waiting.popleft()
        return bool(self.waiting)


class Ready:
    """The steps that wait, in lanes. Times are in seconds of the caller's clock, and never go back.

    The highest lane that has a ready step goes first; within a lane, the step that has been ready
    longest. After `patience` steps in that order while a lower lane waited, the next one is taken
    from the lane that has waited longest. So with `n` lanes that wait, each gets a step within
    ``n * (patience + 1)`` steps, and no two steps in a row are out of order.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._in_order = 0
        self._taken = 0
        self._lanes: list[ReadyLane] = []
        self._timers: list[tuple[float, int, ReadyLane, Step]] = []
        self._timed = 0
        self._tidy_at = 64

    def lane(self, priority: int) -> ReadyLane:
        """Add a lane, and return it."""
        lane = ReadyLane(priority)
        self._lanes.append(lane)
        self._lanes.sort(key=lambda it: -it.priority)
        return lane

    def add(self, lane: ReadyLane, step: Step, now: float, delay: float = 0.0) -> None:
        """Put a step at the back of its lane, now or after `delay`."""
        self._wake(now)
        if delay <= 0:
            self._put(lane, now, step)
            return
        if len(self._timers) >= self._tidy_at:
            self._timers = [timer for timer in self._timers if not timer[3].is_over]
            heapify(self._timers)
            self._tidy_at = max(64, 2 * len(self._timers))
        self._timed += 1
        heappush(self._timers, (now + delay, self._timed, lane, step))

    def take(self, now: float) -> Step | None:
        """Take the next step; None if none is ready."""
        self._wake(now)
        waiting = [lane for lane in self._lanes if lane.has_ready()]
        if not waiting:
            return None
        chosen = waiting[0]
        if self._in_order >= self._patience:
            chosen = min(waiting, key=lambda lane: lane.since)
        in_order = chosen is waiting[0] and len(waiting) > 1
        self._in_order = self._in_order + 1 if in_order else 0
        self._taken += 1
        chosen.since = self._taken
        ready, step = chosen.waiting.popleft()
        chosen.taken += 1
        chosen.longest_wait = max(chosen.longest_wait, now - ready)
        return step

    def until_due(self, now: float) -> float | None:
        """Return the seconds until the next timer, at least 0; None without a timer."""
        while self._timers and self._timers[0][3].is_over:
            heappop(self._timers)
        return max(0.0, self._timers[0][0] - now) if self._timers else None

    def clear(self) -> list[Step]:
        """Take out all steps, those that are ready before those that have a timer."""
        steps = [step for lane in self._lanes for _, step in lane.waiting]
        steps += [timer[3] for timer in sorted(self._timers, key=lambda timer: timer[:2])]
        for lane in self._lanes:
            lane.waiting.clear()
        self._timers.clear()
        return [step for step in steps if not step.is_over]

    def _wake(self, now: float) -> None:
        """Move steps whose timer is due to the back of their lanes, earliest first."""
        while self._timers and self._timers[0][0] <= now:
            due, _, lane, step = heappop(self._timers)
            self._put(lane, due, step)

    def _put(self, lane: ReadyLane, ready: float, step: Step) -> None:
        if not lane.waiting:
            lane.since = self._taken
        lane.waiting.append((ready, step))
