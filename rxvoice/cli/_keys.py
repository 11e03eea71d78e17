"""The space bar as a push-to-talk button."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError


class PushToTalk:
    """A button that says when the user speaks; for `vad`, in a detector's place."""

    def __init__(self) -> None:
        self._down = False

    @property
    def down(self) -> bool:
        """Whether it is pressed."""
        return self._down

    def toggle(self) -> None:
        """Press it, or let it go."""
        self._down = not self._down

    def is_speech(self, samples: Samples, /) -> bool:
        """Whether it is pressed, whatever is in the samples."""
        return self._down


class SpaceBar:
    """Reads a terminal's keys one by one, on a thread of its own; a ``with`` block puts it back.

    A terminal tells when a key is pressed, and not when it is let go.

    Args:
        pressed: called for each press of the space bar, on that thread.
        terminal: its file descriptor; None for the standard input's.

    Raises:
        ConfigError: it is no terminal.
    """

    def __init__(self, pressed: Callable[[], None], *, terminal: int | None = None) -> None:
        self._pressed = pressed
        self._terminal = sys.stdin.fileno() if terminal is None else terminal
        if not os.isatty(self._terminal):
            raise ConfigError(
                "push-to-talk needs a terminal to read the space bar from, and the standard input "
                "is none: run it in a terminal, or leave --push-to-talk out"
            )

    def __enter__(self) -> Self:
        import termios
        import tty

        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal, termios.TCSANOW)  # ctrl-c is still a signal
        self._awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._read, name="rxvoice-keys", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._wake)
        self._thread.join()
        os.close(self._awake)
        self.restore()

    def restore(self) -> None:
        """Put the terminal back; keys are still read until the end of the block."""
        import termios

        termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._terminal, self._awake], [], [])
            if self._awake in ready:
                return
            keys = os.read(self._terminal, 64)
            if not keys:
                return
            for _ in range(keys.count(b" ")):
                self._pressed()
