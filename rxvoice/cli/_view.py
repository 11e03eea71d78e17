"""A conversation on a terminal: what was said above, what goes on below it, redrawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from rxvoice._text.words import graphemes, up_to_grapheme
from rxvoice.cli._scene import Line, Scene, State, Who
from rxvoice.cli._streams import is_gone
from rxvoice.events import Event, Level

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["LiveView", "PlainView", "View"]

_MARGIN = 21
"""Columns before what is said: when, and who."""

_FLOOR_DB = -60.0

_STATES: dict[State, tuple[str, str, str]] = {
    # a mark, the same in ASCII, a colour
    "listening": ("●", "*", "green"),
    "thinking": ("◆", "~", "yellow"),
    "speaking": ("▶", ">", "magenta"),
    "paused": ("‖", "=", "bright_yellow"),
}
_DOTS = ("·  ", "·· ", "···", " ··", "  ·", "   ")

_STYLES: dict[Who, tuple[str, str]] = {
    # of the name, of the text
    "you": ("bold cyan", ""),
    "assistant": ("bold magenta", ""),
    "notice": ("dim", "dim"),
    "warning": ("bold yellow", "yellow"),
    "error": ("bold red", "red"),
    "times": ("dim", "dim"),
}


class View(Protocol):
    """Shows a conversation; `show` and `draw` are called on one thread."""

    scene: Scene

    def show(self, event: Event) -> None:
        """Take an event in."""
        ...

    def draw(self, now: float) -> None:
        """Show how things stand; `now` in seconds, from any start."""
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
    """Lines, each printed when what it tells of is over; for a pipe, a log or a screen reader."""

    def __init__(self, out: TextIO) -> None:
        self.scene = Scene()
        self._out = out
        self._heard_nothing = True

    def show(self, event: Event) -> None:
        """Print the lines that it completes; first of all, that the microphone is open."""
        if self._heard_nothing and isinstance(event, Level):
            self._heard_nothing = False
            self.say("listening; ctrl-c ends the conversation")
        for line in self.scene.on(event):
            self.say(_plain(line))

    def draw(self, now: float) -> None:
        """Nothing: what goes on is no line yet. BrokenPipeError when nobody reads any more."""
        if is_gone(self._out):
            raise BrokenPipeError

    def say(self, text: str) -> None:
        """Print a line, at once."""
        print(text, file=self._out, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to put back."""


