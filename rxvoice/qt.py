"""Qt (PySide6): a conversation's events on the thread of the windows.

```python
rxv.live(conversation, deliver_on=rxv.qt.scheduler()).subscribe(window.show_event)
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rxvoice._threads.window import UiScheduler
from rxvoice.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from PySide6.QtCore import QCoreApplication, QObject

__all__ = ["QtScheduler", "scheduler"]


def scheduler() -> QtScheduler:
    """Make a scheduler on the thread of the Qt application, where widgets may be touched.

    Pass it to ``rxv.live(pipe, deliver_on=...)`` or ``ops.observe_on(...)``. Any thread may call
    it. (RxPY's ``QtScheduler`` silently drops what a thread schedules that Qt did not start.)

    Raises:
        MissingDependency: PySide6 is not installed.
        ConfigError: there is no ``QApplication`` yet.
    """
    try:
        from PySide6.QtCore import QCoreApplication
    except ImportError as error:
        raise MissingDependency("rxv.qt needs PySide6: pip install 'rxvoice[qt]'") from error
    app = QCoreApplication.instance()
    if app is None:
        raise ConfigError("rxv.qt.scheduler() found no application: make a QApplication first")
    return QtScheduler(app)


class QtScheduler(UiScheduler):
    """Runs actions on the thread of the Qt application. Made by `scheduler`.

    Actions that wait when the application ends are dropped.
    """

    def __init__(self, app: QCoreApplication) -> None:
        super().__init__()
        from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer

        run = self._run

        class Receiver(QObject):
            def event(self, event: QEvent, /) -> bool:
                if event.type() != QEvent.Type.User:
                    return super().event(event)
                run()
                return True

        self._receiver: QObject = Receiver()
        self._receiver.moveToThread(app.thread())
        self._post = lambda: QCoreApplication.postEvent(self._receiver, QEvent(QEvent.Type.User))
        self._timer = QTimer

    def _wake(self) -> None:
        self._post()

    def _later(self, ms: int, action: Callable[[], None]) -> None:
        self._timer.singleShot(ms, action)
