"""Marble tests for audio, in virtual time.

One character is one chunk and one tick, 32 ms unless told otherwise::

    -      nothing               a A 7  a value from the legend
    _      a chunk of silence    |      completion
    ~      a chunk of speech     #      an error (the one that the legend has for "#")
    (ab|)  a group: everything at one tick, in the time of one character
    ^      the subscription, in a hot diagram and in a subscription diagram
    !      the disposal, in a subscription diagram

Spaces mean nothing: they align lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._check import at_least, whole
from rxvoice.errors import ConfigError
from rxvoice.testing._report import Notification, Seen, met, report
from rxvoice.testing._timeline import Cold, Hot, Source, Timeline
from rxvoice.testing._values import Audio, Like, Window, audio, like, sound, turn, window
from rxvoice.testing.notation import parse, parse_subscription
from rxvoice.turn import Turn

__all__ = [
    "Audio",
    "Like",
    "Marbles",
    "Recorded",
    "Source",
    "Window",
    "audio",
    "like",
    "marbles",
    "sound",
    "turn",
    "window",
]

T = TypeVar("T")


class Recorded(NamedTuple):
    """A value, the completion (None) or the error of an observable, and its time."""

    ms: int
    kind: Literal["next", "completed", "error"]
    value: Any


def marbles(
    *,
    tick_ms: int = 32,
    chunk_size: int | None = None,
    sample_rate: int = 16_000,
    limit_ms: int = 600_000,
) -> Marbles:
    """Make a runner of marble diagrams.

    ```python
    with marbles() as m:
        mic = m.cold("__~~~____|")
        turns = mic.pipe(vox.turn_window(rxv.silence(64)))
        m.expect(turns, "--A------|", {"A": window("~~~_(_|)", ended_by="policy")})
    ```

    Args:
        tick_ms: virtual milliseconds per character, 1 or more.
        chunk_size: samples of ``_`` and ``~``, 1 or more; None for the length of a tick.
        sample_rate: the sample rate of ``_`` and ``~`` in Hz, 1 or more.
        limit_ms: fail the test if an observable is still at work after this many virtual
            milliseconds and is not disposed.
    """
    return Marbles(tick_ms, chunk_size, sample_rate, limit_ms)


class Marbles:
    """Makes sources from diagrams, and compares observables with diagrams: see `marbles`.

    Each `record` and each `expect` is one run: its time starts at 0, and hot sources start again.
    """

    def __init__(
        self, tick_ms: int, chunk_size: int | None, sample_rate: int, limit_ms: int
    ) -> None:
        whole("marbles tick_ms", tick_ms, 1, "ms")
        whole("marbles sample_rate", sample_rate, 1, "Hz")
        at_least("marbles limit_ms", limit_ms, 1, "ms")
        size = sample_rate * tick_ms // 1000 if chunk_size is None else chunk_size
        whole("marbles chunk_size", size, 1, "samples")
        self._time = Timeline(tick_ms, size, sample_rate)
        self._limit_ms = limit_ms
        self._sources: list[Source[Any]] = []

    def __enter__(self) -> Marbles:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def scheduler(self) -> abc.SchedulerBase:
        """The virtual clock. `record` and `expect` subscribe with it."""
        return self._time.clock

    @property
    def now_ms(self) -> int:
        """Virtual milliseconds since the subscription; negative before it."""
        return self._time.now_ms

    def cold(
        self, diagram: str, legend: Mapping[str, object] | None = None, *, audio: Audio = "judged"
    ) -> Source[Any]:
        """Make a source that plays the diagram from its start to each subscriber.

        Args:
            diagram: the diagram, in the notation of the module.
            legend: values by letter. A `sound` becomes a chunk. A `window` becomes an open turn.
                ``"#"`` is the exception to fail with.
            audio: whether ``_`` and ``~`` are chunks with ``speech`` filled in (``"judged"``),
                chunks that no `vad` has seen (``"unjudged"``) or arrays (``"arrays"``).

        Raises:
            ValueError: the diagram is malformed. The message shows where.
        """
        events = self._time.events(parse(diagram, legend or {}), legend or {}, audio)
        source = Cold[Any](self._time, _playable(events))
        self._sources.append(source)
        return source

    def hot(
        self, diagram: str, legend: Mapping[str, object] | None = None, *, audio: Audio = "judged"
    ) -> Source[Any]:
        """Make a source that plays by itself.

        ``^`` marks the subscription; without it, the diagram starts at the subscription. The
        arguments are those of `cold`.
        """
        parsed = parse(diagram, legend or {}, hot=True)
        events = self._time.events(parsed, legend or {}, audio)
        source = Hot[Any](self._time, _playable(events), parsed.lead)
        self._sources.append(source)
        return source

    def record(self, observable: Observable[T], *, dispose_at: int | None = None) -> list[Recorded]:
        """Subscribe, run until nothing is left to happen, and list everything that came.

        Args:
            dispose_at: virtual milliseconds after which to dispose; None never disposes.
        """
        return [
            Recorded(event.ms, event.kind, event.value)
            for event in self._run(observable, dispose_at, windows=False)
        ]

    def expect(
        self,
        observable: Observable[T],
        diagram: str,
        legend: Mapping[str, object] | None = None,
        *,
        audio: Audio = "judged",
        dispose_at: int | None = None,
    ) -> None:
        """Subscribe, and compare the times and the values with the diagram.

        Args:
            diagram: what is expected.
            legend: values by letter: any value, `sound`, `window` or `like`. ``"#"`` is an
                exception, a type of exception, or a type and a regular expression.
            audio: what ``_`` and ``~`` stand for, as in `cold`.
            dispose_at: virtual milliseconds after which to dispose; None never disposes.

        Raises:
            AssertionError: something else came. The message shows both diagrams and what differs.
            ValueError: the diagram is malformed. The message shows where.
        """
        __tracebackhide__ = True
        legend = legend or {}
        parsed = parse(diagram, legend)
        wanted = self._time.events(parsed, legend, audio)
        windows = [value for value in legend.values() if isinstance(value, Window)]
        came = self._run(observable, dispose_at, windows=bool(windows))
        if not met(wanted, came, self._time.inner):
            raise AssertionError(report(wanted, came, self._time.inner, self._time.tick_ms))

    def expect_subscriptions(self, source: Source[Any], *diagrams: str) -> None:
        """Compare the subscriptions of a source in the last run with diagrams.

        Args:
            diagrams: a diagram for each subscription, in order, such as ``"--^---!"``.
        """
        __tracebackhide__ = True
        wanted = [
            tuple(None if tick is None else tick * self._time.tick_ms for tick in parsed)
            for parsed in map(parse_subscription, diagrams)
        ]
        if source.subscriptions != wanted:
            told = [
                f"  {what:<9} {', '.join(map(_span, spans)) or 'none'}"
                for what, spans in (("expected", wanted), ("actual", source.subscriptions))
            ]
            raise AssertionError("\n".join(["subscriptions differ", *told]))

    def _run(
        self, observable: Observable[T], dispose_at: int | None, *, windows: bool
    ) -> list[Notification]:
        events: list[Notification] = []
        time, clock = self._time, self._time.clock
        lead = max((source.lead for source in self._sources), default=0)
        time.epoch = clock.clock + lead * time.tick_ms / 1000
        life = CompositeDisposable()

        def observe(into: list[Notification], start_ms: int, what: Observable[Any]) -> None:
            def on_next(value: object) -> None:
                if windows and isinstance(value, Turn):
                    inside: list[Notification] = []
                    value = Seen(value, inside)
                    into.append(Notification(time.now_ms - start_ms, "next", value))
                    observe(inside, time.now_ms, value.turn)
                else:
                    into.append(Notification(time.now_ms - start_ms, "next", value))

            life.add(
                what.subscribe(
                    on_next,
                    lambda error: into.append(Notification(time.now_ms - start_ms, "error", error)),
                    lambda: into.append(Notification(time.now_ms - start_ms, "completed", None)),
                    scheduler=clock,
                )
            )

        def begin(*_: object) -> None:
            observe(events, 0, observable)
            for source in self._sources:
                source.go()

        def end(*_: object) -> None:
            life.dispose()

        clock.schedule_absolute(time.epoch, begin)
        time.running = True
        for source in self._sources:
            source.start()
        if dispose_at is not None:
            clock.schedule_absolute(time.epoch + dispose_at / 1000, end)
        try:
            if not clock.run(time.epoch + self._limit_ms / 1000):
                raise AssertionError(
                    f"still at work after {self._limit_ms} virtual ms: "
                    "give dispose_at, or a higher limit_ms"
                )
        finally:
            time.running = False
            life.dispose()
        return events


def _playable(events: list[Notification]) -> list[Notification]:
    for event in events:
        if event.kind == "error" and not isinstance(event.value, Exception):
            raise ConfigError(
                f'a source fails with an exception, got "#" = {event.value!r}: '
                "give an instance in the legend"
            )
    return events


def _span(span: tuple[int | None, ...]) -> str:
    start, end = span
    return f"{start} ms to {'the end' if end is None else f'{end} ms'}"
