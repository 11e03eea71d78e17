"""What shows a conversation, and the view that prints plain lines."""

from __future__ import annotations

import shutil
import textwrap
from types import TracebackType
from typing import Protocol, Self, TextIO

from rxvoice.cli._scene import UNBROKEN, Scene, SceneLine, Who
from rxvoice.cli._streams import is_gone
from rxvoice.events import Event, Level

_MARGIN = 23
"""Columns before the text, for the time and the speaker."""
_LEAST_TEXT = 20
"""Columns that a text gets on the narrowest terminal."""


class View(Protocol):
    """Shows a conversation. `show` and `draw` are called on one thread."""

    scene: Scene

    def show(self, event: Event) -> None:
        """Take an event, and show what it changes."""
        ...

    def draw(self, now: float) -> None:
        """Show the present state; `now` is in seconds, from any start."""
        ...

    def say(self, text: str) -> None:
        """Print a line about the conversation as a whole."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class PlainView:
    """Prints each line when it is complete; for a pipe, a log or a screen reader.

    A line that is too long for the terminal is wrapped, with an indentation. Without a terminal,
    lines are wrapped at 80 columns, or at ``$COLUMNS``.
    """

    def __init__(self, out: TextIO) -> None:
        self.scene = Scene()
        self._out = out
        self._is_open = False

    def show(self, event: Event) -> None:
        """Print the lines that the event completes. The first `Level` prints that it listens."""
        if isinstance(event, Level) and not self._is_open:
            self._is_open = True
            self.say("listening; ctrl-c ends the conversation")
        for line in self.scene.on(event):
            self.say(_wrapped(line))

    def draw(self, now: float) -> None:
        """Draw nothing: nothing changes below the lines.

        Raises:
            BrokenPipeError: nobody reads the output any more.
        """
        if is_gone(self._out):
            raise BrokenPipeError

    def say(self, text: str) -> None:
        """Print a line at once."""
        print(text, file=self._out, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: there is nothing to restore."""


def columns() -> int:
    """How wide the terminal is, in characters; 80 if there is none."""
    return shutil.get_terminal_size().columns


def name_of(who: Who) -> str:
    """The name beside a line; empty if nobody said it."""
    return "" if who in ("notice", "times") else who


def _wrapped(line: SceneLine) -> str:
    at = "" if line.at is None else f"{line.at:7.1f} s"
    aside = f" ({line.aside})" if line.aside else ""
    head = f"{at:>9}  {name_of(line.who):<11} "
    lines = textwrap.wrap(
        line.text + aside,
        max(columns(), _MARGIN + _LEAST_TEXT),
        initial_indent=head,
        subsequent_indent=" " * _MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(UNBROKEN, " ") or head
