"""`TraceWriter`: the thread that writes the directory of a trace."""

from __future__ import annotations

import atexit
import errno
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from rxvoice.errors import ConfigError
from rxvoice.trace._growing_sound import GrowingSound

_log = logging.getLogger("rxvoice")

_EVERY_S = 0.25
"""How often it writes: what is not written yet is lost with the process."""
_MOST_WAITING = 20_000
"""Lines and pieces of sound that may wait for a slow disk: minutes of them."""
_SILENCE_AT_ONCE = 1 << 16
_CLOSE_S = 5.0

LINES = "trace.jsonl"


class TraceWriter:
    """Writes lines of JSON, and sound as FLAC, on a thread of its own.

    Nothing waits for it. When the disk is slow and too much waits, further lines are counted and
    left out, and a line "lost" says how many; a replay then ends there. Sound that finds no room
    becomes silence. When it cannot be written,
    as when the disk is full, it ends there, with one warning of the logger "rxvoice".

    Args:
        directory: is made; it must not exist, or be empty.
        header: the first line.

    Raises:
        ConfigError: it cannot be made, or holds something already.
    """

    def __init__(self, directory: Path, header: Mapping[str, object]) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise ConfigError(
                    f"the directory of a trace must be new or empty, and {directory} is not: give "
                    "another one for each conversation"
                )
            self._lines: BinaryIO = (directory / LINES).open("xb")
            self._write([header])
        except OSError as error:
            raise ConfigError(f"the trace {directory} cannot be written: {error}") from error
        self._waiting: deque[tuple[str, Any]] = deque()
        self._sounds: dict[str, GrowingSound] = {}
        self._offsets: dict[str, int] = {}
        self._silent: dict[str, int] = {}
        """Samples of each sound that found no room."""
        self._lost = 0
        self._failed = False
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rxvoice-trace", daemon=True)
        _at_work.add(self)
        self._thread.start()

    @property
    def directory(self) -> Path:
        """Where it writes."""
        return self._directory

    def line(self, line: Mapping[str, object]) -> None:
        """Add a line. It must not change afterwards."""
        if len(self._waiting) >= _MOST_WAITING or self._failed:
            self._lost += 1
            return
        if self._lost:
            self._waiting.append(("", {**line, "k": "lost", "n": self._lost}))
            self._lost = 0
        self._waiting.append(("", line))

    def sound(self, name: str, samples: NDArray[np.int16], sample_rate: int) -> int:
        """Add samples to the FLAC file of this name; returns the index of the first one in it."""
        at = self._offsets.get(name, 0)
        self._offsets[name] = at + len(samples)
        if self._failed:
            return at
        if len(self._waiting) >= _MOST_WAITING:
            # What follows keeps its place.
            self._silent[name] = self._silent.get(name, 0) + len(samples)
            return at
        if missing := self._silent.pop(name, 0):
            self._waiting.append((name, (missing, sample_rate)))
        self._waiting.append((name, (samples, sample_rate)))
        return at

    def end(self) -> None:
        """Have what waits written, and the thread end; does not wait for it."""
        self._ended.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Wait, after `end`, until the files are closed; returns whether they are."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._wake.wait(_EVERY_S)
                self._write_waiting()
            self._write_waiting()
        except Exception as error:
            self._fail(error)
        finally:
            self._close_files()
            _at_work.discard(self)

    def _write_waiting(self) -> None:
        if not os.fstat(self._lines.fileno()).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was deleted", str(self._directory / LINES))
        lines: list[Mapping[str, object]] = []
        for _ in range(len(self._waiting)):
            name, content = self._waiting.popleft()
            if not name:
                lines.append(content)
                continue
            samples, rate = content
            sound = self._sounds.get(name) or self._open(name, rate)
            for piece in _pieces(samples):
                sound.write(piece)
        for sound in self._sounds.values():
            sound.rest()
        # The lines come after the sound that they tell of.
        if lines:
            self._write(lines)

    def _write(self, lines: list[Mapping[str, object]]) -> None:
        # Half of an emoji, which some models give, is no UTF-8; as an escape it comes back.
        text = "".join(json.dumps(it, separators=(",", ":"), default=_plain) + "\n" for it in lines)
        self._lines.write(text.encode("ascii"))
        self._lines.flush()

    def _open(self, name: str, rate: int) -> GrowingSound:
        made = self._sounds[name] = GrowingSound(self._directory / f"{name}.flac", rate)
        return made

    def _close_files(self) -> None:
        for file in (*self._sounds.values(), self._lines):
            try:
                file.close()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Write no more, and say why: once, since what follows is of the same cause."""
        if not self._failed:
            self._failed = True
            _log.warning(
                "the trace %s stopped: %s; the conversation goes on",
                *(self._directory, error),
                exc_info=None if isinstance(error, OSError) else error,
            )
        self._waiting.clear()


def _pieces(samples: NDArray[np.int16] | int) -> Iterator[NDArray[np.int16]]:
    """The samples; or so much silence."""
    if not isinstance(samples, int):
        yield samples
        return
    for at in range(0, samples, _SILENCE_AT_ONCE):
        yield np.zeros(min(_SILENCE_AT_ONCE, samples - at), np.int16)


def _plain(value: object) -> object:
    """A number of numpy as JSON has it; anything else by its name."""
    return cast("object", value.item()) if isinstance(value, np.generic) else repr(value)


_at_work: set[TraceWriter] = set()


@atexit.register
def _at_exit() -> None:
    """Have each trace completed that is at work when the program ends."""
    for writer in [*_at_work]:
        writer.end()
    for writer in [*_at_work]:
        if not writer.join(_CLOSE_S):
            _log.warning("the trace %s is not complete after %g s", writer.directory, _CLOSE_S)
