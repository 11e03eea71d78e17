"""One thing at a time, whichever thread it comes from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]


class Mailbox:
    """Runs actions one after the other: the thread that brings the first one runs those that
    arrive meanwhile, too. None runs inside another, and no lock is held while one runs.

    What an action has to say goes downstream after it and before the next one, so downstream finds
    everything settled, and what it raises reaches the thread that brought the action. The rest
    stays, for the next one to run.

    Args:
        settle: run after each action, as a part of it.
        on_error: told what an action raises; never what is raised downstream.
    """

    def __init__(self, settle: Action, on_error: Callable[[Exception], None]) -> None:
        self._settle = settle
        self._on_error = on_error
        self._lock = Lock()
        self._actions: deque[Action] = deque()
        self._outgoing: deque[Action] = deque()
        self._running = False

    def post(self, action: Action) -> None:
        """Run it, once its time has come."""
        with self._lock:
            self._actions.append(action)
            if self._running:
                return
            self._running = True
        try:
            while (due := self._next()) is not None:
                due()
        except BaseException:
            with self._lock:
                self._running = False
            raise

    def leave(self, action: Action) -> None:
        """Have it run with the next one that is posted."""
        with self._lock:
            self._actions.append(action)

    def send(self, outgoing: Action) -> None:
        """Do this downstream; to be called by an action."""
        self._outgoing.append(outgoing)

    def _next(self) -> Action | None:
        with self._lock:
            if self._outgoing:
                return self._outgoing.popleft()
            if self._actions:
                return partial(self._run, self._actions.popleft())
            self._running = False
            return None

    def _run(self, action: Action) -> None:
        try:
            action()
            self._settle()
        except Exception as error:
            self._on_error(error)
