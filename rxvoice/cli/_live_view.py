"""A conversation on a terminal: lines that stay, and below them a few that are redrawn."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rxvoice._text.words import graphemes, up_to_grapheme
from rxvoice.cli._scene import UNBROKEN, Scene, SceneLine, State, Who
from rxvoice.cli._view import name_of
from rxvoice.cli._waited import waited
from rxvoice.events import Event

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_MARGIN = 21
"""Columns before the text, for the time and the speaker."""

_ROOM_FOR_WAITED = 14
"""Lines of a terminal that also shows the latency of the last turn."""

_FLOOR_DB = -60.0

_STATES: dict[State, tuple[str, str, str]] = {
    # the mark, the mark in ASCII, the colour
    "listening": ("●", "*", "green"),
    "thinking": ("◆", "~", "yellow"),
    "speaking": ("▶", ">", "magenta"),
    "paused": ("‖", "=", "bright_yellow"),
}
_DOTS = ("·  ", "·· ", "···", " ··", "  ·", "   ")

_STYLES: dict[Who, tuple[str, str]] = {
    # the style of the name, the style of the text
    "you": ("bold cyan", ""),
    "assistant": ("bold magenta", ""),
    "notice": ("dim", "dim"),
    "warning": ("bold yellow", "yellow"),
    "error": ("bold red", "red"),
    "times": ("dim", "dim"),
}


class LiveView:
    """Shows a conversation on a terminal: lines that stay, and a few below them that change.

    Args:
        console: rich's console.
        heard: returns how many characters of a reply have left the loudspeaker.
        hint: what the keys do; shown at the bottom.
        idle: returns the name of the state while nobody speaks, such as ``"waiting"``.
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
        """Print the lines that the event completes, above the changing lines."""
        for line in self.scene.on(event):
            self._console.print(self._row(line))

    def draw(self, now: float) -> None:
        """Redraw the changing lines."""
        self._live.update(self.render(now), refresh=True)

    def say(self, text: str) -> None:
        """Print a line above the changing lines."""
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
        """Erase the changing lines; the others stay."""
        self._live.stop()

    def render(self, now: float) -> RenderableType:
        """The lines that change."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text(), self._status(now)]
        if self.scene.waited and self._console.height >= _ROOM_FOR_WAITED:
            parts += waited(self.scene.waited, self._console.width, ascii_only=self._ascii)
        if self.scene.user_speaks or self.scene.partial:
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
        if name == "listening" and not scene.user_speaks:
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
        """Draw the level of the microphone, from -60 dB to full scale."""
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
        """Draw the reply: the part that was heard, then the rest."""
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
        """How many cells a changing text may fill: a terminal cannot redraw what scrolled away."""
        lines = max(1, min(4, (self._console.height - 6) // 2))
        return max(20, self._console.width - _MARGIN - 6) * lines

    def _row(self, line: SceneLine) -> Table:
        from rich.text import Text

        _, style = _STYLES[line.who]
        said = line.text
        if UNBROKEN in said:  # rich would wrap there
            said = "\n".join(textwrap.wrap(said, max(20, self._console.width - _MARGIN)))
        text = Text(said.replace(UNBROKEN, " "), style)
        if line.aside:
            text.append(f" ({line.aside})", "dim italic")
        at = "" if line.at is None else f"{line.at:.1f} s"
        return self._grid(at, name_of(line.who), text, line.who)

    def _grid(self, at: str, name: str, text: Text, who: Who) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid()
        grid.add_column(width=_MARGIN - 12, justify="right", no_wrap=True)
        grid.add_column(width=12, no_wrap=True)
        grid.add_column()
        grid.add_row(Text(at, "dim"), Text(f"  {name}", _STYLES[who][0]), text)
        return grid


def _head(text: str, cells: int) -> int:
    """Return how many of the first characters fit into this many cells."""
    return _fitting(list(graphemes(text)), text, cells)


def _tail(text: str, cells: int) -> int:
    """Return the first character from which the rest fits into this many cells."""
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


def _db(magnitude: float) -> float:
    return max(_FLOOR_DB, 20 * math.log10(magnitude)) if magnitude > 0 else _FLOOR_DB
