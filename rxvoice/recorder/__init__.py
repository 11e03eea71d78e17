"""Both sides of a conversation in one file, aligned in time.

- `_stereo_recorder`: `StereoRecorder`, which knows when each side was heard
- `_side`: one channel, at the rate of the file
- `_recorded_sink`: `RecordedSink`, a sink whose sound is recorded

The file itself is ``_audio.stereo_wav``.
"""

from __future__ import annotations

from rxvoice.recorder._recorded_sink import RecordedSink
from rxvoice.recorder._stereo_recorder import StereoRecorder

__all__ = ["RecordedSink", "StereoRecorder"]
