"""A trace of each session, in a directory of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from reactivex import abc

from rxvoice.errors import ConfigError
from rxvoice.trace._recording import Recording

__all__ = ["Record", "Traces"]

Record: TypeAlias = Callable[[abc.SchedulerBase], Recording | None]
"""Begins the trace of a session, on its scheduler."""

_log = logging.getLogger("rxvoice")


class Traces:
    """Records sessions.

    Args:
        directory: where each session gets a directory, named after the time and its id.
        content: whether to keep texts and sound, not only their lengths.
    """

    def __init__(self, directory: Path, *, content: bool = True) -> None:
        self._directory = directory
        self._content = content

    def of(self, session: str) -> Record:
        """How a session is recorded. One whose trace cannot be written goes on without."""

        def record(scheduler: abc.SchedulerBase) -> Recording | None:
            began = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            directory = self._directory / f"{began}-{session}"
            command: dict[str, object] = {"name": "serve", "settings": {}}
            try:
                return Recording(directory, scheduler, command=command, content=self._content)
            except ConfigError as error:
                _log.error("a session is not recorded: %s", error)
                return None

        return record
