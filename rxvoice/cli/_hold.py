"""Holds a conversation: runs it on its thread, and shows its events on the main thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reactivex import Observable

from rxvoice._live.live import live
from rxvoice.cli._main_loop import MainLoop
from rxvoice.cli._signals import ending_signals
from rxvoice.cli._talk_pipe import Controls
from rxvoice.cli._view import View
from rxvoice.events import Event

T = TypeVar("T")

_REDRAW_S = 0.06
_CLOSING_S = 3.0
"""How long ctrl-c waits for the transcript of the open turn."""


def hold(
    pipe: Observable[T],
    view: View,
    controls: Controls,
    *,
    abort: Callable[[int], None],
    traced: Mapping[str, Any] | None = None,
) -> None:
    """Run the conversation on a thread of its own, and show its events, until it ends.

    Ctrl-C closes the open turn, waits up to 3 s for its transcript, and returns. A second ctrl-c
    calls `abort` with the signal's number, between any two instructions of this thread.

    Args:
        traced: options of `live` for a trace; None to record nothing.

    Runs on: the calling thread shows the events.

    Raises:
        Exception: the error that ended the conversation.
    """
    loop = MainLoop()
    errors: list[Exception] = []
    completed = False
    asked: float | None = None
    deadline = math.inf

    def show(element: object) -> None:
        if isinstance(element, Event) and not errors:
            try:
                view.show(element)
            except OSError as error:  # nobody reads the output any more
                errors.append(error)

    def fail(error: Exception) -> None:
        errors.append(error)

    def complete() -> None:
        nonlocal completed
        completed = True

    def ask(_: int) -> None:
        # Called between any two instructions of this thread: no lock may be taken here.
        nonlocal asked
        asked = time.monotonic()
        loop.wake()

    def over() -> bool:
        nonlocal deadline
        if asked is not None and deadline == math.inf:
            deadline = asked + _CLOSING_S
            controls.close(silence=view.scene.state in ("speaking", "paused"))
        closed = asked is not None and (view.scene.is_quiet or time.monotonic() > deadline)
        return completed or bool(errors) or closed

    with ending_signals(ask, abort), view:
        life = live(pipe, deliver_on=loop, **(traced or {})).subscribe(show, fail, complete)
        try:
            loop.run(over, view.draw, every=_REDRAW_S)
        finally:
            life.dispose()
    if errors:
        raise errors[0]
