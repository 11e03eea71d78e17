"""A conversation's events as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from rxvoice._files.output import output
from rxvoice.events import Event, Level


def _now() -> datetime:
    return datetime.now(UTC)


class TranscriptFile:
    """Writes each event as a line of JSON: ``"time"`` in UTC, and the event's `Event.as_json`.

    A line is in the file when `write` returns. `Level` is left out: it comes ten times a second and
    is of no use later. The first event begins the file. `close` replaces an old file, unless the
    ``with`` block ends with an error (`OutputFile`).

    Args:
        to: a path in a directory that exists, or a stream.
        now: returns the time of an event.

    Raises:
        ConfigError: the path cannot be written.
    """

    def __init__(self, to: Path | BinaryIO, *, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._output = output(to)
        self._failed = self._closed = False

    @property
    def where(self) -> Path:
        """Where the file is: its path, or beside the path while an old file is there."""
        return self._output.where

    def write(self, event: Event) -> None:
        """Add an event. After `close`, do nothing."""
        if isinstance(event, Level) or self._closed:
            return
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, **event.as_json()}, ensure_ascii=False) + "\n"
        try:
            # Some models give half of an emoji, which UTF-8 cannot hold.
            file = self._output.open()
            file.write(line.encode("utf-8", "backslashreplace"))
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
