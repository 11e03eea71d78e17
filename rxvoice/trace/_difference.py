"""`Difference`: where a replay first differs from its trace, with what stands around."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rxvoice.trace._reading import Trace, TraceLine

__all__ = ["Difference", "shown"]

_BEFORE = 5
_AFTER = 3
_WIDTH = 160


@dataclass(frozen=True, eq=False)
class Difference:
    """Where a replay first differs.

    Args:
        why: what the pipe did, or did not do.
        time: seconds since the trace began.
        trace: the trace.
        at: which of its lines was expected.
    """

    why: str
    time: float
    trace: Trace
    at: int

    def __str__(self) -> str:
        lines = self.trace.lines
        around = range(max(0, self.at - _BEFORE), min(len(lines), self.at + _AFTER))
        text = [f"the replay differs from {self.trace.path} after {self.time:.3f} s: {self.why}"]
        text += [f"{'expected' if n == self.at else '':>8}  {shown(lines[n])}" for n in around]
        if self.at >= len(lines):
            text.append("expected  nothing: the trace ends there")
        return "\n".join(text)


def shown(line: TraceLine) -> str:
    """A line of a trace, for people."""
    fields = json.dumps({**line.fields}, ensure_ascii=False)
    return f"{line.time:.3f} s, action {line.action}: {line.kind} {fields}"[:_WIDTH]
