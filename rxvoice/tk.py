"""Tk: a conversation's events on the thread of the windows.

```python
rxv.live(conversation, deliver_on=rxv.tk.scheduler(root)).subscribe(show_event)
```
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from rxvoice._threads.window import UiScheduler

if TYPE_CHECKING:
    from tkinter import Event, Misc, Tk

__all__ = ["TkScheduler", "scheduler"]


def scheduler(root: Tk) -> TkScheduler:
    """Make a scheduler on the thread of a Tk window, where widgets may be touched.

    Pass it to ``rxv.live(pipe, deliver_on=...)`` or ``ops.observe_on(...)``. Any thread may call
    it, also before ``mainloop()``. (RxPY's ``TkinterScheduler`` blocks the caller while the window
    is busy, and raises before the loop runs.)

    Args:
        root: the window. Call this function on its thread.
    """
    return TkScheduler(root)


class TkScheduler(UiScheduler):
    """Runs actions on the thread of a Tk window. Made by `scheduler`.

    Actions that wait when the window is destroyed are dropped.
    """

    def __init__(self, root: Tk) -> None:
        super().__init__()
        from tkinter import READABLE

        self._root = root
        self._lock = Lock()
        self._open = True
        # A byte in a pipe wakes Tk. Tk's own functions, called from another thread, would block.
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        root.tk.createfilehandler(self._read, READABLE, self._readable)
        root.bind("<Destroy>", self._destroyed, add="+")

    def _wake(self) -> None:
        with self._lock:
            if self._open:
                os.write(self._write, b"\0")
            else:
                self._items.clear()

    def _later(self, ms: int, action: Callable[[], None]) -> None:
        self._root.after(ms, action)

    def _readable(self, file: object, mask: int) -> None:
        os.read(self._read, 4096)
        self._run()

    def _destroyed(self, event: Event[Misc]) -> None:
        if event.widget is not self._root:  # a widget inside the window was destroyed
            return
        with self._lock:
            self._open = False
            self._root.tk.deletefilehandler(self._read)
            os.close(self._read)
            os.close(self._write)
        self._items.clear()
