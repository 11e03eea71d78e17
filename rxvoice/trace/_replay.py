"""`replay`: a pipe runs again on what was recorded, without devices, models or time."""

from __future__ import annotations

import os
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from rxvoice.errors import ConfigError, ReplayDiffers
from rxvoice.trace._reading import Trace, read
from rxvoice.trace._replayer import Replayer

__all__ = ["replay"]

T = TypeVar("T")


def replay(trace: str | os.PathLike[str] | Trace, conversation: Observable[T]) -> Observable[T]:
    """Run a pipe again on a trace: the same elements come out, at once.

    ```python
    rxv.replay("DIR", conversation).subscribe(print)
    ```

    Everything that came from outside comes from the trace: the microphone's blocks, what each model
    answered, what the loudspeaker said it had played, what the app did, and the time. No device is
    opened and no model is called. What comes out is compared with what came out before.

    Emits: the elements of the pipe.
    Completes: with the pipe, or where the trace ends: the conversation was disposed of then.
    Errors: with `ReplayDiffers` at the first difference, which says what was expected there, what
        came, and what stands around; with the pipe.
    Drops: nothing.
    Runs on: the thread that subscribes, within ``subscribe``.

    Args:
        trace: the directory that `live` wrote with ``trace=``, or a `Trace` that was read from it.
        conversation: the same pipe. Its source, models and sink may be others, since none is used.

    Raises:
        ConfigError: there is no trace, or it was recorded without its content.
    """
    found = trace if isinstance(trace, Trace) else read(trace)
    if not found.has_content:
        raise ConfigError(
            f"the trace {str(found.path)!r} was recorded without content: it has the times, and "
            "neither texts nor sound to replay"
        )

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        replayer = Replayer(found)
        life = SingleAssignmentDisposable()
        over = False

        def on_next(element: T) -> None:
            if not over and replayer.out(element):
                observer.on_next(element)

        def on_error(error: Exception) -> None:
            nonlocal over
            if not over and replayer.finish("error"):
                over = True
                observer.on_error(error)

        def on_completed() -> None:
            nonlocal over
            if not over and replayer.finish("completed"):
                over = True
                observer.on_completed()

        if found.lines:
            replayer.enter(found.lines[0])
        life.disposable = conversation.subscribe(
            on_next, on_error, on_completed, scheduler=replayer.scheduler
        )
        replayer.run(lambda: over or life.is_disposed)
        if not over:
            over = True
            if replayer.difference is not None:
                observer.on_error(ReplayDiffers(str(replayer.difference)))
            elif not life.is_disposed:
                observer.on_completed()
        life.dispose()
        return life

    return Observable(subscribe)
