"""`paced`: speech is made a limited time ahead of the loudspeaker, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import numpy as np
import pytest
from reactivex import Subject, abc
from reactivex.internal import DisposedException
from reactivex.scheduler import ImmediateScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import Reply, Samples, Speech, Transcript, Turn, sinks
from rxvoice import operators as vox
from rxvoice._threads.loop import Loop
from rxvoice.errors import ConfigError

RATE = 1000


class Loudspeaker(sinks.Sink):
    """Plays when the test says so. A sample is a millisecond."""

    def __init__(self) -> None:
        self.played: Subject[int] = Subject()
        self.queued_ms = 0.0
        self.most_ms = 0.0
        self.position = 0
        self.stopped = False

    def write_samples(self, samples: Samples) -> int:
        self.queued_ms += len(samples)
        self.most_ms = max(self.most_ms, self.queued_ms)
        return len(samples)

    def play(self, ms: int) -> None:
        ms = min(ms, int(self.queued_ms))
        self.queued_ms -= ms
        self.position += ms
        self.played.on_next(self.position)

    def clear(self) -> Samples:
        dropped = np.zeros(int(self.queued_ms), np.float32)
        self.queued_ms = 0
        self.played.on_next(self.position)
        return dropped

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.queued_ms = 0
        self.played.on_completed()

    @property
    def is_running(self) -> bool:
        return self.queued_ms > 0


class Worker(TestScheduler):
    """Runs its actions when the test says so; they take no time."""

    def run_all(self) -> None:
        self.advance_by(1)


def noting(log: list[str], name: str) -> abc.ScheduledAction[object]:
    def action(_: abc.SchedulerBase, __: object = None) -> None:
        log.append(name)

    return action


def test_what_there_is_room_for_goes_to_the_worker_at_once() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 99
    scheduler.schedule(noting(log, "a"))
    assert scheduler.held == 0
    assert log == []
    worker.run_all()
    assert log == ["a"]


def test_an_action_is_given_the_paced_scheduler_and_its_state() -> None:
    scheduler = rxv.paced(ImmediateScheduler(), Loudspeaker())
    came: list[object] = []
    scheduler.schedule(lambda *given: came.extend(given), "state")
    assert came == [scheduler, "state"]


def test_what_there_is_no_room_for_is_held_in_order() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 120
    for name in "abc":
        scheduler.schedule(noting(log, name))
    sink.play(20)
    worker.run_all()
    assert (log, scheduler.held) == ([], 3)
    sink.play(1)
    worker.run_all()
    assert (log, scheduler.held) == (["a", "b", "c"], 0)


@pytest.mark.parametrize("said", [OSError("unplugged"), SystemExit("x"), None, "8", float("nan")])
def test_a_sink_that_does_not_say_what_it_has_queued_holds_nothing(
    said: object, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Loudspeaker):
        says: object = 120.0

        @property
        def queued_ms(self) -> float:
            if isinstance(self.says, BaseException):
                raise self.says
            return self.says  # type: ignore[return-value]

        @queued_ms.setter
        def queued_ms(self, _: float) -> None: ...

    worker, sink, log = Worker(), Odd(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    scheduler.schedule(noting(log, "a"))
    sink.says = said
    sink.played.on_next(1)  # what was held goes on
    scheduler.schedule(noting(log, "b"))
    worker.run_all()
    assert (log, scheduler.held) == (["a", "b"], 0)
    told = [it.getMessage() for it in caplog.records]
    assert len(told) == (said == said)  # NaN is not more than there may be
    assert all("the sink does not say what it has queued" in it for it in told)


@pytest.mark.parametrize("how", ["clear", "stop"])
def test_there_is_room_when_the_sink_drops_what_it_has(how: str) -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 120
    scheduler.schedule(noting(log, "a"))
    getattr(sink, how)()
    worker.run_all()
    assert log == ["a"]


def test_it_listens_to_the_sink_only_while_it_holds_something() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    scheduler.schedule(noting(log, "a"))
    assert not sink.played.observers
    sink.queued_ms = 120
    scheduler.schedule(noting(log, "b"))
    scheduler.schedule(noting(log, "c"))
    assert len(sink.played.observers) == 1
    sink.play(50)
    assert not sink.played.observers


def test_room_that_nobody_told_of_is_found_by_the_next_action() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 120
    scheduler.schedule(noting(log, "a"))
    sink.queued_ms = 0
    scheduler.schedule(noting(log, "b"))
    worker.run_all()
    assert log == ["a", "b"]


def test_what_is_disposed_while_it_is_held_never_runs() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 120
    first = scheduler.schedule(noting(log, "a"))
    scheduler.schedule(noting(log, "b"))
    first.dispose()
    assert scheduler.held == 1
    sink.play(50)
    worker.run_all()
    assert log == ["b"]


def test_what_is_disposed_after_it_was_handed_over_does_not_run_either() -> None:
    worker, log = Worker(), list[str]()
    scheduler = rxv.paced(worker, Loudspeaker())
    scheduler.schedule(noting(log, "a")).dispose()
    worker.run_all()
    assert log == []


def test_what_is_due_later_is_looked_at_then() -> None:
    worker, sink, log = Worker(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    scheduler.schedule_relative(5.0, noting(log, "a"))
    scheduler.schedule_absolute(6.0, noting(log, "b"))
    scheduler.schedule_relative(7.0, noting(log, "c")).dispose()
    sink.queued_ms = 120
    worker.advance_to(10)
    assert (log, scheduler.held) == ([], 2)
    sink.play(50)
    worker.run_all()
    assert log == ["a", "b"]
    assert scheduler.now == worker.now


def test_what_the_worker_refuses_is_raised_or_dropped(caplog: pytest.LogCaptureFixture) -> None:
    class Shut(Worker):
        shut = False

        def schedule(self, action: object, state: object = None) -> abc.DisposableBase:
            if self.shut:
                raise DisposedException("shut down")
            return super().schedule(action, state)

    worker, sink, log = Shut(), Loudspeaker(), list[str]()
    scheduler = rxv.paced(worker, sink, ahead_ms=100)
    sink.queued_ms = 120
    scheduler.schedule(noting(log, "a"))
    worker.shut = True
    sink.play(120)
    assert scheduler.held == 0
    assert caplog.text == ""
    with pytest.raises(DisposedException, match="shut down"):
        scheduler.schedule(noting(log, "b"))
    worker.shut = False
    scheduler.schedule(noting(log, "c"))
    worker.run_all()
    assert log == ["c"]


@pytest.mark.parametrize("bad", [sinks.null(), sinks.memory()])
def test_a_sink_that_does_not_tell_is_refused(bad: sinks.Sink) -> None:
    with pytest.raises(ConfigError, match="wanted a sink with played and queued_ms, such as"):
        rxv.paced(Worker(), bad)


def test_a_bad_ahead_is_refused() -> None:
    with pytest.raises(ConfigError, match="paced ahead_ms must be at least 1 ms, got 0"):
        rxv.paced(Worker(), Loudspeaker(), ahead_ms=0)


# In a pipe.


class Voice:
    """Speaks anything in pieces of 50 ms, and notes what it made."""

    sample_rate = RATE

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.made = 0
        self.open = 0

    def synthesize_stream(self, text: str) -> Generator[Samples]:
        self.open += 1
        try:
            for _ in range(self.pieces):
                self.made += 1
                yield np.full(50, 0.5, np.float32)
        finally:
            self.open -= 1


def answer(text: str, number: int = 0) -> Iterator[Reply]:
    asked = Transcript(Turn.of(np.zeros(512, np.float32), id=number), "what?")
    yield Reply(asked, text)
    yield Reply(asked, text=text, final=True)


def test_a_long_reply_is_made_as_it_is_played() -> None:
    worker, sink, voice = Worker(), Loudspeaker(), Voice(100)
    replies: Subject[Reply | rxv.Event] = Subject()
    logged: list[object] = []
    replies.pipe(
        vox.synthesize(voice, worker=rxv.paced(worker, sink, ahead_ms=300)), vox.play(sink)
    ).subscribe(logged.append)
    for reply in answer("A long story."):
        replies.on_next(reply)
    for at in range(200):
        worker.advance_by(10)
        assert voice.made * 50 <= sink.position + 350
        assert sink.queued_ms >= 300 or voice.made == 100 or at < 7
        sink.play(30)
    worker.advance_by(10)
    assert voice.made == 100
    assert sink.most_ms < 350
    assert voice.open == 0
    assert len(logged) == 1


def test_an_interrupted_reply_is_closed_and_the_next_one_is_spoken() -> None:
    worker, sink, voice = Worker(), Loudspeaker(), Voice(100)
    scheduler = rxv.paced(worker, sink, ahead_ms=300)
    for number in range(3):
        replies: Subject[Reply | rxv.Event] = Subject()
        life = replies.pipe(vox.synthesize(voice, worker=scheduler), vox.play(sink)).subscribe()
        for reply in answer("A long story.", number):
            replies.on_next(reply)
        worker.advance_by(20)
        assert sink.queued_ms == 300
        assert scheduler.held == 1
        life.dispose()
        assert voice.open == 1
        sink.clear()
        worker.advance_by(1)
        assert voice.open == 0
        assert scheduler.held == 0
    assert voice.made == 3 * 6


def test_a_reply_that_is_disposed_of_is_closed_though_nothing_more_is_played() -> None:
    """Nothing waits for room that is to be closed, or was never asked for."""
    worker, sink, voices = Worker(), Loudspeaker(), (Voice(100), Voice(100))
    scheduler = rxv.paced(worker, sink, ahead_ms=300)
    lives: list[abc.DisposableBase] = []
    for number, voice in enumerate(voices):
        replies: Subject[Reply | rxv.Event] = Subject()
        stages = (vox.synthesize(voice, worker=scheduler), vox.play(sink))
        lives.append(replies.pipe(*stages).subscribe())
        for reply in answer("A long story.", number):
            replies.on_next(reply)
        worker.advance_by(20)
    assert (scheduler.held, voices[0].open, voices[1].open) == (2, 1, 0)
    for life in lives:
        life.dispose()
    worker.advance_by(1)
    assert (scheduler.held, voices[0].open, voices[1].made) == (0, 0, 0)


def test_on_threads_all_is_spoken_and_no_more_than_that_ahead() -> None:
    sink, voice = Loudspeaker(), Voice(300)
    lock = threading.Lock()
    worker, home = Loop("test-worker"), Loop("test-home")
    replies: Subject[Reply | rxv.Event] = Subject()
    done, room = threading.Event(), threading.Event()
    took: list[Speech] = []

    def write(speech: Speech | rxv.Event) -> None:
        assert isinstance(speech, Speech)
        with lock:
            sink.write_samples(speech.samples)
        took.append(speech)
        room.set()
        if speech.final:
            done.set()

    replies.pipe(vox.synthesize(voice, worker=rxv.paced(worker, sink, ahead_ms=300))).subscribe(
        write, scheduler=home
    )
    for reply in answer("A long story."):
        home.schedule(lambda *_, reply=reply: replies.on_next(reply))
    while not done.is_set():
        assert room.wait(60)
        room.clear()
        while sink.queued_ms:
            with lock:
                sink.queued_ms = max(0, sink.queued_ms - 37)
            sink.played.on_next(0)
    for loop in (worker, home):
        loop.dispose()
        assert loop.join(60)
    assert sum(len(speech.samples) for speech in took) == 300 * 50
    assert voice.open == 0
