"""``rxvoice trace``: recorded conversations for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rxvoice.cli._commands import COMMANDS, Commands

if TYPE_CHECKING:
    from rxvoice.trace._export import Format

__all__ = ["add_trace", "export_trace"]

_EPILOG = """\
formats:
  perfetto  what ran when, for ui.perfetto.dev
  mcap      both sides' sound, texts and events, for Foxglove
  vtt       captions: what the user said, and what was heard of each reply
  audacity  a label track beside microphone.flac: File, Import, Labels
  otlp      OpenTelemetry's spans, as a collector reads them (OTLP, JSON)
  csv       a row for each turn, with the parts of its latency, for a spreadsheet

perfetto, mcap and otlp need pip install 'rxvoice[trace]'.

examples:
  rxvoice trace export talk-1 --to perfetto      writes talk-1/conversation.pftrace
  rxvoice trace export talk-1 --to csv -o turns.csv
"""


def add_trace(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "trace",
        help=COMMANDS["trace"],
        description="Work with recorded conversations.",
        epilog="`rxvoice trace export --help` lists the formats.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="commands", dest="action", required=True)
    exporter = actions.add_parser(
        "export",
        help="write a trace in the format of another tool",
        description="Write a recorded conversation in the format of another tool.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = ("perfetto", "mcap", "vtt", "audacity", "otlp", "csv")
    exporter.add_argument("trace", type=Path, metavar="DIR", help="the trace")
    exporter.add_argument("--to", required=True, choices=formats, help="the format; see below")
    exporter.add_argument(
        *("-o", "--output"),
        type=Path,
        metavar="FILE",
        help="the file to write; a file in DIR if it is not given",
    )


def export_trace(trace: Path, to: Format, output: Path | None = None) -> int:
    """Export the trace, and print where the file is.

    Args:
        trace: the directory of the trace.
        to: the format.
        output: the file to write; None for one in the directory of the trace.

    Returns:
        0.

    Raises:
        ConfigError: the trace cannot be read, or the file cannot be written.
        MissingDependency: the format wants a package that is not installed.
    """
    from rxvoice.trace import export

    path = export(trace, to, output)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
