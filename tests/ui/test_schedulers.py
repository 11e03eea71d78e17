"""The schedulers of Qt and Tk: from any thread to the thread of the windows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from screen import on_a_screen

from rxvoice._threads.window import UiScheduler
from rxvoice.errors import ConfigError

WAIT = 60


class Window(UiScheduler):
    """A toolkit whose loop the test runs by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0
        self.timers: list[tuple[int, Callable[[], None]]] = []

    def _wake(self) -> None:
        self.wakes += 1

    def _later(self, ms: int, action: Callable[[], None]) -> None:
        self.timers.append((ms, action))

    def turn(self) -> None:
        self._run()


def test_actions_run_in_order_after_one_wake() -> None:
    window, got = Window(), []
    for n in range(5):
        window.schedule(lambda _, n: got.append(n), n)
    assert (window.wakes, got) == (1, [])
    window.turn()
    assert (window.wakes, got) == (1, [0, 1, 2, 3, 4])
    window.schedule(lambda *_: got.append("later"))
    assert window.wakes == 2


def test_the_window_has_a_turn_between_many_actions() -> None:
    window, got = Window(), []
    for n in range(3):
        window.schedule(lambda _, n: (time.sleep(0.01), got.append(n))[1], n)
    window.turn()
    assert (window.wakes, got) == (2, [0])


def test_what_is_disposed_of_does_not_run() -> None:
    window, got = Window(), []
    window.schedule(lambda *_: got.append(1)).dispose()
    window.turn()
    assert got == []


def test_a_timer_is_started_on_the_windows_thread() -> None:
    window, got = Window(), []
    life = window.schedule_relative(0.25, lambda *_: got.append(1))
    assert window.timers == []
    window.turn()
    ((ms, fire),) = window.timers
    assert ms == 250
    fire()
    assert got == [1]
    life.dispose()
    fire()
    assert got == [1]


def test_an_action_that_raises_does_not_end_the_next() -> None:
    window, got = Window(), []

    def fail(*_: object) -> None:
        raise ValueError("no such widget")

    window.schedule(fail)
    window.schedule(lambda *_: got.append(1))
    with pytest.raises(ValueError, match="no such widget"):
        window.turn()
    assert window.wakes == 2
    window.turn()
    assert got == [1]


def from_a_thread(scheduler: PeriodicScheduler, end: Callable[[], None]) -> list[object]:
    """Schedule three actions on another thread; returns what they see. The last ends the loop."""
    seen: list[object] = []

    def note(*_: object) -> None:
        seen.append(threading.current_thread() is threading.main_thread())

    def last(*_: object) -> None:
        note()
        end()

    def schedule() -> None:
        scheduler.schedule(note)
        scheduler.schedule_absolute(scheduler.now, note)
        scheduler.schedule_relative(0.02, last)

    thread = threading.Thread(target=schedule)
    thread.start()
    thread.join(WAIT)  # nothing runs the window yet, and the caller does not wait
    assert not thread.is_alive()
    return seen


@pytest.fixture
def qt(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    widgets = pytest.importorskip("PySide6.QtWidgets")
    return widgets.QApplication.instance() or widgets.QApplication([])


def test_qt_runs_them_on_the_windows_thread(qt: object) -> None:
    from PySide6.QtCore import QCoreApplication

    from rxvoice import qt as rxv_qt

    seen = from_a_thread(rxv_qt.scheduler(), QCoreApplication.quit)
    QCoreApplication.exec()
    assert seen == [True, True, True]


def test_qt_without_an_application_says_so() -> None:
    pytest.importorskip("PySide6.QtCore")
    code = "from rxvoice import qt; qt.scheduler()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{ConfigError.__name__}: rxv.qt.scheduler() found no application" in done.stderr


TK = """
import tkinter
from rxvoice import tk
from ui.test_schedulers import from_a_thread

root = tkinter.Tk()
scheduler = tk.scheduler(root)
seen = from_a_thread(scheduler, root.destroy)
root.mainloop()
assert seen == [True, True, True], seen
scheduler.schedule(lambda *_: seen.append("after the end"))
root = tkinter.Tk()  # whose pipe has the numbers of the first one's
tk.scheduler(root).schedule(lambda *_: (seen.append("second"), root.destroy()))
root.mainloop()
assert seen[3:] == ["second"], seen
print("good")
"""


def test_tk_runs_them_on_the_windows_thread() -> None:
    pytest.importorskip("tkinter")
    done = subprocess.run(
        [*on_a_screen(), sys.executable, "-W", "error", "-c", TK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("tests", "."))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "good\n", done.stderr
