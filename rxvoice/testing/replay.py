"""`replay`: a recorded conversation as a test."""

from __future__ import annotations

import os
from typing import Any

from reactivex import Observable

from rxvoice.cli._pipe_of_trace import pipe_of
from rxvoice.errors import ReplayDiffers
from rxvoice.trace import Trace, read
from rxvoice.trace import replay as replayed

__all__ = ["replay"]


def replay(
    trace: str | os.PathLike[str] | Trace, conversation: Observable[Any] | None = None
) -> list[Any]:
    """Run a recorded conversation again, and fail unless the same comes out: a test in one line.

    ```python
    def test_monday():
        rxv.testing.replay("tests/monday")
    ```

    No device is opened and no model is called, so that a minute takes a fraction of a second. See
    `rxvoice.replay`.

    Args:
        trace: the directory that ``--trace DIR`` or ``live(..., trace=DIR)`` recorded.
        conversation: the pipe that was recorded. None: that of ``rxvoice talk`` or ``rxvoice run``,
            with the settings of the trace.

    Returns:
        What came out. A conversation that failed when it was recorded fails so again, and that is
        no failure of the test.

    Raises:
        ReplayDiffers: something else came out. It says what, when, and what stands around it.
        ConfigError: there is no trace, it has no content, or its pipe is not known.
    """
    found = trace if isinstance(trace, Trace) else read(trace)
    out: list[Any] = []
    failed: list[Exception] = []
    pipe = pipe_of(found) if conversation is None else conversation
    replayed(found, pipe).subscribe(out.append, failed.append)
    if failed and isinstance(failed[0], ReplayDiffers):
        raise failed[0]
    return out
