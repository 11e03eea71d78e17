"""How the detector judged each chunk, from the lines of a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rxvoice.trace._reading import Trace, TraceLine

__all__ = ["Judgement", "judgements"]


@dataclass(slots=True)
class Judgement:
    """What was said of one chunk.

    Args:
        line: of the kind "vad", or a call of the detector that failed.
        echo: whether the chunk was taken for the assistant's own voice.
    """

    line: TraceLine
    echo: bool = False


def judgements(trace: Trace) -> Iterator[Judgement]:
    """Those of all chunks, in order. A line about an echo follows that of its chunk."""
    last: Judgement | None = None
    for line in trace.of("vad", "call"):
        if line.kind == "vad" or line.text("name") == "vad":
            if last is not None:
                yield last
            last = Judgement(line)
        elif last is not None and line.text("name") == "echo":
            last.echo = line.fields.get("v") is True
    if last is not None:
        yield last
