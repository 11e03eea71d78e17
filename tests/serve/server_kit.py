"""A real server on loopback, for tests with real clients."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import loopback_kit
import numpy as np

from rxvoice import serve


def serving(app: Any) -> AbstractContextManager[str]:
    """Run a server that takes all that clients may send; gives its host and port."""
    return loopback_kit.serving(app, ws_max_size=serve.MAX_MESSAGE_BYTES)


def pcm(ms: int, value: float = 0.5) -> bytes:
    """Sound at 24 kHz."""
    return np.full(24 * ms, value * 32767, "<i2").tobytes()


def a_turn() -> list[bytes]:
    """Loud for 0.4 s, quiet for 0.7 s."""
    return [pcm(100)] * 4 + [pcm(100, 0)] * 7
