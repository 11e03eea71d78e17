"""A conversation's events as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rxvoice.elements import Event
from rxvoice.errors import ConfigError
from rxvoice.events import Level

__all__ = ["TranscriptFile"]


def _now() -> datetime:
    return datetime.now(UTC)


class TranscriptFile:
    """Writes each event as a line of JSON: ``"time"``, in UTC, and what `Event.as_json` gives.

    A line is in the file when `write` returns. `Level`, which is told ten times a second and says
    nothing later, is left out.

    Args:
        path: replaced where it is there. Its directory exists.
        now: the time of an event.

    Raises:
        ConfigError: the path cannot be written.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigError(f"cannot write the transcript {path}: {error.strerror}") from error

    def write(self, event: Event) -> None:
        """Add an event."""
        if isinstance(event, Level):
            return
        time = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time, **event.as_json()}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish the file; again does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
