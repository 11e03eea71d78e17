"""What a bus of a mixer says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from rxvoice import sinks
from rxvoice.errors import ConfigError
from rxvoice.testing import FakeSpeaker, marbles


def test_a_bus_runs_until_its_last_sample_was_heard() -> None:
    m = marbles()
    mixer = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler)
    bus = mixer.bus("voice")
    seen = [bus.is_running]
    bus.write_samples(np.full(100, 0.5, np.float32))
    for ms in (50, 99, 100, 200):
        m.scheduler.schedule_absolute(ms / 1000, lambda *_: seen.append(bus.is_running))
    m.scheduler.advance_to(1.0)
    assert seen == [False, True, True, False, False]
    assert bus.sample_rate == 1000


def test_a_bus_is_ducked_from_silence_to_full_loudness() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    bus = sinks.mixer(speaker, scheduler=m.scheduler, ahead_ms=20).bus("voice")
    for wrong in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="duck gain must be from 0 to 1"):
            bus.duck(wrong)
    bus.write_samples(np.full(900, 0.5, np.float32))
    for ms, gain in ((200, 0), (400, 0.5), (600, 1)):
        m.scheduler.schedule_absolute(ms / 1000, lambda *_, gain=gain: bus.duck(gain))
    m.scheduler.advance_to(2.0)
    heard = speaker.heard
    assert [heard[at] for at in (150, 390, 590, 880)] == [0.5, 0.0, 0.25, 0.5]
