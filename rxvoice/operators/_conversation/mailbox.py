"""Actions from any thread, done one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TypeAlias

from rxvoice._answers.pieces import raise_if_ctrl_c

Action: TypeAlias = Callable[[], None]


class Mailbox:
    """Runs actions one after the other.

    The thread that posts the first action also runs those that arrive meanwhile. No action runs
    inside another, and no lock is held while one runs.

    What an action sends downstream goes out after the action and before the next one, so
    downstream sees a settled state. What downstream raises reaches the thread that posted the
    action. What is left runs with the next post.

    Args:
        settle: runs after each action, as a part of it.
        on_error: receives what an action raises; never what downstream raises, nor a Ctrl-C on the
            main thread, which is raised on.
        on_left: called after something was raised, since what is left waits for the next post.
    """

    def __init__(
        self,
        settle: Action,
        on_error: Callable[[BaseException], None],
        on_left: Action = lambda: None,
    ) -> None:
        self._settle = settle
        self._on_error = on_error
        self._on_left = on_left
        self._lock = Lock()
        self._actions: deque[Action] = deque()
        self._outgoing: deque[Action] = deque()
        self._running = False
        self._to_raise: BaseException | None = None

    def post(self, action: Action) -> None:
        """Run the action, after those that were posted before it."""
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
            self._on_left()
            raise

    def leave(self, action: Action) -> None:
        """Keep the action until the next one is posted, and run it then."""
        with self._lock:
            self._actions.append(action)

    def raise_after(self, error: BaseException) -> None:
        """Raise the error once the current action is over. Only an action may call this."""
        self._to_raise = error

    def send(self, outgoing: Action) -> None:
        """Send something downstream, after the current action. Only an action may call this."""
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
        except BaseException as error:
            raise_if_ctrl_c(error)  # it ends the program
            self._on_error(error)
        if self._to_raise is not None:
            error, self._to_raise = self._to_raise, None
            raise error
