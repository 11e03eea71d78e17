"""A conversation's events as JSON Lines, in the schema of a trace."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from rxvoice._files.output import output
from rxvoice.chunks import AudioChunk
from rxvoice.events import Event, Level
from rxvoice.trace._described import described
from rxvoice.trace._header import header


class TranscriptFile:
    """Writes each event as a line of JSON. `rxvoice.trace.read` reads it.

    The first line is the header: the version, when it began, the command and its settings. Each
    other line has ``"k": "out"``, the event as ``"e"``, its ``"turn"``, its fields as ``"v"``, the
    seconds since the beginning as ``"t"``, and the samples of the microphone before it as ``"s"``.

    A line is in the file when `write` returns. `Level` is left out: it comes ten times a second and
    is of no use later. The first event begins the file. `close` replaces an old file, unless the
    ``with`` block ends with an error (`OutputFile`).

    Args:
        to: a path in a directory that exists, or a stream.
        command: the command and its settings, for the header.
        clock: seconds, from any start.

    Raises:
        ConfigError: the path cannot be written.
    """

    def __init__(
        self,
        to: Path | BinaryIO,
        command: Mapping[str, object] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._header = header(self._began, command, content=True)
        self._output = output(to)
        self._samples = self._lines = 0
        self._failed = self._closed = False

    @property
    def where(self) -> Path:
        """Where the file is: its path, or beside the path while an old file is there."""
        return self._output.where

    def hear(self, chunk: object) -> None:
        """Count the samples of the microphone."""
        if isinstance(chunk, AudioChunk):
            self._samples += len(chunk.samples)

    def write(self, event: Event) -> None:
        """Add an event. After `close`, do nothing."""
        if isinstance(event, Level) or self._closed:
            return
        if not self._lines:
            self._put(self._header)
        self._lines += 1
        at = round(self._clock() - self._began, 6)
        line = {"k": "out", "a": self._lines, "t": at, "s": self._samples}
        self._put({**line, **described(event)})

    def _put(self, line: Mapping[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False, default=repr) + "\n"
        try:
            # Some models give half of an emoji, which UTF-8 cannot hold.
            file = self._output.open()
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
        except OSError:
            self._failed = True
            raise

    def close(self) -> None:
        """Finish the file. A second call does nothing."""
        self._closed = True
        self._output.complete = not self._failed
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._failed = self._failed or error is not None
        self.close()
