"""From the blocks of a device to chunks, silence where sound is missing, and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.errors import QueueFull
from rxvoice.events import AudioLost, DeviceChanged, DeviceLost, DeviceRestored, Event, Notice
from rxvoice.sources._ring import Block, Ring

__all__ = ["CaptureOptions", "Format", "Overflow", "Segment", "capture"]

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "fail"]
Cause: TypeAlias = Literal["device", "full"]
Elements: TypeAlias = Generator[AudioChunk | Event]

_REPORT_S = 5
"""Losses are told of at most so often."""
_LAG_S = 0.5
"""How far silence for a lost device keeps behind the clock: a new one's first sound is older."""
_SETTLE = 0.02
"""How much each block moves the clock: that of PortAudio jitters by tens of milliseconds."""
_JITTER_S = 0.05
"""What may be jitter even where the sound system says that it lost something."""
_JUMP_S = 0.2
_JUMP_BLOCKS = 32
"""A jump of the clock that lasts is a loss, flag or no flag."""
_OFFSETS = 16
"""Callbacks among which the one that Python delayed least tells the clocks' difference."""
_SILENT_S = 2
"""After so much digital silence at the beginning, permission is missing."""

_REMEDIES: dict[Cause, str] = {
    "device": "the sound system was served too late: close what else keeps the processor busy",
    "full": "the subscriber took too long: move slow work to another thread, or allow a longer "
    "wait with microphone(max_ms=...)",
}


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the subscriber asked for, see `microphone`."""

    sample_rate: int
    block_ms: int
    channel: int | None
    max_ms: int
    overflow: Overflow


@dataclass(frozen=True, slots=True)
class Format:
    """How a device was opened: Hz, frames of a block, channels and the type of samples."""

    rate: int
    frames: int
    channels: int
    dtype: Literal["float32", "int16"]


@dataclass(slots=True)
class Segment:
    """One opened stream.

    Args:
        device: its name.
        over: why it ended; set after its last callback.
        replaced: whether that was because the app has chosen another device; set before.
    """

    device: str
    format: Format
    ring: Ring
    over: str | None = None
    replaced: bool = False


def capture(
    inbox: deque[Segment],
    settings: CaptureOptions,
    now: Callable[[], float],
    permission: str | None,
) -> Generator[AudioChunk | Event | None]:
    """Endless: each element as it is ready, None where there is none for now.

    Args:
        inbox: streams in the order in which they were opened.
        now: seconds of ``time.monotonic()``.
        permission: what to say where a microphone gives nothing but zeros.
    """
    out = _Output(settings)
    tally = _Tally(settings)
    restoring = False  # there is no device, and the subscriber knows
    lost_at = 0.0
    before: str | None = None  # the device that the app has given up for the next one
    while True:
        if not inbox:
            if restoring:
                yield from out.silence_until(now() - _LAG_S)
            yield None
            continue
        item = inbox[0]
        source = _Source(item, settings, out, tally, permission)
        while True:
            over = item.over
            block = item.ring.take()
            if block is not None:
                captured = source.captured(block)
                if not source.frames:
                    began = captured - block.start / item.format.rate
                    yield from out.silence_until(began)
                    out.set_time(began)
                    source.begin(began)
                    if restoring:
                        gone_ms = round(1000 * max(0.0, began - lost_at))
                        yield DeviceRestored("microphone", item.device, gone_ms)
                        restoring = False
                    elif before is not None:
                        yield DeviceChanged("microphone", item.device, before)
                    before = None
                yield from source.take(block, captured)
            elif over is None:
                if restoring:
                    yield from out.silence_until(now() - _LAG_S)
                yield None
            else:
                break
        yield from source.end()
        if item.replaced:
            before = before or item.device
        elif not restoring:
            lost_at = now() if out.time is None else out.time
            yield DeviceLost("microphone", item.device, over)
            restoring = True
        inbox.popleft()


class _Output:
    """Cuts samples into blocks, and knows when each was captured."""

    def __init__(self, settings: CaptureOptions) -> None:
        self._rate = settings.sample_rate
        self._block_ms = settings.block_ms
        self._held: list[Samples] = []
        self._blocks = 0
        self._start = 0  # of what is held
        self.position = 0
        self.base: float | None = None  # when sample 0 was captured

    def set_time(self, time: float) -> None:
        """Say when the next sample was captured."""
        self.base = time - self.position / self._rate

    @property
    def time(self) -> float | None:
        """When the next sample was captured, as far as is known."""
        return None if self.base is None else self.base + self.position / self._rate

    def add(self, samples: Samples) -> Elements:
        """The blocks that are complete with these."""
        self._held.append(samples)
        self.position += len(samples)
        while self.position >= (border := self._border()):
            held = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
            size = border - self._start
            block, rest = held[:size], held[size:]
            block.flags.writeable = False
            self._held = [rest] if len(rest) else []
            start, self._start = self._start, border
            self._blocks += 1
            time = None if self.base is None else self.base + start / self._rate
            yield AudioChunk(block, self._rate, start, time=time)

    def _border(self) -> int:
        return (self._blocks + 1) * self._block_ms * self._rate // 1000

    def silence_until(self, time: float) -> Elements:
        """Zeros from the last sample to that time, in whole samples."""
        if self.base is not None:
            missing = round((time - self.base) * self._rate) - self.position
            for piece in _zeros(missing, self._rate):
                yield from self.add(piece)


class _Source:
    """One stream's way to the output."""

    def __init__(
        self,
        segment: Segment,
        settings: CaptureOptions,
        out: _Output,
        tally: _Tally,
        permission: str | None,
    ) -> None:
        self._segment = segment
        self._format = segment.format
        self._settings = settings
        self._out = out
        self._tally = tally
        self._resampler = SoxrResampler(segment.format.rate, settings.sample_rate)
        self._resamples = segment.format.rate != settings.sample_rate
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)
        self._permission = permission
        self._overdriven = False
        self._origin = 0.0  # when frame 0 was captured, as the output has it
        self._jumps = 0
        self._next = 0  # index in the stream of the next frame that the ring gives
        self.frames = 0  # of the output's time, silence too

    def captured(self, block: Block) -> float:
        """When its first frame was, by ``time.monotonic()``. Once for each block."""
        delay = block.current - block.adc
        if not (block.adc > 0 and 0 <= delay < 60):  # some sound systems do not say
            return block.came - block.frames / self._format.rate
        self._offsets.append(block.came - block.current)
        return min(block.adc + min(self._offsets), block.came - block.frames / self._format.rate)

    def begin(self, time: float) -> None:
        """Say when frame 0 was captured."""
        self._origin = time

    def take(self, block: Block, captured: float) -> Elements:
        """What a block gives, after silence for what is missing before it."""
        if missing := block.start - self._next:
            yield from self._lost("full", missing)
        yield from self._keep_time(captured, block.overflow)
        ahead = self._origin + (self.frames + block.frames) / self._format.rate - block.came
        if ahead > 0:  # nothing is heard before it is said
            self._move(-ahead)
        self._next = block.start + block.frames
        yield from self._tally.report(self._out.position)
        samples = self._mono(block)
        peak = float(np.abs(samples).max(initial=0))
        if not peak <= 1:  # no number, too
            if not self._overdriven:
                self._overdriven = True
                yield Notice(
                    f"the microphone {self._segment.device!r} is too loud: its samples go up to "
                    f"{peak:.2f} and are limited to 1; lower its gain",
                    stage="microphone",
                )
            samples = np.clip(np.nan_to_num(samples), -1, 1)
        if self._permission:
            if peak > 0:
                self._permission = None
            elif self.frames >= _SILENT_S * self._format.rate:
                notice = Notice(
                    f"the microphone {self._segment.device!r} gives nothing but zeros: "
                    f"{self._permission}",
                    stage="microphone",
                )
                self._permission = None
                yield notice
        yield from self._feed(samples)

    def end(self) -> Elements:
        """After the last block: what is left, with what was lost at the end."""
        if missing := self._segment.ring.captured - self._next:
            yield from self._lost("full", missing)
        yield from self._out.add(self._limited(self._resampler.end()))

    def _mono(self, block: Block) -> Samples:
        frames = np.frombuffer(block.data, self._format.dtype).reshape(-1, self._format.channels)
        if self._format.dtype == "int16":
            frames = from_pcm16(frames)
        channel = self._settings.channel
        if self._format.channels == 1:
            channel = 0
        if channel is not None and channel < self._format.channels:
            return np.ascontiguousarray(frames[:, channel])
        return frames.mean(axis=1, dtype=np.float32)

    def _feed(self, samples: Samples) -> Elements:
        self.frames += len(samples)
        yield from self._out.add(self._limited(self._resampler.feed(samples)))

    def _limited(self, samples: Samples) -> Samples:
        # Resampling overshoots at full scale.
        return np.clip(samples, -1, 1) if self._resamples else samples

    def _lost(self, cause: Cause, frames: int) -> Elements:
        self._tally.add(cause, frames)
        yield from self._tally.report(self._out.position)
        if cause == "full":
            yield from self._tally.check(self._out.position)
        for piece in _zeros(frames, self._format.rate):
            yield from self._feed(piece)

    def _move(self, seconds: float) -> None:
        if self._out.base is not None:
            self._out.base += seconds
        self._origin += seconds

    def _keep_time(self, captured: float, overflow: bool) -> Elements:
        """Compare the device's clock with what its samples add up to."""
        rate = self._format.rate
        late = captured - (self._origin + self.frames / rate)
        self._jumps = self._jumps + 1 if abs(late) > _JUMP_S else 0
        lasting = self._jumps >= _JUMP_BLOCKS
        least = max(_JITTER_S, self._format.frames / rate)
        if late > 0 and (lasting or (overflow and late > least)):
            self._jumps = 0
            yield from self._lost("device", round(late * rate))
        elif overflow:
            # Too little to be told from jitter: it is reported, its length is not known.
            yield from self._lost("device", 0)
        elif lasting:
            self._jumps = 0
            self._move(late)
        elif not self._jumps:
            self._move(_SETTLE * late)


