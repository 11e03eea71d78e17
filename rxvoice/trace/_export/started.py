"""When a trace began, on the clock of the world."""

from __future__ import annotations

from datetime import UTC, datetime

from rxvoice.trace._reading import Trace


def started(trace: Trace) -> int:
    """Nanoseconds since 1970; 0 if the trace does not say."""
    text = trace.header.get("started")
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None:
        return 0
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return max(0, round(time.timestamp() * 1000) * 1_000_000)
