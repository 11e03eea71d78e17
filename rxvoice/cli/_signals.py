"""How a signal ends a command: ctrl-c, a termination or a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

from rxvoice.cli._streams import forget_terminal


class Ending:
    """The signal that asked the command to end, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def status(self) -> int:
        """The exit status for the signal, as shells have it."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal: a callback from C may have swallowed it."""
        if self.signal is not None:
            raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Generator[Ending]:
    """Raise KeyboardInterrupt at the first signal; end the process at once at the second."""
    ending = Ending()

    def first(number: int) -> None:
        ending.signal = number
        raise KeyboardInterrupt

    def second(number: int) -> None:
        with suppress(OSError):
            os.write(2, b"\nrxvoice: stopped at once; what was written so far is complete\n")
        os._exit(128 + number)

    with ending_signals(first, second):
        yield ending
    if ending.signal is not None:
        # The process is ending: a second ctrl-c must not break its last steps.
        for it in (signal.SIGINT, signal.SIGTERM):
            signal.signal(it, signal.SIG_IGN)


@contextmanager
def ending_signals(first: Callable[[int], None], second: Callable[[int], None]) -> Generator[None]:
    """Call `first` at the first signal and `second` at each further one.

    The signals are ctrl-c, a termination and a closed terminal; under nohup, a closed terminal is
    ignored. Both functions are given the number of the signal. Only the main thread receives
    signals: on any other thread, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if number == getattr(signal, "SIGHUP", None):
            forget_terminal()
        call, asked = second if asked else first, True
        call(number)

    which = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        which.append(signal.SIGHUP)
    before = [signal.signal(it, handle) for it in which]
    try:
        yield
    finally:
        for it, handler in zip(which, before, strict=True):
            signal.signal(it, handler)
