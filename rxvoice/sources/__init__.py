"""Sources: where a pipe begins. Each is a cold observable of `AudioChunk` blocks.

The sources: `microphone`, `wav` and `array`. For `wav` and `array`:

- `_emit`: cuts samples into blocks and emits them
- `_opening`: opens files and streams; `_headers` reads their headers, `_input` their bytes

From a device's callback to chunks, for `microphone`:

- `_ring`: where the callback leaves its blocks
- `_listener`: one subscription; keeps a device open, and delivers
- `_lookout`: when a stream is given up
- `_choice`: which device is wanted; `_machine`: what the microphone needs of the machine
- `_formats`: the rates, blocks and channels to open a device with
- `_capture`: from blocks to chunks, silence and events, over all streams of a subscription
- `_segment`: one opened stream; `_segment_reader`: reads its blocks
- `_block_cutter`: samples to blocks; `_losses`: counts and reports lost sound
- `_zeros`: notices a microphone that gives nothing but zeros, and says what that comes from
"""

from __future__ import annotations

from rxvoice.sources.array import array
from rxvoice.sources.microphone import microphone
from rxvoice.sources.wav import wav

__all__ = ["array", "microphone", "wav"]
