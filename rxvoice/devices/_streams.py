"""Streams of PortAudio that close in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

from rxvoice._platform import platform
from rxvoice.devices import _hal
from rxvoice.devices._device import Device, Kind

_log = logging.getLogger("rxvoice")

_PATIENCE_S = 0.5
"""How long a stream may take to stop by itself before it is closed."""
_HANGS_S = 2.0
"""A call of PortAudio that takes longer hangs for ever."""

refreshing = threading.RLock()
"""Held while PortAudio looks for devices, so that nothing is opened or listed meanwhile."""
_calls = threading.Lock()
"""Held by the calls that change PortAudio's list of open streams, which has no lock of its own."""
open_ones: set[DeviceStream] = set()
"""Those that PortAudio has open. It may be closing some."""


class _Raw(Protocol):
    """A stream of sounddevice."""

    @property
    def time(self) -> float: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


class DeviceStream:
    """A stream that `open_stream` has opened."""

    def __init__(
        self,
        device: Device,
        kind: Kind,
        callback: Callable[..., None],
        finished: Callable[[], None],
        let_go: Callable[[], None],
        abort: type[Exception],
    ) -> None:
        self.device = device
        self.kind: Kind = kind
        self.was_let_go = False
        """Whether it was closed only to be opened again."""
        self._callback = callback
        self._finished = finished
        self._let_go = let_go
        # CoreAudio may hang when it closes a stream that runs, so the stream stops by itself first.
        self._abort = abort if platform().is_mac else None
        self._raw: _Raw | None = None
        self._using = threading.Lock()
        self._running = self._closing = self._told = False
        self._ended, self._wanted, self._closed = (threading.Event() for _ in range(3))
        # Made now, because the interpreter starts no thread when it exits.
        self._closer = threading.Thread(target=self._close, name="rxvoice-closer", daemon=True)

    def open(self, make: Callable[..., _Raw], options: dict[str, Any]) -> None:
        """Open it. Raises one of `failures`."""
        self._raw = make(
            device=self.device.index, callback=self._call, finished_callback=self._end, **options
        )
        self._closer.start()

    def start(self) -> None:
        """Start it. Raises one of `failures`."""
        with self._use() as raw:
            self._running = True
            raw.start()

    @property
    def time(self) -> float:
        """PortAudio's clock, in seconds. Raises one of `failures`."""
        with self._use() as raw:
            return raw.time

    @contextmanager
    def _use(self) -> Generator[_Raw]:
        if self._raw is None or self._closing or not self._using.acquire(blocking=False):
            raise OSError(f"the stream of {self.device.name!r} is closed")
        try:
            yield self._raw
        finally:
            self._using.release()

    def hand_back(self) -> None:
        """Begin to close it, and tell its owner to open it again. Returns at once."""
        self.was_let_go = True
        self._let_go()
        self.begin_to_close()

    @property
    def is_closing(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._closing

    def begin_to_close(self) -> None:
        """Close it soon. Returns at once."""
        self._closing = True
        self._wanted.set()

    def close(self) -> None:
        """Close it, within 2.5 s. Again does nothing. Must not be called in its callback."""
        self.begin_to_close()
        if not self._closed.wait(_PATIENCE_S + _HANGS_S) and self not in _hal.stuck:
            _hal.stuck.add(self)
            _log.warning(
                "closing the %s %r hangs: until the program is started again there may be no sound",
                self.kind,
                self.device.name,
            )

    def _close(self) -> None:
        """Close it, once that is wanted, on a thread of its own."""
        self._wanted.wait()
        if self._abort is not None and self._running:
            self._ended.wait(_PATIENCE_S)
        calls, using = (lock.acquire(timeout=_HANGS_S) for lock in (_calls, self._using))
        try:
            assert self._raw is not None
            self._raw.close()
        except Exception as error:
            _log.warning("the %s %r did not close: %s", self.kind, self.device.name, error)
        finally:
            for lock, held in ((self._using, using), (_calls, calls)):
                if held:
                    lock.release()
        open_ones.discard(self)
        _hal.stuck.discard(self)
        self._closed.set()
        self._end()

    def _call(self, *arguments: Any) -> None:
        """Serve the device, on the audio thread."""
        if self._closing and self._abort is not None:
            raise self._abort
        self._callback(*arguments)

    def _end(self) -> None:
        """Note that no more calls come. On any thread."""
        self._ended.set()
        if not self._told:
            self._told = True
            self._finished()


def close_all() -> None:
    """Close what is open when the program ends: sounddevice would close streams that run."""
    streams = list(open_ones)
    for stream in streams:
        stream.begin_to_close()
    for stream in streams:
        stream.close()


def close_stream(stream: DeviceStream) -> None:
    """Close a stream, as `DeviceStream.close`."""
    stream.close()


@contextmanager
def one_call() -> Generator[None]:
    """Make one call of PortAudio. OSError if another one hangs."""
    if _hal.stuck or not _calls.acquire(timeout=_HANGS_S):
        raise OSError("the sound system hangs: start the program again")
    try:
        yield
    finally:
        _calls.release()


def is_open() -> bool:
    """Whether a stream is open."""
    return any(not it.is_closing for it in list(open_ones))


def reopen_speakers(name: str) -> None:
    """Let the loudspeakers of this name be opened again: their device works differently now."""
    for stream in list(open_ones):
        if (stream.kind, stream.device.name) == ("speaker", name) and not stream.is_closing:
            stream.hand_back()
