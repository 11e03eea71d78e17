"""From the blocks of a device to chunks, silence where sound is missing, and events."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

import numpy as np

from rxvoice.chunks import AudioChunk
from rxvoice.events import DeviceChanged, DeviceLost, DeviceRestored, Event
from rxvoice.sources._block_cutter import BlockCutter
from rxvoice.sources._losses import Losses
from rxvoice.sources._machine import Machine
from rxvoice.sources._segment import CaptureOptions, Segment
from rxvoice.sources._segment_reader import SegmentReader
from rxvoice.sources._zeros import Zeros

_LAG_S = 0.5
"""How far silence for a lost device lags behind: the first sound of the next one is older."""


def capture(
    inbox: deque[Segment],
    options: CaptureOptions,
    machine: Machine,
) -> Generator[AudioChunk | Event | None]:
    """Give each element as it is ready, and None where there is none yet. Never ends.

    Args:
        inbox: the streams, in the order in which they were opened.
        options: what the subscriber asked for.
        machine: its clock, and what is known of it.
    """
    out = BlockCutter(options.sample_rate, options.block_ms)
    now, platform = machine.now, machine.platform
    losses = Losses(options, exact=platform.is_mac)
    zeros = Zeros(machine)
    restoring = False  # there is no device, and the subscriber knows
    lost_at = 0.0
    before: str | None = None  # the device that was given up for the next stream
    while True:
        if not inbox:
            if restoring:
                yield from out.silence_until(now() - _LAG_S)
            yield None
            continue
        item = inbox[0]
        reader = SegmentReader(item, options, out, losses, zeros)
        while True:
            over = item.over
            block = item.ring.take()
            if block is not None:
                captured = reader.captured(block)
                if not reader.frames:
                    began = captured - block.start / item.format.rate
                    hole = 0 if out.time is None else began - out.time
                    if before == item.device and hole > 0:
                        yield losses.hole(round(hole * options.sample_rate))
                    yield from out.silence_until(began)
                    # The filter's delay stands before the first sample, so that a block of the
                    # device completes a chunk, and does not wait for the next block.
                    lead = reader.delay if platform.is_mac and out.base is None else 0
                    out.set_time(began - lead / options.sample_rate)
                    yield from out.add(np.zeros(lead, np.float32))
                    reader.begin(began)
                    if restoring:
                        gone_ms = round(1000 * max(0.0, began - lost_at))
                        yield DeviceRestored("microphone", item.device, gone_ms)
                        restoring = False
                    elif before not in (None, item.device):
                        yield DeviceChanged("microphone", item.device, before)
                    before = None
                yield from reader.take(block, captured)
            elif over is None:
                if restoring:
                    yield from out.silence_until(now() - _LAG_S)
                yield None
            else:
                break
        yield from reader.end()
        if item.replaced:
            before = before or item.device
        elif not restoring:
            lost_at = now() if out.time is None else out.time
            yield DeviceLost("microphone", item.device, over)
            restoring = True
        inbox.popleft()
