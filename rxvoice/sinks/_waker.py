"""A thread that sleeps until it has something to do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

_log = logging.getLogger("rxvoice")

_AGAIN_S = 0.02


class Waker:
    """Runs a step on a thread of its own: when woken, and when the step said that it is due.

    Args:
        name: of the thread.
        step: does what there is to do. Returns the seconds until it is due again, or None: not
            before `wake`.
        is_over: whether the thread ends.
        finish: called at the end of the thread.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        is_over: Callable[[], bool],
        finish: Callable[[], None],
    ) -> None:
        self._name = name
        self._step = step
        self._is_over = is_over
        self._finish = finish
        self._asleep = threading.Lock()
        self._asleep.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Run the step soon. Any thread may call this, the audio thread too: it never waits."""
        if self._asleep.locked():
            with suppress(RuntimeError):  # another thread was faster
                self._asleep.release()

    @property
    def is_here(self) -> bool:
        """Whether the caller is on this thread."""
        return self._thread is threading.current_thread()

    def join(self) -> None:
        """Wait until the thread has ended. Does nothing on the thread itself."""
        if not self.is_here:
            self._thread.join()

    def _run(self) -> None:
        timeout: float | None = 0.0
        while not self._is_over():
            self._asleep.acquire(timeout=-1 if timeout is None else timeout)
            try:
                timeout = self._step()
            except Exception:
                _log.exception("%s raised", self._name)
                timeout = _AGAIN_S
        self._finish()
