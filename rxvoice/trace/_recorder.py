"""`Recorder`: the boundary of a conversation that is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import Any, TypeVar, cast

import numpy as np
from reactivex import Observable, abc

from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._boundary import Handled
from rxvoice.chunks import AudioChunk
from rxvoice.slots import AudioSink
from rxvoice.trace._codec import as_kept, encoded, named_error, of_pcm16, on_grid
from rxvoice.trace._described import described
from rxvoice.trace._heard_track import HeardTrack
from rxvoice.trace._recorded_observers import RecordedSignal, RecordedSource
from rxvoice.trace._traced_sink import TracedSink
from rxvoice.trace._writer import TraceWriter
from rxvoice.turn import Turn

T = TypeVar("T")

__all__ = ["Recorder"]

_LATE_S = 10.0
"""A block that is later than this was captured by another clock."""

_OF_MODELS = ("ask", "piece", "end", "fail")


class Recorder:
    """Notes everything that comes from outside, and what comes out.

    It is used on one thread, that of the conversation; what happens on another one is passed on,
    and a line "elsewhere" says once that a replay will differ.

    Args:
        writer: where the lines go.
        began: the time of the header, in seconds of ``time.monotonic()``.
        content: whether to keep texts and sound, not only their lengths.
    """

    def __init__(self, writer: TraceWriter, began: float, *, content: bool = True) -> None:
        self._writer = writer
        self._began = began
        self._content = content
        self._sounds = self if content else None
        self._action = 0
        self._time = 0.0  # of the action
        self._thread: int | None = None  # that an action runs on
        self._home: int | None = None  # the thread that all actions run on
        self._samples = 0  # of the first source
        self._sources = self._asks = self._steps = 0
        self._calls: dict[str, int] = {}
        self._voices: dict[int, int] = {}
        self._microphone_began: float | None = None  # seconds since the trace began
        self.speaker = HeardTrack(partial(self._put, "speaker")) if content else None
        self._elsewhere = False
        self._finished = False

    @property
    def seconds(self) -> float:
        """Seconds since the first sample of the first source was captured, as far as is known."""
        return max(0.0, time.monotonic() - self._began - (self._microphone_began or 0.0))

    # The actions of the conversation thread

    @property
    def is_in_action(self) -> bool:
        """Whether the calling thread is in an action of the pipe."""
        return self._thread == get_ident()

    def next_step(self) -> int:
        """The number of the next action that the pipe schedules itself."""
        self._steps += 1
        return self._steps

    @contextmanager
    def inside(self) -> Generator[None]:
        """Within this, what comes from outside comes in an action: the current one, or a new one.

        For what comes on the conversation thread without its scheduler. On another thread this does
        nothing.
        """
        if self._thread is not None or get_ident() != self._home:
            yield
            return
        with self.action(None):
            yield

    @contextmanager
    def action(self, step: int | None) -> Generator[None]:
        """An action: the pipe's own, with its number, or one from outside."""
        self._action += 1
        self._home = self._thread = get_ident()
        self._time = round(time.monotonic() - self._began, 6)
        if step is not None:
            self.line("step", n=step)
        try:
            yield
        finally:
            self._thread = None

    def line(self, kind: str, **fields: object) -> None:
        """Add a line, unless the conversation is over."""
        if self._finished:
            return
        if self._thread != get_ident():
            if self._elsewhere:
                return
            self._elsewhere = True
            kind, fields = "elsewhere", {"of": kind}
        # A model that is called in place answers within the action.
        if kind in _OF_MODELS and (later := time.monotonic() - self._began - self._time) >= 0.001:
            fields["d"] = round(later, 6)
        self._write(kind, **fields)

    def _write(self, kind: str, **fields: object) -> None:
        line = {"k": kind, "a": self._action, "t": self._time, "s": self._samples, **fields}
        self._writer.line(line)

    def out(self, element: object) -> None:
        """Note what came out of the pipe."""
        self.line("out", **described(element, content=self._content))

    def finish(self, how: str, error: Exception | None = None) -> None:
        """The conversation is over. The first call counts."""
        if not self._finished:
            self._finished = True
            failed = {} if error is None else {"error": self._error(error)}
            self._write("finish", how=how, **failed)

    # As a boundary

    def now(self) -> float:
        return self._began + self._time if self.is_in_action else time.monotonic()

    def source(self, name: str, observer: abc.ObserverBase[T]) -> abc.ObserverBase[T]:
        number, self._sources = self._sources, self._sources + 1
        self.line("source", src=number, name=name)
        return RecordedSource(self, number, observer)

    def block(self, number: int, chunk: AudioChunk) -> AudioChunk:
        """Note a block of a source; returns it as it is kept.

        What is no sound is kept as silence, and the pipe gets it as it is, to tell what is wrong.
        """
        samples = np.asarray(chunk.samples, np.float32)
        is_sound = samples.ndim == 1 and bool(np.isfinite(samples).all())
        pcm = to_pcm16(samples) if is_sound else np.zeros(len(samples), np.int16)
        captured = None if chunk.time is None else round(chunk.time - self._began, 6)
        known: dict[str, object] = {} if captured is None else {"time": captured}
        known.update(
            (name, value)
            for name in ("speech", "probability", "barge_in", "partial")
            if (value := getattr(chunk, name)) not in (None, False)
            or (name == "speech" and value is False)
        )
        lead_in = chunk.lead_in
        if lead_in is not None:
            known["lead_in"] = self._put("lead-in", lead_in, chunk.sample_rate)
            lead_in = on_grid(lead_in)
        count = len(pcm)
        self.line("block", src=number, at=chunk.start, n=count, rate=chunk.sample_rate, **known)
        if not number:
            self._samples += count
            if self._microphone_began is None:
                began = self._time - count / chunk.sample_rate
                # A source's own clock may be another than ours.
                is_ours = captured is not None and abs(captured - began) < _LATE_S
                self._microphone_began = captured if is_ours else began
        if self._content:
            name = "microphone" if not number else f"microphone-{number + 1}"
            self._writer.sound(name, pcm, chunk.sample_rate)
        at = None if captured is None else self._began + captured
        kept = of_pcm16(pcm) if is_sound else chunk.samples
        return replace(chunk, samples=kept, lead_in=lead_in, time=at)

    def signal(self, name: str, observer: abc.ObserverBase[T]) -> abc.ObserverBase[T]:
        return RecordedSignal(self, name, observer)

    def ask(self, stage: str, turn: Turn, text: str | None, handled: Handled) -> Handled:
        self._asks += 1
        number = self._asks
        asked = {} if text is None else {"input": self.encoded(text)}
        self.line("ask", id=number, stage=stage, turn=turn.id, **asked)

        def take(piece: Any) -> None:
            kept = as_kept(piece)
            with self.inside():
                self.line("piece", id=number, v=self.encoded(kept))
                handled.take(kept)

        def end() -> None:
            with self.inside():
                self.line("end", id=number)
                handled.end()

        def fail(error: BaseException) -> None:
            with self.inside():
                self.line("fail", id=number, error=self._error(error))
                handled.fail(error)

        return Handled(take, end, fail)

    def call(
        self, name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0
    ) -> T:
        number = self._calls[name] = self._calls.get(name, 0) + 1
        try:
            value = function()
        except BaseException as error:
            self.line("call", name=name, n=number, error=self._error(error))
            raise
        if name == "vad":
            self.line("vad", p=self.encoded(value))
        elif isinstance(value, np.ndarray):
            sound = cast("Samples", value)
            place = self._put(name, sound, sample_rate) if self._content else {"n": len(sound)}
            self.line("call", name=name, n=number, v=place)
            return cast("T", on_grid(sound))
        elif value is not otherwise and value != otherwise:
            self.line("call", name=name, n=number, v=self.encoded(value))
        return value

    def policy(self, function: Callable[[], T]) -> T:
        number = self._calls["policy"] = self._calls.get("policy", 0) + 1
        value = function()
        if isinstance(cast("object", value), Observable):
            self.line("call", name="policy", n=number, v=self.encoded(value))
        return value

    def sink(self, sink: AudioSink) -> AudioSink:
        return cast("AudioSink", TracedSink(self, sink))

    def sound(self, name: str, samples: Samples, sample_rate: int) -> None:
        if self._content and self.is_in_action:
            self._writer.sound(name, to_pcm16(np.asarray(samples, np.float32)), sample_rate)

    # As what keeps the sound of voices

    def put(self, samples: Samples, sample_rate: int) -> dict[str, object]:
        """Keep sound of a voice; returns where."""
        number = self._voices.setdefault(sample_rate, len(self._voices) + 1)
        name = "voice" if number == 1 else f"voice-{number}"
        return {"voice": number, **self._put(name, samples, sample_rate)}

    def _put(self, name: str, samples: Samples, rate: int) -> dict[str, object]:
        pcm = to_pcm16(np.asarray(samples, np.float32))
        return {"at": self._writer.sound(name, pcm, rate), "n": len(pcm), "rate": rate}

    def encoded(self, value: object) -> object:
        """The value as JSON."""
        return encoded(value, self._sounds)

    def _error(self, error: BaseException) -> dict[str, object]:
        return named_error(error, content=self._content)
