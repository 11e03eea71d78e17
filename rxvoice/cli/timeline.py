"""``rxvoice timeline``: a recorded conversation on one axis of time."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from rxvoice.cli._commands import COMMANDS, Commands

__all__ = ["add_timeline", "timeline"]

_EPILOG = """\
DIR is what `rxvoice talk --trace DIR` has written. The format is that of the file's name:
  .html   a page to zoom, to search and to listen to; it needs nothing but a browser
  .svg    a picture, in rows of 30 seconds
  .png    the same; this needs pip install 'rxvoice[trace]'

Under each turn stands what the user waited for: parts that sum to the time from the end of the
speech to the first sound heard, each with the part of the pipe that took it.

examples:
  rxvoice timeline talk-1                        writes timeline.html
  rxvoice timeline talk-1 -o turn.svg --from 0:30 --to 0:45
  rxvoice timeline talk-1 -o turn.png --from 30 --to 45 --dark
"""


def add_timeline(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "timeline",
        help=COMMANDS["timeline"],
        description="Draw a recorded conversation on one axis of time: both sides, the turns, what "
        "each model did, what was heard, and what the user waited for.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", type=Path, metavar="DIR", help="the trace")
    parser.add_argument(
        *("-o", "--output"),
        type=Path,
        default=Path("timeline.html"),
        metavar="FILE",
        help="the file to write: .html, .svg or .png (timeline.html)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=seconds,
        default=0.0,
        metavar="TIME",
        help="where to begin, as 0:30 or in seconds (0:00)",
    )
    parser.add_argument(
        "--to",
        dest="end",
        type=seconds,
        metavar="TIME",
        help="where to end, likewise; the end of the conversation if it is not given",
    )
    parser.add_argument(
        "--dark", action="store_true", help="draw a picture light on dark; a page asks its reader"
    )


def timeline(
    trace: Path,
    output: Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    dark: bool = False,
) -> int:
    """Draw the timeline, and print where it is.

    Args:
        trace: the directory of the trace.
        output: the file to write.
        start: where to begin, in seconds.
        end: where to end; None for the end of the conversation.
        dark: draw light on dark.

    Returns:
        0.

    Raises:
        ConfigError: the trace cannot be read, or the file cannot be written.
        MissingDependency: a .png wants a package that is not installed.
    """
    from rxvoice.trace import timeline as draw

    path = draw(trace, output, start_s=start, end_s=end, dark=dark)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


_TIME = re.compile(r"(?:(?:(\d{1,4}):)?([0-5]?\d):)?([0-5]?\d(?:\.\d+)?)|(\d{1,6}(?:\.\d+)?)")


def seconds(text: str) -> float:
    """A time as people write it, such as 0:30, 1:02:03 or 90."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a time such as 0:30 or 30, got {text!r}")
    hours, minutes, rest, alone = found.groups()
    if alone is not None:
        return float(alone)
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)
