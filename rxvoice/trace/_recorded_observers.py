"""Observers between a pipe and what it follows: what comes is noted, and passed on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from reactivex import abc

from rxvoice.chunks import AudioChunk
from rxvoice.trace._codec import named_error

__all__ = ["RecordedSignal", "RecordedSource"]


class _Notes(Protocol):
    """What is used of a `Recorder`."""

    def inside(self) -> AbstractContextManager[None]: ...
    def line(self, kind: str, **fields: object) -> None: ...
    def block(self, number: int, chunk: AudioChunk) -> AudioChunk: ...
    def encoded(self, value: object) -> object: ...


class RecordedSource(abc.ObserverBase[Any]):
    """The observer of a source."""

    def __init__(self, recorder: _Notes, number: int, observer: abc.ObserverBase[Any]) -> None:
        self._recorder = recorder
        self._number = number
        self._observer = observer

    def on_next(self, value: Any) -> None:
        """Note and pass on a block or an event."""
        with self._recorder.inside():
            if isinstance(value, AudioChunk):
                value = self._recorder.block(self._number, value)
            else:
                v = self._recorder.encoded(value)
                self._recorder.line("event", src=self._number, v=v)
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        """Note and pass on the error."""
        with self._recorder.inside():
            failed = named_error(error, content=True)
            self._recorder.line("over", src=self._number, error=failed)
            self._observer.on_error(error)

    def on_completed(self) -> None:
        """Note and pass on the end."""
        with self._recorder.inside():
            self._recorder.line("over", src=self._number)
            self._observer.on_completed()


class RecordedSignal(abc.ObserverBase[Any]):
    """The observer of a signal."""

    def __init__(self, recorder: _Notes, name: str, observer: abc.ObserverBase[Any]) -> None:
        self._recorder = recorder
        self._name = name
        self._observer = observer

    def on_next(self, value: Any) -> None:
        """Note and pass on a value."""
        with self._recorder.inside():
            self._recorder.line("in", name=self._name, v=self._recorder.encoded(value))
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        """Note and pass on the error."""
        with self._recorder.inside():
            failed = named_error(error, content=True)
            self._recorder.line("in", name=self._name, error=failed)
            self._observer.on_error(error)

    def on_completed(self) -> None:
        """Note and pass on the end."""
        with self._recorder.inside():
            self._recorder.line("in", name=self._name, over=True)
            self._observer.on_completed()
