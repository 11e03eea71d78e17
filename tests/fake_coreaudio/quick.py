"""On a Mac, rxvoice looks and tries again at once, and silence is no sign of a lost device."""

from __future__ import annotations

import pytest

from rxvoice.devices import _streams, _watch
from rxvoice.sinks import _loudspeaker
from rxvoice.sources import _listener, _lookout

__all__ = ["quick"]


def quick(monkeypatch: pytest.MonkeyPatch, *, watch_s: float) -> None:
    """Look and try again at once. Only the end of a stream and the watch tell of a lost device.

    Args:
        watch_s: how often the system's devices are asked for.
    """
    monkeypatch.setattr(_streams, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(_loudspeaker, "_WAITS_S", (0.001,))
    monkeypatch.setattr(_listener, "_RETRY_S", (0.001,))
    monkeypatch.setattr(_listener, "LOOK_S", 0.01)
    monkeypatch.setattr(_watch, "_EVERY_S", watch_s)
    monkeypatch.setattr(_lookout, "_QUIET_LOOKS", 1_000_000)
    monkeypatch.setattr(_lookout, "_QUIET_LOOKS_AT_FIRST", 1_000_000)
