"""The virtual time of marbles, and the sources that play in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from reactivex import Observable, Subject, abc, typing
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.testing import TestScheduler

from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.testing._report import Notification
from rxvoice.testing._values import Audio, LegendChunk, Window, sound
from rxvoice.testing.notation import Diagram
from rxvoice.turn import EndedBy, TurnWriter

T = TypeVar("T")

FAILED = RuntimeError("#")
"""The error of ``#`` if the legend gives none."""


class Timeline:
    """A virtual clock: it gives diagrams their times, and sources their notifications."""

    def __init__(self, tick_ms: int, chunk_size: int, sample_rate: int) -> None:
        self.tick_ms = tick_ms
        self.chunk_size = chunk_size
        self.sample_rate = sample_rate
        self.clock = VirtualClock()
        self.epoch = 0.0  # the subscription of the run in progress
        self.running = False

    @property
    def now_ms(self) -> int:
        return round((self.clock.clock - self.epoch) * 1000)

    def inner(self, expected: Window, start: int) -> list[Notification]:
        return self.events(expected.diagram, expected.legend, "judged", start)

    def events(
        self, diagram: Diagram, legend: Mapping[str, object], audio: Audio, position: int = 0
    ) -> list[Notification]:
        """The notifications that the marks of a diagram stand for."""
        if audio not in ("judged", "unjudged", "arrays"):
            raise ConfigError(f'audio must be "judged", "unjudged" or "arrays", got {audio!r}')
        events: list[Notification] = []
        for mark in diagram.marks:
            ms = mark.tick * self.tick_ms
            if mark.char == "|":
                events.append(Notification(ms, "completed", None, "|"))
                continue
            if mark.char == "#":
                events.append(Notification(ms, "error", legend.get("#", FAILED), "#"))
                continue
            value = legend.get(mark.char)
            if mark.char == "_":
                value = sound(0.0, speech=False if audio == "judged" else None)
            elif mark.char == "~":
                value = sound(speech=True if audio == "judged" else None)
            if isinstance(value, LegendChunk):
                samples = value.samples(self.chunk_size)
                if audio == "arrays":
                    value = samples
                else:
                    value = value.chunk(position, self.chunk_size, self.sample_rate)
                position += len(samples)
            events.append(Notification(ms, "next", value, mark.char))
        return events

    def play(self, observer: abc.ObserverBase[Any], event: Notification) -> None:
        """Give a notification of a source to its observer."""
        if event.kind == "completed":
            observer.on_completed()
        elif event.kind == "error":
            observer.on_error(cast(Exception, event.value))
        elif isinstance(event.value, Window):
            self._speak(observer, event.value)
        else:
            observer.on_next(event.value)

    def _speak(self, observer: abc.ObserverBase[Any], spoken: Window) -> None:
        """Open a turn, and fill it as its diagram says."""
        about = dict(spoken.about.attributes)
        start = cast(int, about.get("start", 0))
        writer = TurnWriter(
            cast(int, about.get("id", 1)),
            start,
            self.sample_rate,
            source=cast("str | None", about.get("source")),
        )

        def happen(event: Notification) -> None:
            if event.kind == "completed":
                ended_by = cast("EndedBy", about.get("ended_by", "policy"))
                writer.close(ended_by, cast(int, about.get("chunks_consumed", 0)))
            elif event.kind == "error":
                writer.fail(cast(Exception, event.value))
            else:
                writer.append(cast(AudioChunk, event.value))

        observer.on_next(writer.turn)
        for event in self.inner(spoken, start):
            if event.ms == 0:
                happen(event)
            else:
                self.schedule(event, happen)

    def schedule(
        self, event: Notification, action: Callable[[Notification], None], *, absolute: bool = False
    ) -> abc.DisposableBase:
        """Schedule a notification, counted from now or from the subscription of this run."""

        def run(*_: object) -> None:
            action(event)

        if absolute:
            return self.clock.schedule_absolute(self.epoch + event.ms / 1000, run)
        return self.clock.schedule_relative(event.ms / 1000, run)


@dataclass(slots=True)
class _Span:
    start: int
    end: int | None = None


class Source(Observable[T]):
    """A source that plays a diagram, while its `Marbles` runs."""

    lead = 0  # ticks of the diagram before the subscription

    def __init__(self, time: Timeline, events: list[Notification]) -> None:
        super().__init__()
        self._time = time
        self._events = events
        self._spans: list[_Span] = []

    @property
    def subscriptions(self) -> list[tuple[int, int | None]]:
        """When each subscription began and ended (None: not yet), in virtual milliseconds."""
        return [(span.start, span.end) for span in self._spans]

    def start(self) -> None:
        """Begin a run."""
        self._spans.clear()

    def go(self) -> None:
        """Play what is due at the subscription, which has just been made."""

    def _log(self) -> abc.DisposableBase:
        span = _Span(self._time.now_ms)
        self._spans.append(span)

        def ended() -> None:
            if self._time.running:
                span.end = self._time.now_ms

        return Disposable(ended)


class Cold(Source[T]):
    def _subscribe_core(
        self,
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        life = CompositeDisposable(self._log())

        def happen(event: Notification) -> None:
            self._time.play(observer, event)

        for event in self._events:
            life.add(self._time.schedule(event, happen))
        return life


class Hot(Source[T]):
    def __init__(self, time: Timeline, events: list[Notification], lead: int) -> None:
        super().__init__(time, events)
        self.lead = lead
        self._subject = Subject[T]()

    def start(self) -> None:
        super().start()
        self._subject = Subject[T]()
        self._play(event for event in self._events if event.ms != 0)

    def go(self) -> None:
        # Only here, so that `merge`, which subscribes in a scheduled action, misses nothing at 0.
        self._play(event for event in self._events if event.ms == 0)

    def _play(self, events: Iterable[Notification]) -> None:
        subject = self._subject

        def happen(event: Notification) -> None:
            self._time.play(subject, event)

        for event in events:
            self._time.schedule(event, happen, absolute=True)

    def _subscribe_core(
        self,
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        return CompositeDisposable(self._log(), self._subject.subscribe(observer))


class VirtualClock(TestScheduler):
    """Virtual time that runs until nothing is scheduled.

    `TestScheduler.start` would move the clock by a second after 100 actions at one time.
    """

    def __init__(self) -> None:
        self._latest = 0.0
        super().__init__()

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[Any],
        state: Any = None,
    ) -> abc.DisposableBase:
        self._latest = max(self._latest, self.to_seconds(duetime))
        return super().schedule_absolute(duetime, action, state)

    def run(self, limit: float) -> bool:
        """Run until nothing is left. Return False if something is left at the limit."""
        try:
            while self._latest >= self.clock:
                if self.clock > limit:
                    return False
                # The clock runs work that is due now only on the way to a later time.
                self.advance_to(min(self._latest, limit) + 0.001)
        finally:
            self.stop()  # else the clock would not run again after an action that raised
        return True
