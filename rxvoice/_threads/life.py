"""`Life`: what ends with a subscription, or with a part of it."""

from __future__ import annotations

from reactivex import abc
from reactivex.disposable import CompositeDisposable


class Life(CompositeDisposable):
    """A ``CompositeDisposable`` that disposes of all it has, also if one of them raises.

    The first error is raised at the end. A Ctrl-C in the middle of it leaves nothing open.
    """

    def dispose(self) -> None:
        """Dispose of all."""
        with self.lock:
            if self.is_disposed:
                return
            self.is_disposed = True
            parts: list[abc.DisposableBase] = self.disposable
            self.disposable = []
        raised: BaseException | None = None
        for part in parts:
            try:
                part.dispose()
            except BaseException as error:
                raised = raised or error
        if raised is not None:
            raise raised
