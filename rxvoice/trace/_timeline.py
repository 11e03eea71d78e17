"""`timeline`: draws a trace into a file."""

from __future__ import annotations

import os
from pathlib import Path

from rxvoice._check import file_path
from rxvoice._files.output import OutputFile
from rxvoice._files.whole import replace_file
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.trace._page import page
from rxvoice.trace._reading import read
from rxvoice.trace._story import TraceStory
from rxvoice.trace._svg import svg
from rxvoice.trace._telling import story

LONGEST_S = 6 * 3600.0
"""Of a stretch that is drawn."""
_SUFFIXES = (".html", ".svg", ".png")


def timeline(
    trace: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    dark: bool = False,
) -> Path:
    """Draw a recorded conversation on one axis of time.

    A page has all of it in one file, with its sound, and asks no host for anything. A picture has
    rows of 30 seconds, or one row for up to 40.

    Args:
        trace: the directory of the trace.
        output: the file to write: .html, .svg or .png.
        start_s: where to begin, in seconds since the trace began.
        end_s: where to end, likewise; None for the end of the trace.
        dark: draw a picture light on dark. A page, and an .svg without this, follow the reader's
            setting.

    Returns:
        The path of the file.

    Raises:
        ConfigError: the trace cannot be read, the stretch is empty, or the file cannot be written.
        MissingDependency: a .png wants resvg, which is not installed.
    """
    path = file_path("timeline output", output)
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(
            f"cannot draw {path}: a timeline is written to .html, .svg or .png; choose one of these"
        )
    OutputFile(path)  # raises if it cannot be written
    told = story(read(trace))
    start, end = stretch(told, start_s, end_s)
    match path.suffix.lower():
        case ".html":
            data = page(told, start, end).encode()
        case ".svg":
            data = svg(told, start, end, dark=dark).encode()
        case _:
            data = _png(svg(told, start, end, dark=dark))
    replace_file(path, data)
    return path


def stretch(told: TraceStory, start_s: float, end_s: float | None) -> tuple[float, float]:
    """Where to begin and to end.

    Raises:
        ConfigError: there is nothing between, or too much.
    """
    end = told.duration if end_s is None else min(end_s, told.duration)
    if not (0 <= start_s < end):
        raise ConfigError(
            f"there is nothing from {start_s:g} s to {end if end_s is None else end_s:g} s: the "
            f"conversation has {told.duration:.1f} s"
        )
    if end - start_s > LONGEST_S:
        raise ConfigError(
            f"a timeline has at most {LONGEST_S / 3600:g} hours, and this is "
            f"{(end - start_s) / 3600:.1f}: choose a stretch (--from and --to)"
        )
    return start_s, end


def _png(picture: str) -> bytes:
    try:
        import resvg_py
    except ImportError as error:
        raise MissingDependency(
            "a .png wants resvg: pip install 'rxvoice[trace]', or draw an .svg"
        ) from error
    return bytes(resvg_py.svg_to_bytes(svg_string=picture, zoom=2))
