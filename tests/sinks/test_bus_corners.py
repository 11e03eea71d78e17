"""What a bus of a mixer says of itself."""

from __future__ import annotations

import numpy as np

from rxvoice import sinks
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
