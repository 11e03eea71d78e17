"""`OneAtATime`: lets many sessions speak with a voice that speaks one text at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, cast

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._answers.deliver import deliver
from rxvoice._check import method
from rxvoice.slots import Answer, SynthesizerSlot


class OneAtATime:
    """A synthesizer whose texts wait for each other, in order, without holding up their worker.

    A session speaks a sentence at a time, so it waits for a sentence of each other one at most.

    Args:
        tts: a synthesizer such as ``rxv.mlx.tts(...)``.
        worker: where it runs: one thread, such as ``MlxScheduler().speech``.
    """

    def __init__(self, tts: SynthesizerSlot, worker: abc.SchedulerBase) -> None:
        self._tts = tts
        self._worker = worker
        self._queue = _VoiceQueue()

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(getattr(self._tts, "sample_rate", 24_000))

    def synthesize_stream(self, text: str, /) -> Observable[Any]:
        """Speak a text when those before it are spoken or given up."""

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            life = CompositeDisposable()
            waiting = _Text(lambda: self._speak(text, observer, life, leave))

            def leave() -> None:
                life.dispose()  # the worker closes the answer before it begins the next one
                self._queue.leave(waiting)

            self._queue.join(waiting)
            return Disposable(leave)

        return Observable(subscribe)

    def at_speed(self, speed: float) -> OneAtATime:
        """The same voice faster or slower, as its own ``at_speed`` makes it, in the same queue."""
        at_speed = getattr(self._tts, "at_speed", None)
        if at_speed is None:
            return self
        own = OneAtATime(cast("SynthesizerSlot", at_speed(speed)), self._worker)
        own._queue = self._queue
        return own

    def _speak(
        self,
        text: str,
        observer: abc.ObserverBase[Any],
        life: CompositeDisposable,
        leave: Callable[[], None],
    ) -> None:
        ask: Callable[[str], Answer[Any]] = method(self._tts, "synthesize_stream")

        def fail(error: BaseException) -> None:
            leave()
            observer.on_error(error if isinstance(error, Exception) else RuntimeError(repr(error)))

        def end() -> None:
            leave()
            observer.on_completed()

        deliver(
            lambda: ask(text),
            observer.on_next,
            end,
            fail,
            life=life,
            worker=self._worker,
            scheduler=None,
        )


class _VoiceQueue:
    """The texts that wait for one voice; the first one is being spoken."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[_Text] = deque()
        self._is_busy = False

    def join(self, text: _Text) -> None:
        """Begin the text when those before it are over."""
        with self._lock:
            self._waiting.append(text)
        self._next()

    def leave(self, text: _Text) -> None:
        """Take a text out, whether it waits or is being spoken, and go on with the next."""
        with self._lock:
            if text not in self._waiting:
                return
            if text is self._waiting[0]:
                self._is_busy = False
            self._waiting.remove(text)
        self._next()

    def _next(self) -> None:
        with self._lock:
            if self._is_busy or not self._waiting:
                return
            self._is_busy = True
            first = self._waiting[0]
        first.begin()


class _Text:
    """A text that waits, or is being spoken."""

    def __init__(self, begin: Callable[[], None]) -> None:
        self.begin = begin
