"""One opened stream of a loudspeaker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import numpy as np

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice._audio.steady_offset import SteadyOffset
from rxvoice._platform import MAC_BUFFER_MS, platform

_BLOCK_MS = 10
_LATENCY_S = 0.03
"""The latency to ask for. Three blocks, because Python's lock may keep one waiting."""

_JUMP_S = 0.02
"""The device's clock differs by more than this after a gap, and by less because of jitter."""


class _Times(Protocol):
    currentTime: float
    outputBufferDacTime: float


class _Status(Protocol):
    output_underflow: bool


class OutputStream:
    """A stream that asks for sound until it is closed.

    Args:
        device: to play on.
        rate: Hz.
        render: called on the audio thread with a mono buffer to fill, the time at which its first
            sample leaves the loudspeaker, in seconds of ``time.monotonic()``, and whether the call
            before came too late.
        news: called, on any thread, at the first callback and when the stream ends.
        let_go: called, on any thread, just before the stream is closed to be opened again.
    """

    def __init__(
        self,
        device: devices.Device,
        rate: int,
        render: Callable[[Samples, float, bool], None],
        news: Callable[[], None],
        let_go: Callable[[], None],
    ) -> None:
        self._rate = rate
        self._render = render
        self._news = news
        # Some systems play a mono stream on the left side only.
        self._channels = min(2, device.outputs)
        self._mono = np.zeros(8192, np.float32)
        self._frames_before = 0
        self._clock: SteadyOffset | None = None  # when the first sample left the loudspeaker
        self._offset = 0.0  # from PortAudio's clock to ours
        self._closed = False
        self.ended = False
        """Whether the sound system has ended it."""
        self.called: float | None = None
        """When it last asked for sound; None before the first time."""
        self.since = time.monotonic()
        """When it was started."""
        block, latency = rate * _BLOCK_MS // 1000, _LATENCY_S
        if platform().is_mac:
            # The device's buffer is the least multiple of the block that holds the latency. It has
            # one buffer for both its sides, so the microphone's must not be larger. Its frames are
            # those of the device, whatever rate the stream has.
            block, latency = (device.sample_rate or rate) * MAC_BUFFER_MS // 1000, 0.0
        self._stream = devices.open_stream(
            device,
            "speaker",
            callback=self._callback,
            finished=self._on_end,
            let_go=let_go,
            samplerate=rate,
            channels=self._channels,
            dtype="float32",
            blocksize=max(1, block),
            latency=latency,
        )

    def start(self, prepare: Callable[[int], None]) -> None:
        """Start it, after `prepare` was called with its rate in Hz. Closes it if that fails."""
        try:
            self._offset = time.monotonic() - self._stream.time
            prepare(self._rate)
            self._stream.start()
        except BaseException:
            self.close()
            raise
        self.since = time.monotonic()

    def close(self) -> None:
        """Close it. From here on it gives silence."""
        self._closed = True
        self._stream.close()

    @property
    def device(self) -> devices.Device:
        """The device, where PortAudio lists it now."""
        return self._stream.device

    @property
    def was_let_go(self) -> bool:
        """Whether it was closed only to be opened again."""
        return self._stream.was_let_go

    @property
    def active(self) -> float:
        """When it last asked for sound, or was started."""
        return max(self.since, self.called or 0.0)

    def follow_clock(self) -> None:
        """Measure PortAudio's clock again: it may be the wall clock, which can be set."""
        with suppress(*devices.failures()):
            before, of_device = time.monotonic(), self._stream.time
            if time.monotonic() - before < 0.001:  # otherwise something came in between
                self._offset = before - of_device

    def _callback(self, data: memoryview, frames: int, times: _Times, status: _Status) -> None:
        """Fill a block, on the audio thread."""
        out = np.frombuffer(data, np.float32).reshape(frames, self._channels)
        if self._closed:
            out.fill(0)
            return
        if self.called is None:
            self._news()
        self.called = time.monotonic()
        if frames > len(self._mono):
            self._mono = np.zeros(frames, np.float32)
        # An echo canceller needs the time to the sample, and the same in all replies.
        lasted = self._frames_before / self._rate
        told = max(times.outputBufferDacTime, times.currentTime) + self._offset - lasted
        late = bool(status.output_underflow)
        if self._clock is None or late or abs(told - self._clock.value) > _JUMP_S:
            self._clock = SteadyOffset(told)
        else:
            self._clock.read(told)
        self._frames_before += frames
        mono = self._mono[:frames]
        self._render(mono, self._clock.value + lasted, late)
        for channel in range(self._channels):
            out[:, channel] = mono

    def _on_end(self) -> None:
        if not self._closed:
            self.ended = True
            self._news()
