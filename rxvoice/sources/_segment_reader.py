"""Reads the blocks of one stream of a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TypeAlias

import numpy as np

from rxvoice._audio.live_resample import LiveResampler
from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.events import Event, Notice
from rxvoice.sources._block_cutter import BlockCutter, zeros
from rxvoice.sources._losses import Cause, Losses
from rxvoice.sources._ring import Block
from rxvoice.sources._segment import CaptureOptions, Segment
from rxvoice.sources._zeros import Zeros

Elements: TypeAlias = Generator[AudioChunk | Event]

_SETTLE = 0.02
"""How much each block moves the clock. PortAudio's jitters by tens of milliseconds."""
_JITTER_S = 0.05
"""What may be jitter even where the sound system says that it lost something."""
_JUMP_S = 0.2
_JUMP_BLOCKS = 32
"""A jump of the clock that lasts for so many blocks is a loss, with or without a flag."""
_DOUBTFUL_BLOCKS = 8
"""CoreAudio tells of an overload on a thread of its own, so the gap may come some blocks later."""
_OFFSETS = 16
"""Of so many callbacks, the one that Python delayed least tells the offset of the clocks."""


class SegmentReader:
    """Gives what the blocks of one stream become, with silence for what is missing.

    Args:
        segment: the stream.
        options: what the subscriber asked for.
        out: cuts the samples into blocks.
        losses: counts what was lost.
        zeros: notices a microphone that gives nothing but zeros.
    """

    def __init__(
        self,
        segment: Segment,
        options: CaptureOptions,
        out: BlockCutter,
        losses: Losses,
        zeros: Zeros,
    ) -> None:
        self._segment = segment
        self._format = segment.format
        self._options = options
        self._out = out
        self._losses = losses
        self._resampler = LiveResampler(segment.format.rate, options.sample_rate)
        self.delay = self._resampler.delay
        """Samples, at the wanted rate, that come out so much later than they went in."""
        self._resamples = segment.format.rate != options.sample_rate
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)
        self._zeros = zeros
        zeros.opened(segment.device)
        self._overdriven = False
        self._origin = 0.0  # when frame 0 was captured, by the output's clock
        self._jumps = 0
        self._doubtful = 0  # blocks after a flag
        self._next = 0  # index in the stream of the next frame
        self.frames = 0
        """Frames so far, at the device's rate, with those of silence."""

    def captured(self, block: Block) -> float:
        """When the first frame of the block was captured, in seconds of ``time.monotonic()``.

        To be called once for each block, in order.
        """
        delay = block.current - block.adc
        if not (block.adc > 0 and 0 <= delay < 60):  # some sound systems do not say
            return block.came - block.frames / self._format.rate
        self._offsets.append(block.came - block.current)
        return min(block.adc + min(self._offsets), block.came - block.frames / self._format.rate)

    def begin(self, time: float) -> None:
        """Say when frame 0 was captured."""
        self._origin = time

    def take(self, block: Block, captured: float) -> Elements:
        """Give what a block becomes, after silence for what is missing before it."""
        if missing := block.start - self._next:
            yield from self._lost("full", missing)
        yield from self._keep_time(captured, block.overflow)
        ahead = self._origin + (self.frames + block.frames) / self._format.rate - block.came
        if ahead > 0:  # a block cannot come before its last frame was captured
            self._move(-ahead)
        self._next = block.start + block.frames
        yield from self._losses.report(self._out.position)
        samples = self._mono(block)
        peak = float(np.abs(samples).max(initial=0))
        if not peak <= 1:  # also when it is NaN
            if not self._overdriven:
                self._overdriven = True
                yield self._notice(
                    f"is too loud: its samples go up to {peak:.2f} and are limited to 1; lower its "
                    "gain"
                )
            samples = np.clip(np.nan_to_num(samples), -1, 1)
        if what := self._zeros.look(peak, block.frames / self._format.rate):
            yield self._notice(what)
        yield from self._feed(samples)

    def end(self) -> Elements:
        """Give what is left after the last block, with silence for what was lost at the end."""
        if missing := self._segment.ring.captured - self._next:
            yield from self._lost("full", missing)
        yield from self._out.add(self._limited(self._resampler.end()))

    def _notice(self, what: str) -> Notice:
        return Notice(f"the microphone {self._segment.device!r} {what}", stage="microphone")

    def _mono(self, block: Block) -> Samples:
        frames = np.frombuffer(block.data, self._format.dtype).reshape(-1, self._format.channels)
        if self._format.dtype == "int16":
            frames = from_pcm16(frames)
        channel = self._options.channel
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
        self._losses.add(cause, frames)
        yield from self._losses.report(self._out.position)
        if cause == "full":
            yield from self._losses.fail_if_wanted(self._out.position)
        for piece in zeros(frames, self._format.rate):
            yield from self._feed(piece)

    def _move(self, seconds: float) -> None:
        if self._out.base is not None:
            self._out.base += seconds
        self._origin += seconds

    def _keep_time(self, captured: float, overflow: bool) -> Elements:
        """Compare the device's clock with the time that its samples add up to."""
        rate = self._format.rate
        late = captured - (self._origin + self.frames / rate)
        self._jumps = self._jumps + 1 if abs(late) > _JUMP_S else 0
        lasting = self._jumps >= _JUMP_BLOCKS
        block_s = self._format.frames / rate
        least = block_s / 2 if self._losses.exact else max(_JITTER_S, block_s)
        if overflow:
            self._doubtful = _DOUBTFUL_BLOCKS if self._losses.exact else 1
        doubtful, self._doubtful = self._doubtful > 0, max(0, self._doubtful - 1)
        if late > 0 and (lasting or (doubtful and late > least)):
            self._jumps = 0
            yield from self._lost("device", round(late * rate))
        elif overflow:
            # Too little to be told from jitter: the loss is reported without its length.
            self._losses.flag(self._out.position)
            yield from self._losses.report(self._out.position)
        elif lasting:
            self._jumps = 0
            self._move(late)
        elif not self._jumps:
            self._move(_SETTLE * late)
