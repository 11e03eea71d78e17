"""`metrics`: measure how long each turn took, moment by moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from reactivex import Observable
from reactivex.disposable import SingleAssignmentDisposable

from rxvoice._answers.clock import time_of
from rxvoice._boundary import boundary_of, calling
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.events import (
    AudioLost,
    Dropped,
    Event,
    Finished,
    Interrupted,
    ReplyDelta,
    ReplyStarted,
    Speaking,
    Transcribed,
    TurnFailed,
    TurnMetrics,
    Underrun,
)
from rxvoice.operators._signals import follow_signal
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.slots import AudioSink
from rxvoice.turn import Turn

__all__ = ["metrics"]

T = TypeVar("T")

_MARKS: dict[type, str] = {
    Transcribed: "transcript_ms",
    ReplyStarted: "first_token_ms",
    ReplyDelta: "first_token_ms",
    Speaking: "first_heard_ms",
}
_OVER = (Finished, Interrupted, TurnFailed)
_REMEMBERED = 64
"""How many turns are measured at once, and how many turns that are over are remembered."""


@dataclass(slots=True, eq=False)
class _Moments:
    """What is known of a turn whose reply is not over."""

    turn: Turn
    underrun_before: int
    speech_end: float | None = None
    turn_end: float | None = None
    marks: dict[str, float] = field(default_factory=dict[str, float])
    interrupted: bool = False
    samples_lost: int = 0
    queued_ms: int = 0
    watching: SingleAssignmentDisposable = field(default_factory=SingleAssignmentDisposable)

    def mark(self, name: str, now: float) -> None:
        self.marks.setdefault(name, now)

    def result(self, now: float, underrun: int, memory: int | None) -> TurnMetrics:
        spoken = self.speech_end

        def since(moment: float | None) -> float | None:
            if spoken is None or moment is None:
                return None
            return round(1000 * (moment - spoken), 3)

        return TurnMetrics(
            self.turn,
            turn_ended_ms=since(self.turn_end),
            interrupted=self.interrupted,
            samples_lost=self.samples_lost,
            underrun_samples=underrun - self.underrun_before,
            queued_ms=self.queued_ms,
            over_ms=since(now),
            memory_bytes=memory,
            **{name: since(moment) for name, moment in self.marks.items()},
        )


def metrics(
    *, sink: AudioSink | None = None, memory: Callable[[], int] | None = None
) -> Operator[T, T | Event]:
    """Measure how long each turn took, from the end of the user's speech to the end of the reply.

    Put it after ``converse``, or before `play`, where it sees the elements of every stage:

    ```python
    turns.pipe(vox.converse(listen, *reply, sink=speaker), vox.metrics(sink=speaker))
    ```

    Emits: the same elements; and a `TurnMetrics` after the one that ends a turn's reply:
        `Finished`, `Interrupted`, `TurnFailed`, or the final `Speech`. The moments are counted from
        the end of the turn's last chunk that was judged speech: by the chunk's ``time``, or by its
        arrival if it has none.
    Completes: with the source. A turn whose reply is not over is not reported.
    Errors: with the source.
    Drops: nothing.
    Runs on: the thread of the source. It reads the time from the scheduler given to ``subscribe``
        if that is a virtual one, otherwise from ``time.monotonic()``.

    Without ``converse``, no event says when a turn opens or when a reply is heard:
    ``turn_ended_ms`` and ``first_heard_ms`` are None. The end of the speech is known if the turn's
    chunks have a ``time``. `TurnMetrics.parts` has the time between the moments, and who took it.

    Args:
        sink: the loudspeaker. Its ``queued_ms``, read at each element, gives ``queued_ms``; its
            ``events`` give ``underrun_samples``. A sink may have neither.
        memory: called when a reply is over; gives ``memory_bytes``. For models on MLX, such as
            ``lambda: rxv.mlx.memory_use().active``.
    """
    events = cast("Observable[Event] | None", getattr(sink, "events", None))

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        now = time_of(out.scheduler)
        call, boundary = calling(out.scheduler), boundary_of(out.scheduler)
        own_sink = sink if sink is None or boundary is None else boundary.sink(sink)
        records: dict[_Key, _Moments] = {}
        over: deque[_Key] = deque(maxlen=_REMEMBERED)
        underrun = 0

        def count_underrun(event: object) -> None:
            # The sink's events may come with the elements too.
            nonlocal underrun
            if isinstance(event, Underrun):
                underrun = max(underrun, event.total)

        def record_of(turn: Turn) -> _Moments | None:
            key = _key(turn)
            if key in over:
                return None
            record = records.get(key)
            if record is None:
                if len(records) == _REMEMBERED:  # turns without a reply
                    forget(next(iter(records.values())).turn)
                record = records[key] = _Moments(turn, underrun)
                watch(record)
            return record

        def watch(record: _Moments) -> None:
            was_open = record.turn.is_open

            def on_chunk(chunk: AudioChunk) -> None:
                if not chunk.speech:
                    return
                if chunk.time is not None:
                    record.speech_end = chunk.time + len(chunk.samples) / chunk.sample_rate
                elif was_open:
                    record.speech_end = now()
                record.marks.clear()  # of a reply that began too early and is void

            def on_end(_: object = None) -> None:
                if was_open:
                    record.turn_end = now()

            out.life.add(record.watching)
            record.watching.disposable = record.turn.subscribe(
                on_chunk, on_end, on_end, scheduler=out.scheduler
            )

        def forget(turn: Turn) -> None:
            key = _key(turn)
            record = records.pop(key, None)
            if record is not None:
                out.life.remove(record.watching)
                over.append(key)

        def note(element: object) -> Turn | None:
            """Note what the element says. Returns the turn whose reply it ends, if any."""
            if isinstance(element, AudioLost):
                for record in records.values():
                    record.samples_lost += element.samples
                return None
            count_underrun(element)
            turn = element if isinstance(element, Turn) else getattr(element, "turn", None)
            if not isinstance(turn, Turn):
                return None
            if isinstance(element, Dropped):
                forget(turn)
                return None
            record = record_of(turn)
            if record is None:
                return None
            name = _MARKS.get(type(element))
            if isinstance(element, Transcript) and element.final:
                name = "transcript_ms"
            elif isinstance(element, Reply) and element.delta:
                name = "first_token_ms"
            elif isinstance(element, Speech) and len(element.samples):
                name = "first_audio_ms"
                if element.sentence is not None and element.sentence.asked is not None:
                    record.mark("first_sentence_ms", element.sentence.asked)
            if name is not None:
                record.mark(name, now())
            final = isinstance(element, Speech) and element.final
            record.interrupted |= isinstance(element, Interrupted) or (
                isinstance(element, Speech) and element.interrupted
            )
            return turn if final or isinstance(element, _OVER) else None

        def look() -> None:
            queued = getattr(own_sink, "queued_ms", None)
            if queued is not None:
                for record in records.values():
                    record.queued_ms = max(record.queued_ms, int(queued))

        def step(element: T) -> None:
            ended = note(element)
            out.emit(element)
            look()  # afterwards: `play` has written to the sink by then
            record = ended and records.get(_key(ended))
            if record:
                held = None if memory is None else call("memory", memory, None)
                result = record.result(now(), underrun, held)
                forget(record.turn)
                out.emit(result)

        if events is not None:
            follow_signal("underruns", events, out, count_underrun, lambda _: None)
        return step, None, None

    return stateful_on_events(start)


_Key: TypeAlias = tuple[str | None, int, int]


def _key(turn: Turn) -> _Key:
    """What identifies a turn while it grows."""
    return turn.source, turn.id, turn.start
