"""`export`: writes a trace in the format of another tool."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from rxvoice._check import file_path
from rxvoice._files.output import OutputFile
from rxvoice._files.whole import replace_file
from rxvoice.errors import ConfigError
from rxvoice.trace._export.labels import audacity, vtt
from rxvoice.trace._export.mcap import mcap
from rxvoice.trace._export.otlp import otlp
from rxvoice.trace._export.perfetto import perfetto
from rxvoice.trace._export.table import csv
from rxvoice.trace._reading import read
from rxvoice.trace._story import TraceStory
from rxvoice.trace._telling import story

Format: TypeAlias = Literal["perfetto", "mcap", "vtt", "audacity", "otlp", "csv"]

FORMATS: Mapping[Format, str] = {
    "perfetto": ".pftrace",
    "mcap": ".mcap",
    "vtt": ".vtt",
    "audacity": ".txt",
    "otlp": ".otlp.json",
    "csv": ".csv",
}
"""Each format, and what its files' names end with."""

_WRITERS: Mapping[Format, Callable[[TraceStory], bytes]] = {
    "perfetto": perfetto,
    "mcap": mcap,
    "vtt": vtt,
    "audacity": audacity,
    "otlp": otlp,
    "csv": csv,
}


def export(
    trace: str | os.PathLike[str], to: Format, output: str | os.PathLike[str] | None = None
) -> Path:
    """Write a recorded conversation in the format of another tool.

    Args:
        trace: the directory of the trace.
        to: ``"perfetto"``: a trace of what ran when, for ui.perfetto.dev. ``"mcap"``: a recording
            with both sides' sound, for Foxglove. ``"vtt"``: captions of what was said and heard.
            ``"audacity"``: a label track that lies beside microphone.flac. ``"otlp"``:
            OpenTelemetry's spans. ``"csv"``: a row for each turn, with the parts of its latency.
        output: the file to write; None for one in the directory of the trace.

    Returns:
        The path of the file.

    Raises:
        ConfigError: there is no such format, the trace cannot be read, or the file cannot be
            written.
        MissingDependency: the format wants a package that is not installed.
    """
    if to not in get_args(Format):
        raise ConfigError(f"cannot export to {to!r}: there are {', '.join(get_args(Format))}")
    if output is None:
        path = file_path("the trace", trace) / f"conversation{FORMATS[to]}"
    else:
        path = file_path("export output", output)
    told = story(read(trace))
    OutputFile(path)  # raises if it cannot be written
    replace_file(path, _WRITERS[to](told))
    return path