@dataclass(slots=True)
class _Losses:
    unreported: int = 0
    open: bool = False
    last: int | None = None


@dataclass(slots=True)
class _Tally:
    """What was lost, and when that was last said."""

    settings: CaptureOptions
    total: int = 0
    causes: dict[Cause, _Losses] = field(
        default_factory=lambda: {"device": _Losses(), "full": _Losses()}
    )

    def add(self, cause: Cause, frames: int) -> None:
        self.total += frames
        losses = self.causes[cause]
        losses.unreported += frames
        losses.open = True

    def report(self, position: int) -> Elements:
        """Say it, once and then every few seconds."""
        for cause, losses in self.causes.items():
            recent = losses.last is not None and (
                position - losses.last < _REPORT_S * self.settings.sample_rate
            )
            if losses.open and not recent:
                lost, losses.unreported, losses.open = losses.unreported, 0, False
                losses.last = position
                yield AudioLost(lost, self.total, cause, _REMEDIES[cause])

    def check(self, position: int) -> Elements:
        """Raise where the app wants to hear of it as an error, after all that there is to say."""
        if self.settings.overflow == "fail":
            for losses in self.causes.values():
                losses.last = None
            yield from self.report(position)
            raise QueueFull(
                f"the microphone's buffer of {self.settings.max_ms} ms was full and "
                f"{self.total} samples were lost: {_REMEDIES['full']}"
            )


def _zeros(count: int, most: int) -> Generator[Samples]:
    while count > 0:
        size = min(count, most)
        yield np.zeros(size, np.float32)
        count -= size
