"""How a command ends that is told to: by ctrl-c, a polite kill or a closed terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

from rxvoice.cli._streams import forget_terminal


class Ending:
    """Whether a signal has asked for the end, and which."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def status(self) -> int:
        """The exit status that says so, as shells have it."""
        return 128 + (self.signal or signal.SIGINT)

    def check(self) -> None:
        """Raise KeyboardInterrupt if it was asked for: a callback from C may have swallowed it."""
        if self.signal is not None:
            raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Generator[Ending]:
    """The first signal raises KeyboardInterrupt on the main thread, another one ends at once."""
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
        # The process ends now, and a second ctrl-c shall not make its last steps look broken.
        for it in (signal.SIGINT, signal.SIGTERM):
            signal.signal(it, signal.SIG_IGN)


@contextmanager
def ending_signals(first: Callable[[int], None], second: Callable[[int], None]) -> Generator[None]:
    """Ctrl-C, a polite kill or a closed terminal calls `first`; another one calls `second`.

    Both are told which signal it was. Under nohup a closed terminal is nothing. On another thread
    than the main one, where there are no signals, it does nothing.
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
