"""Marble tests for audio, in virtual time.

One character is one chunk and one tick, 32 ms unless told otherwise::

    -      nothing               a A 7  a value from the legend
    _      a chunk of silence    |      completes
    ~      a chunk of speech     #      fails (with the legend's "#")
    (ab|)  all of it at one tick: a group takes the time of one character
    ^      in a hot diagram: the subscription; in a subscription diagram too
    !      in a subscription diagram: the disposal

Spaces mean nothing: they align lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._check import at_least, whole
from rxvoice.errors import ConfigError
from rxvoice.testing._report import Event, Seen, met, report
from rxvoice.testing._timeline import Cold, Hot, Source, Timeline
from rxvoice.testing._values import Audio, Window, audio, like, sound, turn, window
from rxvoice.testing.notation import parse, parse_subscription
from rxvoice.turn import Turn

__all__ = [
    "Audio",
    "Marbles",
    "Recorded",
    "Source",
    "audio",
    "like",
    "marbles",
    "sound",
    "turn",
    "window",
]

T = TypeVar("T")


class Recorded(NamedTuple):
    """What an observable did: a value, its completion (None) or its error, and when."""

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
    """A runner of marble diagrams.

    ```python
    with marbles() as m:
        mic = m.cold("__~~~____|")
        turns = mic.pipe(vox.turn_window(rxv.silence(64)))
        m.expect(turns, "--A------|", {"A": window("~~~_(_|)", ended_by="policy")})
    ```

    Args:
        tick_ms: virtual milliseconds per character, 1 or more.
        chunk_size: samples of ``_`` and ``~``, 1 or more; None for as many as a tick lasts.
        sample_rate: Hz of ``_`` and ``~``, 1 or more.
        limit_ms: an observable that is still at work after this many virtual milliseconds, and
            not disposed, fails the test.
    """
    return Marbles(tick_ms, chunk_size, sample_rate, limit_ms)


class Marbles:
    """Makes sources from diagrams and compares what comes of them: see `marbles`.

    Each `record` and `expect` is a run of its own: time starts at 0, hot sources start again.
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
        """The virtual clock; `record` and `expect` subscribe with it."""
        return self._time.clock

    @property
    def now_ms(self) -> int:
        """Virtual milliseconds since the subscription, negative before it."""
        return self._time.now_ms

    def cold(
        self, diagram: str, legend: Mapping[str, object] | None = None, *, audio: Audio = "judged"
    ) -> Source[Any]:
        """A source that plays the diagram to each subscriber from its start.

        Args:
            diagram: the diagram; see the module's.
            legend: values by letter. A `sound` becomes a chunk, a `window` a turn being spoken;
                ``"#"`` is the exception to fail with.
            audio: whether ``_`` and ``~`` are chunks with ``speech`` filled in (``"judged"``),
                chunks that no `vad` has seen (``"unjudged"``) or arrays (``"arrays"``).

        Raises:
            ValueError: the diagram is malformed; shows where.
        """
        events = self._time.events(parse(diagram, legend or {}), legend or {}, audio)
        source = Cold[Any](self._time, _playable(events))
        self._sources.append(source)
        return source

    def hot(
        self, diagram: str, legend: Mapping[str, object] | None = None, *, audio: Audio = "judged"
    ) -> Source[Any]:
        """A source that plays by itself; ``^`` marks the subscription, the start without one.

        Arguments as `cold`'s.
        """
        parsed = parse(diagram, legend or {}, hot=True)
        events = self._time.events(parsed, legend or {}, audio)
        source = Hot[Any](self._time, _playable(events), parsed.lead)
        self._sources.append(source)
        return source

    def record(self, observable: Observable[T], *, dispose_at: int | None = None) -> list[Recorded]:
        """Subscribe, and list all that comes, until nothing is left to happen.

        Args:
            dispose_at: virtual milliseconds after which to dispose; None: never.
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
        """Subscribe, and compare times and values with the diagram.

        Args:
            diagram: what must come.
            legend: values by letter: any value, `sound`, `window` or `like`; ``"#"`` is an
                exception, a type of exception, or a type and a regular expression.
            audio: what ``_`` and ``~`` must be, as in `cold`.
            dispose_at: virtual milliseconds after which to dispose; None: never.

        Raises:
            AssertionError: it was otherwise; shows both lines and what differs.
            ValueError: the diagram is malformed; shows where.
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
        """Compare when the source was subscribed to and disposed in the last run.

        Args:
            diagrams: one for each subscription, in order, such as ``"--^---!"``.
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
    ) -> list[Event]:
        events: list[Event] = []
        time, clock = self._time, self._time.clock
        lead = max((source.lead for source in self._sources), default=0)
        time.epoch = clock.clock + lead * time.tick_ms / 1000
        life = CompositeDisposable()

        def observe(into: list[Event], start_ms: int, what: Observable[Any]) -> None:
            def on_next(value: object) -> None:
                if windows and isinstance(value, Turn):
                    inside: list[Event] = []
                    value = Seen(value, inside)
                    into.append(Event(time.now_ms - start_ms, "next", value))
                    observe(inside, time.now_ms, value.turn)
                else:
                    into.append(Event(time.now_ms - start_ms, "next", value))

            life.add(
                what.subscribe(
                    on_next,
                    lambda error: into.append(Event(time.now_ms - start_ms, "error", error)),
                    lambda: into.append(Event(time.now_ms - start_ms, "completed", None)),
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


def _playable(events: list[Event]) -> list[Event]:
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
