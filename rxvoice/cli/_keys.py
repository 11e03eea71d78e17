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
    """A button that says when the user speaks; `vad` takes it as a detector."""

    def __init__(self) -> None:
        self._down = False

    @property
    def down(self) -> bool:
        """Whether the button is pressed."""
        return self._down

    def toggle(self) -> None:
        """Press the button, or release it."""
        self._down = not self._down

    def is_speech(self, samples: Samples, /) -> bool:
        """Whether the button is pressed. The samples do not matter."""
        return self._down


class SpaceBar:
    """Reads the keys of a terminal one by one, on a thread of its own, within a ``with`` block.

    A terminal reports that a key is pressed, but not that it is released.

    Args:
        pressed: called on that thread for each press of the space bar.
        terminal: the file descriptor of the terminal; None for the standard input.

    Raises:
        ConfigError: the file is not a terminal.
    """

    def __init__(self, pressed: Callable[[], None], *, terminal: int | None = None) -> None:
        self._pressed = pressed
        self._terminal = sys.stdin.fileno() if terminal is None else terminal
        if not os.isatty(self._terminal):
            raise ConfigError(
                "push-to-talk needs a terminal to read the space bar from, and the standard input "
                "is not a terminal: run the command in one, or leave --push-to-talk out"
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
        """Restore the terminal. Keys are read until the end of the block."""
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
