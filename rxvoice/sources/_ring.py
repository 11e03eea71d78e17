"""The ring in which a device's callback leaves its blocks: preallocated, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol


class TimeInfo(Protocol):
    """PortAudio's clock at a callback, in seconds."""

    @property
    def inputBufferAdcTime(self) -> float: ...

    @property
    def currentTime(self) -> float: ...


class Status(Protocol):
    """PortAudio's flags at a callback."""

    @property
    def input_overflow(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Block:
    """The frames of one callback.

    Args:
        data: the frames, as the device gave them.
        start: how many frames of the stream came before, with those that were lost.
        frames: how many there are.
        adc: when the first frame was captured, by PortAudio's clock.
        current: when the callback came, by PortAudio's clock.
        came: when the callback came, by the ring's clock.
        overflow: whether the sound system lost sound before this block.
    """

    data: bytes
    start: int
    frames: int
    adc: float
    current: float
    came: float
    overflow: bool


def wake_up(wake: Lock) -> None:
    """Release a lock that serves as a binary semaphore."""
    if wake.locked():
        try:  # noqa: SIM105 (a context manager would be one more object, in a callback)
            wake.release()
        except RuntimeError:  # another thread was faster
            pass


class Ring:
    """A ring of blocks with one writer, the callback, and one reader.

    The writer never waits. It says which slot it is about to write (`claimed`) and which it has
    written. The reader copies a slot first, and drops the copy if the slot was overwritten.

    Args:
        slots: how many blocks it holds.
        frames: how many frames a block has.
        frame_bytes: bytes of a frame, with all channels.
        keep_oldest: whether to lose the new block when the ring is full; if not, the oldest.
        wake: released at each block.
        clock: gives seconds.
    """

    __slots__ = (
        "_adc",
        "_bytes",
        "_came",
        "_claimed",
        "_clock",
        "_current",
        "_flagged",
        "_frame_bytes",
        "_keep_oldest",
        "_overflow",
        "_read",
        "_sizes",
        "_slots",
        "_starts",
        "_views",
        "_wake",
        "_written",
        "captured",
        "finished",
    )

    def __init__(
        self,
        *,
        slots: int,
        frames: int,
        frame_bytes: int,
        keep_oldest: bool,
        wake: Lock,
        clock: Callable[[], float],
    ) -> None:
        # One more, because the slot that is being written cannot be read.
        self._slots = slots + 1
        self._bytes = frames * frame_bytes
        self._frame_bytes = frame_bytes
        self._keep_oldest = keep_oldest
        self._wake = wake
        self._clock = clock
        self._views = [memoryview(bytearray(self._bytes)) for _ in range(self._slots)]
        self._sizes = [0] * self._slots
        self._starts = [0] * self._slots
        self._adc = [0.0] * self._slots
        self._current = [0.0] * self._slots
        self._came = [0.0] * self._slots
        self._overflow = [False] * self._slots
        self._flagged = False
        self._claimed = self._written = self._read = 0
        self.captured = 0
        self.finished = False

    def callback(
        self, data: bytes | memoryview, frames: int, time_info: TimeInfo, status: Status
    ) -> None:
        """Copy a block. PortAudio calls this on the audio thread."""
        start = self.captured
        self.captured = start + frames
        if status.input_overflow:
            self._flagged = True
        number = self._written
        if not self._keep_oldest or number - self._read < self._slots - 1:
            self._claimed = number + 1
            slot = number % self._slots
            size = len(data)
            if size == self._bytes:
                self._views[slot][:] = data
            else:  # PortAudio promises this size; more counts as lost
                size = min(size, self._bytes)
                self._views[slot][:size] = data[:size]
            self._sizes[slot] = size
            self._starts[slot] = start
            self._adc[slot] = time_info.inputBufferAdcTime
            self._current[slot] = time_info.currentTime
            self._came[slot] = self._clock()
            self._overflow[slot] = self._flagged
            self._flagged = False
            self._written = number + 1
        wake_up(self._wake)

    def finish(self) -> None:
        """Note that no more callbacks come. PortAudio calls this when a stream ends."""
        self.finished = True
        wake_up(self._wake)

    @property
    def is_empty(self) -> bool:
        """Whether all blocks were taken."""
        return self._read == self._written

    def take(self) -> Block | None:
        """Take the oldest block that is left; None if there is none."""
        while self._read < self._written:
            number = max(self._read, self._claimed - self._slots + 1)
            slot = number % self._slots
            size = self._sizes[slot]
            block = Block(
                bytes(self._views[slot][:size]),
                self._starts[slot],
                size // self._frame_bytes,
                self._adc[slot],
                self._current[slot],
                self._came[slot],
                self._overflow[slot],
            )
            overwritten = self._claimed - self._slots > number
            self._read = number + (0 if overwritten else 1)
            if not overwritten:
                return block
        return None