class LiveView:
    """Lines that stay, and a few below them that change; for a terminal.

    Args:
        console: rich's.
        heard: how many characters of a reply have left the loudspeaker.
        hint: what the keys do; shown at the bottom.
        idle: the state's name while nobody speaks, such as ``"press space"``.
    """

    def __init__(
        self,
        console: Console,
        *,
        heard: Callable[[str], int] = len,
        hint: str = "ctrl-c ends the conversation",
        idle: Callable[[], str] = lambda: "listening",
    ) -> None:
        from rich.live import Live

        self.scene = Scene()
        self._console = console
        self._heard = heard
        self._hint = hint
        self._idle = idle
        self._ascii = console.options.ascii_only
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def show(self, event: Event) -> None:
        """Print the lines that it completes, above the changing ones."""
        for line in self.scene.on(event):
            self._console.print(self._row(line))

    def draw(self, now: float) -> None:
        """Redraw the changing lines."""
        self._live.update(self.render(now), refresh=True)

    def say(self, text: str) -> None:
        """Print a line, above the changing ones."""
        self._console.print(text, style="dim", markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the changing lines away; what was said stays."""
        self._live.stop()

    def render(self, now: float) -> RenderableType:
        """The lines that change."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text(), self._status(now)]
        if self.scene.hears or self.scene.partial:
            cursor = "_" if self._ascii else "▌"
            said = Text(self._tail(self.scene.partial))
            parts.append(self._grid("", "you", said.append(cursor, "cyan"), "you"))
        if self.scene.reply:
            parts.append(self._grid("", "assistant", self._spoken(), "assistant"))
        parts.append(Text(f"{'':{_MARGIN}}{self._hint}", "dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _status(self, now: float) -> Text:
        from rich.text import Text

        scene = self.scene
        mark, ascii_mark, colour = _STATES[scene.state]
        name: str = scene.state
        if name == "listening" and not scene.hears:
            mark, ascii_mark, name = "○", "o", self._idle()
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{ascii_mark if self._ascii else mark:>10} ", colour)
        line.append(f"{name:<{_MARGIN - 11}}", f"bold {colour}")
        if scene.missing:
            gone = " and ".join(f"{kind} {name!r}" for kind, name in scene.missing.items())
            return line.append(f"waiting for {gone}", "bold yellow")
        line.append_text(self._bar())
        if name == "thinking":
            line.append(f"  {'...' if self._ascii else _DOTS[int(now * 6) % len(_DOTS)]}", colour)
        return line

    def _bar(self) -> Text:
        """How loud the microphone is, from -60 dB to full scale."""
        from rich.text import Text

        level = self.scene.level
        rms, peak = (_db(level.rms), _db(level.peak)) if level else (_FLOOR_DB, _FLOOR_DB)
        cells = max(10, min(30, self._console.width - _MARGIN - 26))
        full, rest = ("#", "-") if self._ascii else ("━", "─")
        filled = round(cells * (1 - rms / _FLOOR_DB))
        top = round(cells * (1 - peak / _FLOOR_DB)) - 1

        def cell(at: int) -> tuple[str, str]:
            db = _FLOOR_DB * (1 - (at + 0.5) / cells)
            if at >= filled and at != top:
                return rest, "bright_black"
            return full, "red" if db > -3 else "yellow" if db > -12 else "green"

        bar = Text()
        for (mark, colour), run in groupby(map(cell, range(cells))):
            bar.append(mark * len(list(run)), colour)
        told = f"{peak:4.0f} dB" if level and peak > _FLOOR_DB else "silence"
        bar.append(f"  {told:<7}", "dim")
        if peak > -0.5:
            bar.append("  too loud: turn it down", "red")
        return bar

    def _spoken(self) -> Text:
        """The reply: what has been heard of it, then what is still to come."""
        from rich.text import Text

        reply = self.scene.reply
        heard = self._heard(reply) if self.scene.state != "thinking" else 0
        heard = up_to_grapheme(reply, heard)
        room = self._room()
        start = min(_tail(reply[:heard], room // 3), _tail(reply, room))
        end = start + _head(reply[start:], room)
        text = Text()
        text.append("… " if start else "", "dim")
        text.append(reply[start:heard], "magenta")
        text.append(reply[heard:end], "dim")
        return text.append(" …", "dim") if end < len(reply) else text

    def _tail(self, text: str) -> str:
        start = _tail(text, self._room())
        return f"… {text[start:]}" if start else text

    def _room(self) -> int:
        """Cells for a text that changes: a terminal cannot scroll back to redraw."""
        lines = max(1, min(4, (self._console.height - 6) // 2))
        return max(20, self._console.width - _MARGIN - 6) * lines

    def _row(self, line: Line) -> Table:
        from rich.text import Text

        _, style = _STYLES[line.who]
        text = Text(line.text, style)
        if line.aside:
            text.append(f" ({line.aside})", "dim italic")
        at = "" if line.at is None else f"{line.at:.1f} s"
        return self._grid(at, _name(line.who), text, line.who)

    def _grid(self, at: str, name: str, text: Text, who: Who) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid()
        grid.add_column(width=_MARGIN - 12, justify="right", no_wrap=True)
        grid.add_column(width=12, no_wrap=True)
        grid.add_column()
        grid.add_row(Text(f"{at}", "dim"), Text(f"  {name}", _STYLES[who][0]), text)
        return grid


def _head(text: str, cells: int) -> int:
    """How many of its first characters fit into so many cells."""
    return _fitting(list(graphemes(text)), text, cells)


def _tail(text: str, cells: int) -> int:
    """From which character on it fits into so many cells."""
    return len(text) - _fitting(list(graphemes(text))[::-1], text, cells)


def _fitting(characters: list[tuple[int, int]], text: str, cells: int) -> int:
    from rich.cells import cell_len

    fitting = 0
    for start, end in characters:
        cells -= cell_len(text[start:end])
        if cells < 0:
            break
        fitting += end - start
    return fitting


def _plain(line: Line) -> str:
    at = "" if line.at is None else f"{line.at:7.1f} s"
    aside = f" ({line.aside})" if line.aside else ""
    return f"{at:>9}  {_name(line.who):<11} {line.text}{aside}"


def _name(who: Who) -> str:
    return "" if who in ("notice", "times") else who


def _db(magnitude: float) -> float:
    return max(_FLOOR_DB, 20 * math.log10(magnitude)) if magnitude > 0 else _FLOOR_DB
