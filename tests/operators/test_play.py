from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reactivex import Observable, Subject

from rxvoice import operators as vox
from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import TurnFailed, TurnOpened
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeSink, failing
from rxvoice.turn import Turn, TurnWriter

BOOM = RuntimeError("no device")


def speech(*lengths: int, id: int = 1, rate: int = 24_000, barge_in: bool = False) -> list[Speech]:
    """A turn's speech in pieces of these lengths, and its final one."""
    turn = Turn.of(np.zeros(4, np.float32), id=id, chunks_consumed=10 * id, barge_in=barge_in)
    transcript = Transcript(turn, f"question {id}")
    made: list[Speech] = []
    for n, length in enumerate(lengths):
        samples = ((np.arange(length) + 100 * n) / 4096).astype(np.float32)
        made.append(Speech(Reply(transcript, "x"), samples, rate, "x"))
    final = Reply(transcript, text=f"answer {id}", final=True)
    return [*made, Speech(final, np.empty(0, np.float32), rate, final=True)]


def joined(pieces: list[Speech]) -> Any:
    return np.concatenate([piece.samples for piece in pieces])


class Run:
    """Speech, pushed by hand, and the log of it."""

    def __init__(self, sink: Any, **options: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.end: list[Any] = []
        self.source.pipe(vox.play(sink, **options)).subscribe(
            self.seen.append, self.end.append, lambda: self.end.append("completed")
        )

    def push(self, *pieces: Any, end: bool = False) -> Run:
        for piece in pieces:
            self.source.on_next(piece)
        if end:
            self.source.on_completed()
        return self


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_passes_the_battery(errors: Any) -> None:
    check_operator(
        lambda: vox.play(FakeSink(take=3), errors=errors),
        elements=[*speech(4, 5), *speech(1, id=2)],
        failing=lambda error: vox.play(
            failing(FakeSink(), "write_samples", error=error), errors=errors
        ),
        name="play",
    )


def test_a_flush_that_raises_passes_the_battery() -> None:
    check_operator(
        lambda: vox.play(FakeSink()),
        elements=[*speech(4), *speech(1, id=2)],
        failing=lambda error: vox.play(failing(FakeSink(), "flush", error=error)),
        name="play",
    )


def test_an_event_at_the_end_of_each_reply() -> None:
    sink = FakeSink()
    run = Run(sink).push(*speech(4, 5))
    assert run.seen == [FinishedTurn(10, "question 1", "answer 1", False)]
    run.push(*speech(3, id=2, barge_in=True), end=True)
    assert run.seen[1:] == [FinishedTurn(20, "question 2", "answer 2", True)]
    assert run.end == ["completed"]


def test_an_event_also_for_a_reply_without_sound() -> None:
    sink = FakeSink()
    assert len(Run(sink).push(*speech()).seen) == 1
    assert sink.offered == []


@pytest.mark.parametrize("take", [1, 3, 4, 5, 100, None])
def test_a_piece_is_offered_until_all_of_it_is_taken(take: int | None) -> None:
    sink = FakeSink(take=take)
    pieces = speech(4, 9)
    Run(sink).push(*pieces)
    assert np.array_equal(sink.samples, joined(pieces))
    assert all(len(write) <= (take or 100) for write in sink.writes)


def test_what_is_offered_is_what_is_left() -> None:
    sink = FakeSink(take=3)
    Run(sink).push(*speech(8))
    assert sink.offered == [8, 5, 2]


def test_the_sink_is_flushed_once_at_the_end() -> None:
    sink = FakeSink()
    run = Run(sink).push(*speech(4), *speech(4, id=2))
    assert sink.flushes == 0
    run.push(end=True)
    assert sink.flushes == 1
    sink = FakeSink()
    Run(sink).push(end=True)
    assert sink.flushes == 1


def test_completion_comes_after_the_flush() -> None:
    log: list[str] = []

    class Sink(FakeSink):
        def flush(self) -> None:
            log.append("flush")

    source: Subject[Any] = Subject()
    source.pipe(vox.play(Sink())).subscribe(on_completed=lambda: log.append("completed"))
    source.on_completed()
    assert log == ["flush", "completed"]


def test_the_sources_error_passes_and_nothing_is_flushed() -> None:
    sink = FakeSink()
    run = Run(sink).push(speech(4)[0])
    run.source.on_error(BOOM)
    assert run.end == [BOOM]
    assert sink.flushes == 0
    assert len(sink.samples) == 4


def test_the_sink_is_told_the_rate_when_it_changes() -> None:
    sink = FakeSink()
    Run(sink).push(*speech(4, 4), *speech(4, rate=16_000), *speech(4), *speech(rate=8_000))
    assert sink.rates == [24_000, 16_000, 24_000]


def test_a_sink_that_does_not_want_to_know_the_rate() -> None:
    class Plain:
        is_running = False
        taken = 0

        def write_samples(self, samples: Any) -> int:
            self.taken += len(samples)
            return len(samples)

        def flush(self) -> None: ...
        def clear(self) -> Any: ...
        def stop(self) -> None: ...

    sink = Plain()
    assert Run(sink).push(*speech(4), end=True).end == ["completed"]
    assert sink.taken == 4


@pytest.mark.parametrize("taken", [0, -1, 5, 100])
def test_a_sink_that_takes_too_little_or_too_much(taken: int) -> None:
    class Sink(FakeSink):
        def write_samples(self, samples: Any) -> int:
            super().write_samples(samples)
            return taken

    sink = Sink()
    run = Run(sink).push(*speech(4, 4), end=True)
    (error,) = run.end
    assert isinstance(error, SinkStalled)
    assert str(error) == (
        f"the sink took {taken} of 4 samples: write_samples() must take at least one, "
        "waiting for room, and say how many"
    )
    assert run.seen == []
    assert sink.offered == [4]
    assert sink.flushes == 0


def test_a_sink_that_stalls_in_the_middle_keeps_what_it_took() -> None:
    sink = FakeSink(take=3, stalls_after=2)
    (error,) = Run(sink).push(*speech(10)).end
    assert str(error).startswith("the sink took 0 of 4 samples: ")
    assert len(sink.samples) == 6
    assert (sink.flushes, sink.clears) == (0, 0)


@pytest.mark.parametrize("answer", [None, "4", 1.5])
def test_a_sink_that_does_not_say_how_many(answer: Any) -> None:
    class Sink(FakeSink):
        def write_samples(self, samples: Any) -> Any:
            return answer

    (error,) = Run(Sink()).push(*speech(4)).end
    assert isinstance(error, StageError)
    assert isinstance(error.cause, TypeError)


def test_a_sink_that_raises() -> None:
    pieces = speech(4, 4)
    (error,) = Run(failing(FakeSink(), "write_samples", at=2, error=BOOM)).push(*pieces).end
    assert isinstance(error, StageError)
    assert str(error) == "play (turn 1) failed: RuntimeError: no device"
    assert (error.turn, error.cause) == (pieces[0].turn, BOOM)


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_a_flush_that_raises(errors: Any) -> None:
    run = Run(failing(FakeSink(), "flush", error=BOOM), errors=errors)
    (error,) = run.push(*speech(4), end=True).end
    assert isinstance(error, StageError)
    assert (error.turn, error.cause) == (None, BOOM)


def test_errors_as_events_drop_the_rest_of_that_reply_only() -> None:
    sink = FakeSink()
    first, second = speech(4, 5, 6), speech(7, id=2)
    run = Run(failing(sink, "write_samples", at=2, error=BOOM), errors="event")
    run.push(*first, *second, end=True)
    assert run.seen == [
        TurnFailed(first[0].turn, run.seen[0].error),
        FinishedTurn(20, "question 2", "answer 2"),
    ]
    assert run.seen[0].error.cause is BOOM
    assert [len(write) for write in sink.writes] == [4, 7]
    assert run.end == ["completed"]


def test_a_stall_as_an_event() -> None:
    run = Run(FakeSink(take=0), errors="event").push(*speech(4))
    error = run.seen[0].error
    assert isinstance(error, StageError)
    assert isinstance(error.cause, SinkStalled)


def test_turn_failed_passes() -> None:
    turn = speech()[0].turn
    failed = TurnFailed(turn, StageError("respond", turn, BOOM))
    sink = FakeSink()
    run = Run(sink).push(failed, *speech(4, id=2))
    assert run.seen[0] is failed
    assert len(run.seen) == 2


def test_a_turn_that_the_sink_has_failed_does_not_fail_again() -> None:
    piece, *_ = speech(4)
    turns = piece.turn, speech(5, id=2)[0].turn
    of_models = [TurnFailed(it, StageError("respond", it, BOOM)) for it in turns]
    sink = failing(FakeSink(), "write_samples", error=BOOM)
    run = Run(sink, errors="event").push(piece, *of_models)
    assert [it.error.stage for it in run.seen] == ["play", "respond"]
    assert [it.turn for it in run.seen] == [*turns]


def at_once(pieces: list[Speech]) -> Observable[Speech]:
    """A source that emits while it is being subscribed to."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        for piece in pieces:
            observer.on_next(piece)
        observer.on_completed()
        return lambda: None

    return Observable(subscribe)


def test_a_sink_that_has_stalled_is_left_as_it_is() -> None:
    sink = FakeSink(take=0)
    end: list[Any] = []
    at_once(speech(4)).pipe(vox.play(sink)).subscribe(
        on_error=end.append, on_completed=lambda: end.append("completed")
    )
    assert [type(e) for e in end] == [SinkStalled]
    assert sink.flushes == 0


def test_a_synchronous_source_is_played_whole() -> None:
    sink = FakeSink()
    seen: list[Any] = []
    at_once(speech(4, 5)).pipe(vox.play(sink)).subscribe(seen.append)
    assert len(seen) == sink.flushes == 1
    assert len(sink.samples) == 9


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError) as raised:
        vox.play(FakeSink(), errors="event ")  # type: ignore[arg-type]
    assert str(raised.value) == 'play errors must be "event" or "raise", got \'event \''
    with pytest.raises(ConfigError, match=r"play wanted a sink with write_samples\(\), got None"):
        vox.play(None)  # type: ignore[arg-type]


def test_a_callable_is_no_sink() -> None:
    with pytest.raises(ConfigError):
        vox.play(lambda samples: len(samples))  # type: ignore[arg-type]


def test_behind_a_conversation_the_stream_ends_with_an_error() -> None:
    run = Run(FakeSink())
    run.source.on_next(TurnOpened(Turn.of(np.zeros(4, np.float32))))
    (error,) = run.end
    assert isinstance(error, ConfigError)
    assert str(error).startswith("play() was put behind converse(), which writes to its sink")


def test_of_a_turn_that_is_still_open_no_chunks_are_counted() -> None:
    reply = Reply(Transcript(TurnWriter(1, 0, 16_000).turn, "hi"), "Yes.")
    run = Run(FakeSink()).push(Speech(reply, np.empty(0, np.float32), 24_000, final=True))
    assert [it.chunks_consumed for it in run.seen] == [0]
