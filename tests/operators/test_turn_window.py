from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import CurrentThreadScheduler, NewThreadScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakePolicy, failing
from rxvoice.turn import Turn

RATE = 50  # a sample lasts 20 ms
SIZE = 4
MS = 80  # of a chunk
NEVER = FakePolicy(())


def mic(pattern: str) -> list[AudioChunk]:
    """Rising samples: ``~`` speech, ``_`` not, ``!`` speech over the assistant, ``.`` the tail."""
    made: list[AudioChunk] = []
    for n, char in enumerate(pattern):
        samples = (np.arange(n * SIZE, (n + 1) * SIZE) / 4096).astype(np.float32)
        chunk = AudioChunk(samples, RATE, n * SIZE, speech=char in "~!", barge_in=char == "!")
        if char == ".":
            chunk = replace(chunk, samples=samples[:1], speech=None, partial=True)
        made.append(chunk)
    return made


def numbers(samples: Any) -> list[int]:
    return [round(v * 4096) for v in samples.tolist()]


class Run:
    """A microphone, pushed by hand, and the turns that come of it."""

    def __init__(
        self,
        policy: Any = None,
        *,
        preroll: float = 0,
        scheduler: Any = None,
        listens: bool = True,
        **options: Any,
    ) -> None:
        self.listens = listens
        self.source: Subject[AudioChunk] = Subject()
        self.turns: list[Turn] = []
        self.windows: list[list[Any]] = []
        self.end: list[Any] = []
        self.life = self.source.pipe(
            vox.preroll(preroll),
            vox.turn_window(policy or rxv.silence(3 * MS), **options),
        ).subscribe(
            self._turn,
            self.end.append,
            lambda: self.end.append("completed"),
            scheduler=scheduler,
        )

    def _turn(self, turn: Turn) -> None:
        self.turns.append(turn)
        window: list[Any] = []
        self.windows.append(window)
        if self.listens:
            turn.subscribe(window.append, window.append, lambda: window.append("completed"))

    def push(self, pattern: str | list[AudioChunk], *, end: bool = False) -> Run:
        for chunk in mic(pattern) if isinstance(pattern, str) else pattern:
            self.source.on_next(chunk)
        if end:
            self.source.on_completed()
        return self

    @property
    def audio(self) -> list[list[int]]:
        return [numbers(turn.audio) for turn in self.turns]

    @property
    def ended_by(self) -> list[str | None]:
        return [turn.ended_by for turn in self.turns]


def samples(first: int, last: int) -> list[int]:
    """The numbers of the samples from one chunk up to another."""
    return [*range(first * SIZE, last * SIZE)]


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.turn_window(rxv.silence(2 * MS), max_duration_ms=5 * MS),
        elements=mic("_~_~__~~~~~~~_."),
        name="turn_window",
        key=lambda turn: turn.id,
    )
    check_operator(
        lambda: vox.turn_window(lambda audio, ms: rx.timer(0.04).pipe(ops.map(lambda _: ms > MS))),
        elements=mic("~_____~__"),
        name="turn_window",
        key=lambda turn: (turn.id, turn.start),
    )


def test_silence_alone_makes_no_turn() -> None:
    run = Run().push("_____.", end=True)
    assert (run.turns, run.end) == ([], ["completed"])


def test_a_turn_keeps_the_silence_at_its_end() -> None:
    run = Run().push("_~_~___").push("_")
    assert run.audio == [samples(1, 7)]
    assert run.ended_by == ["policy"]
    assert run.turns[0].start == SIZE


def test_a_turn_is_emitted_as_it_opens_before_its_live_chunks() -> None:
    source: Subject[AudioChunk] = Subject()
    seen: list[tuple[int, bool]] = []
    source.pipe(vox.turn_window()).subscribe(lambda t: seen.append((len(t.audio), t.is_open)))
    source.on_next(mic("~")[0])
    assert seen == [(0, True)]


def test_the_joined_chunks_of_the_window_are_its_audio() -> None:
    run = Run(preroll=120).push("__~_~~___~~.", end=True)
    assert len(run.turns) == 2
    for turn, (*chunks, end) in zip(run.turns, run.windows, strict=True):
        assert end == "completed"
        assert np.array_equal(np.concatenate([c.samples for c in chunks]), turn.audio)
        starts = [c.start for c in chunks]
        lengths = [len(c.samples) for c in chunks]
        assert starts == [turn.start + sum(lengths[:n]) for n in range(len(chunks))]
        assert all(c.lead_in is None for c in chunks)


def test_the_lead_in_comes_first_as_a_chunk_without_speech() -> None:
    run = Run(preroll=120).push("___~")
    first, second = run.windows[0]
    assert (numbers(first.samples), first.speech, first.start) == ([*range(6, 12)], False, 6)
    assert second == mic("___~")[3]
    assert run.turns[0].start == 6


def test_an_empty_lead_in_makes_no_chunk() -> None:
    run = Run(preroll=120).push("~")
    assert run.windows == [mic("~")]


def test_the_lead_in_is_trimmed_to_what_came_after_the_last_turn() -> None:
    run = Run(rxv.silence(MS), preroll=2000).push("__~__~", end=True)
    assert run.audio == [samples(0, 4), samples(4, 6)]
    run = Run(rxv.silence(MS), preroll=2000).push("__~_~", end=True)
    assert run.audio == [samples(0, 4), samples(4, 5)]
    run = Run(rxv.silence(MS), preroll=2 * MS + 20).push("__~____~", end=True)
    assert run.audio == [samples(0, 4), [19, *samples(5, 8)]]


def test_the_lead_in_of_a_run_in_an_open_turn_is_not_heard_twice() -> None:
    run = Run(preroll=2000).push("_~_~_", end=True)
    assert run.audio == [samples(0, 5)]


def test_every_sample_from_the_first_turn_on_is_in_just_one_turn() -> None:
    pattern = "~~_~___~~_~~~~~~~~~~~_~" * 3
    run = Run(rxv.silence(2 * MS), preroll=20000, max_duration_ms=5 * MS).push(pattern, end=True)
    assert [n for audio in run.audio for n in audio] == samples(0, len(pattern))
    assert len(run.turns) > 10


def test_ids_count_the_turns_of_a_subscription() -> None:
    run = Run(rxv.silence(MS)).push("~_~_~_")
    assert [turn.id for turn in run.turns] == [1, 2, 3]


def test_chunks_consumed_counts_full_chunks_since_the_subscription() -> None:
    run = Run(rxv.silence(MS)).push("__~_")
    assert run.turns[0].chunks_consumed == 4
    run.push("_~~")
    assert run.turns[1].chunks_consumed is None
    run.push(".", end=True)
    assert [turn.chunks_consumed for turn in run.turns] == [4, 7]


def test_the_partial_tail_joins_an_open_turn() -> None:
    run = Run().push("~~.", end=True)
    assert run.audio == [[*samples(0, 2), 8]]
    assert run.turns[0].chunks_consumed == 2
    assert run.ended_by == ["source"]
    assert run.windows[0][2].partial is True


def test_the_partial_tail_alone_opens_nothing() -> None:
    assert Run(rxv.silence(MS)).push("~_.", end=True).audio == [samples(0, 2)]


def test_barge_in_is_on_the_turn_that_it_was_seen_in() -> None:
    run = Run(rxv.silence(MS)).push("~_~!~_~_")
    assert [turn.barge_in for turn in run.turns] == [False, True, False]


class Asks:
    def __init__(self) -> None:
        self.silences: list[int] = []

    def user_finished(self, audio: Any, silence_ms: int) -> bool:
        self.silences.append(silence_ms)
        return False


def test_the_policy_is_asked_after_each_chunk_of_silence_in_a_turn() -> None:
    policy = Asks()
    Run(policy).push("__~__~~_~___")
    assert policy.silences == [80, 160, 80, 80, 160, 240]


def test_the_policy_is_given_the_turn_so_far() -> None:
    policy = FakePolicy(())
    run = Run(policy).push("_~_~_")
    assert [numbers(audio) for audio, _ in policy.asked] == [samples(1, 3), samples(1, 5)]
    assert np.shares_memory(policy.asked[1][0], run.turns[0].audio)


def test_silence_is_counted_in_whole_milliseconds_per_chunk() -> None:
    policy = Asks()
    odd = [AudioChunk(np.zeros(17, np.float32), 16_000, 17 * n, speech=n == 0) for n in range(4)]
    Run(policy).push(odd)
    assert policy.silences == [1, 2, 3]


@pytest.mark.parametrize(("ms", "chunks"), [(0, 2), (5, 2), (80, 2), (81, 3), (160, 3), (161, 4)])
def test_silence_boundaries(ms: int, chunks: int) -> None:
    run = Run(rxv.silence(ms)).push("~______")
    assert run.audio == [samples(0, chunks)]


@pytest.mark.parametrize(
    ("ms", "chunks"),
    [(64, [1] * 6), (80, [1] * 6), (80.5, [2] * 3), (160, [2] * 3), (161, [3] * 2)],
)
def test_a_turn_that_is_too_long_is_ended_and_continuing_speech_loses_no_sample(
    ms: float, chunks: list[int]
) -> None:
    run = Run(NEVER, max_duration_ms=ms, preroll=2000).push("~~~~~~", end=True)
    assert [len(audio) // SIZE for audio in run.audio] == chunks
    assert [n for audio in run.audio for n in audio] == samples(0, 6)
    assert run.ended_by == ["max_duration"] * len(chunks)


def test_the_lead_in_counts_towards_the_longest_turn() -> None:
    run = Run(NEVER, max_duration_ms=3 * MS, preroll=2000).push("_____~~")
    assert run.audio == [samples(0, 6), samples(6, 7)]


def test_silence_too_makes_a_turn_too_long() -> None:
    run = Run(NEVER, max_duration_ms=3 * MS).push("~____")
    assert run.audio == [samples(0, 3)]
    assert run.ended_by == ["max_duration"]


def test_the_policy_goes_before_the_length() -> None:
    run = Run(rxv.silence(2 * MS), max_duration_ms=3 * MS).push("~__")
    assert run.ended_by == ["policy"]


# Policies that answer by an observable.


class Answers:
    """Answers with what the test decides, when it decides it."""

    def __init__(self) -> None:
        self.subjects: list[Subject[bool]] = []

    def user_finished(self, audio: Any, silence_ms: int) -> Observable[bool]:
        self.subjects.append(Subject())
        return self.subjects[-1]


def test_a_late_answer_ends_the_turn_where_it_arrives() -> None:
    policy = Answers()
    run = Run(policy).push("~__")
    policy.subjects[0].on_next(True)
    assert run.audio == [samples(0, 3)]
    assert run.ended_by == ["policy"]
    assert run.turns[0].chunks_consumed == 3
    assert run.windows[0][-1] == "completed"


def test_a_later_answer_in_virtual_time() -> None:
    scheduler = TestScheduler()
    run = Run(FakePolicy([False, True], after_ms=100), scheduler=scheduler)
    chunks = mic("~______")
    for n, chunk in enumerate(chunks):
        scheduler.schedule_relative(
            n * MS / 1000, lambda *_, chunk=chunk: run.source.on_next(chunk)
        )
    scheduler.start()
    # Asked at 160 ms for the second time, answered at 260: after the chunk at 240.
    assert run.audio == [samples(0, 4)]


def test_a_no_changes_nothing_and_a_yes_may_still_follow() -> None:
    policy = Answers()
    run = Run(policy).push("~_")
    policy.subjects[0].on_next(False)
    assert run.turns[0].is_open
    policy.subjects[0].on_next(True)
    assert run.ended_by == ["policy"]


def test_an_answer_is_void_once_the_user_has_spoken_again() -> None:
    policy = Answers()
    run = Run(policy).push("~_~")
    assert policy.subjects[0].observers == []
    policy.subjects[0].on_next(True)
    assert run.turns[0].is_open
    run.push("_")
    policy.subjects[1].on_next(True)
    assert run.ended_by == ["policy"]


def test_an_answer_does_not_end_the_next_turn() -> None:
    policy = Answers()
    run = Run(policy, max_duration_ms=2 * MS).push("~_")
    assert run.ended_by == ["max_duration"]
    run.push("~")
    policy.subjects[0].on_next(True)
    assert run.turns[1].is_open


def test_an_answer_after_the_end_of_the_source_is_void() -> None:
    policy = Answers()
    run = Run(policy).push("~_", end=True)
    policy.subjects[0].on_next(True)
    assert run.ended_by == ["source"]
    assert policy.subjects[0].observers == []


def test_no_answer_is_a_no() -> None:
    policy = Answers()
    run = Run(policy).push("~_")
    policy.subjects[0].on_completed()
    assert run.turns[0].is_open


def test_two_yeses_end_one_turn() -> None:
    policy = Answers()
    run = Run(policy).push("~__")
    for subject in policy.subjects:
        subject.on_next(True)
    run.push("~")
    assert run.ended_by == ["policy", None]


def test_a_synchronous_answer() -> None:
    run = Run(lambda audio, ms: rx.just(ms >= 2 * MS)).push("~___~")
    assert run.audio == [samples(0, 3), samples(4, 5)]


def test_answers_are_let_go_of() -> None:
    policy = Answers()
    run = Run(policy, listens=False).push("~___")
    run.life.dispose()
    assert [s.observers for s in policy.subjects] == [[], [], []]


def test_a_yes_in_reaction_to_the_chunk_itself() -> None:
    policy = Answers()
    run = Run(policy).push("~_")
    run.turns[0].subscribe(
        lambda chunk: policy.subjects[0].on_next(True) if chunk.start == 2 * SIZE else None
    )
    run.push(mic("___")[2:])
    assert run.audio == [samples(0, 3)]
    assert len(policy.subjects) == 1


@pytest.mark.parametrize("late", [False, True])
def test_a_policy_that_fails_fails_only_its_turn(late: bool) -> None:
    boom = RuntimeError("no idea")
    calls: list[int] = []

    def policy(audio: Any, ms: int) -> Any:
        calls.append(ms)
        if len(calls) > 1:
            return True
        if late:
            return rx.throw(boom)
        raise boom

    run = Run(policy).push("~_~_", end=True)
    error = run.windows[0][-1]
    assert isinstance(error, StageError)
    assert (error.stage, error.turn, error.cause) == ("turn_window", run.turns[0], boom)
    assert str(error) == "turn_window (turn 1) failed: RuntimeError: no idea"
    assert run.ended_by == [None, "policy"]
    assert not run.turns[0].is_open
    assert run.turns[0].chunks_consumed is None
    assert run.audio == [samples(0, 2), samples(2, 4)]
    assert run.end == ["completed"]


def test_failing_policy_by_the_fake() -> None:
    run = Run(failing(FakePolicy([True] * 3), "user_finished", at=2)).push("~_~_~_")
    assert run.ended_by == ["policy", None, "policy"]


# Ends.


def test_the_sources_error_is_first_given_to_an_open_turn() -> None:
    boom = RuntimeError("unplugged")
    run = Run().push("~")
    run.source.on_error(boom)
    assert run.windows[0][-1].cause is boom
    assert run.end == [boom]
    assert not run.turns[0].is_open


def test_a_chunk_that_no_vad_has_judged() -> None:
    source: Subject[AudioChunk] = Subject()
    end: list[Any] = []
    source.pipe(vox.turn_window()).subscribe(end.append, end.append)
    source.on_next(AudioChunk(np.zeros(4, np.float32)))
    (error,) = end
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        "wanted chunks judged by vad(), got one with speech=None: put vad() before turn_window()"
    )


def test_a_chunk_that_no_vad_has_judged_ends_the_open_turn_too() -> None:
    run = Run().push("~").push([AudioChunk(np.zeros(4, np.float32))])
    assert isinstance(run.end[0], AudioFormatError)
    assert not run.turns[0].is_open


def test_subscribers_of_one_turn_each_hear_it_whole() -> None:
    run = Run().push("~_")
    late: list[Any] = []
    run.turns[0].subscribe(late.append, on_completed=lambda: late.append("completed"))
    assert late == run.windows[0]
    run.push(mic("____")[2:])
    assert late == run.windows[0]
    assert late[-1] == "completed"


def test_nothing_grows_from_turn_to_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CompositeDisposable] = []

    def composite() -> CompositeDisposable:
        made.append(CompositeDisposable())
        return made[-1]

    monkeypatch.setattr("rxvoice.operators.kernel.Life", composite)
    policy = FakePolicy([True] * 1000, after_ms=0)
    source: Subject[AudioChunk] = Subject()
    scheduler = TestScheduler()
    source.pipe(vox.turn_window(policy)).subscribe(scheduler=scheduler)
    speech, silent = mic("~_")
    for _ in range(1000):
        source.on_next(speech)
        source.on_next(silent)
        scheduler.start()
    assert len(policy.asked) == 1000
    assert [len(life.disposable) for life in made] == [2]


def test_what_a_subscriber_raises_at_a_synchronous_answer_reaches_the_producer() -> None:
    def answer(observer: Any, scheduler: Any) -> None:
        observer.on_next(True)

    def heard() -> None:
        raise RuntimeError("the subscriber's")

    run = Run(lambda audio, ms: rx.create(answer)).push("~")
    run.turns[0].subscribe(on_completed=heard)
    with pytest.raises(RuntimeError, match="the subscriber's"):
        run.push("_")


@pytest.mark.parametrize("ms", [0, -1, float("nan"), float("inf"), None, "30"])
def test_bad_arguments(ms: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.turn_window(max_duration_ms=ms)
    assert str(raised.value) == f"turn_window max_duration_ms must be at least 1 ms, got {ms!r}"


def test_a_policy_without_a_method() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with user_finished\(\.\.\.\) or a "):
        vox.turn_window(1600)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="silence ms must be at least 0 ms, got -1"):
        rxv.silence(-1)


# The app steers


@pytest.mark.parametrize(("name", "ended_by"), [("end", "app"), ("discard", "discarded")])
def test_the_app_ends_the_open_turn(name: str, ended_by: str) -> None:
    signal: Subject[Any] = Subject()
    run = Run(NEVER, preroll=2000, **{name: signal})
    signal.on_next("nothing is open")
    run.push("_~~_")
    signal.on_next(False)  # whatever it says
    signal.on_next(None)
    assert run.ended_by == [ended_by]
    assert run.windows[0][-1] == "completed"
    assert run.turns[0].chunks_consumed == 4
    assert run.turns[0].discarded is (ended_by == "discarded")
    run.push(mic("____~~")[4:], end=True)
    # Nothing of the turn before comes back.
    assert run.audio == [samples(0, 4), samples(4, 6)]
    assert run.ended_by == [ended_by, "source"]


def test_the_app_s_end_in_reaction_to_the_chunk_itself() -> None:
    release: Subject[Any] = Subject()
    policy = FakePolicy([True])
    run = Run(policy, end=release, listens=False).push("~")
    run.turns[0].subscribe(lambda chunk: release.on_next(1) if chunk.start else None)
    run.push(mic("~_~")[1:])
    assert run.ended_by == ["app", None]
    assert policy.asked == []


def test_the_app_s_end_voids_the_policy_s_answer() -> None:
    policy, release = Answers(), Subject[Any]()
    run = Run(policy, end=release).push("~_")
    release.on_next(1)
    assert policy.subjects[0].observers == []
    run.push("~")
    policy.subjects[0].on_next(True)
    assert run.ended_by == ["app", None]


@pytest.mark.parametrize("name", ["end", "discard"])
def test_a_signal_s_error_is_the_stream_s(name: str) -> None:
    boom, signal = RuntimeError("key stuck"), Subject[Any]()
    run = Run(NEVER, **{name: signal}).push("~")
    signal.on_error(boom)
    assert run.end == [boom]
    assert run.windows[0][-1].cause is boom
    assert run.source.observers == []


def test_a_signal_that_fails_at_once() -> None:
    boom = RuntimeError("no key")
    source: Subject[AudioChunk] = Subject()
    end: list[Any] = []
    source.pipe(vox.turn_window(end=rx.throw(boom))).subscribe(print, end.append)
    assert end == [boom]
    assert source.observers == []


@pytest.mark.parametrize("name", ["end", "discard"])
def test_a_signal_that_completes_ends_nothing_and_is_let_go_of(name: str) -> None:
    one, other = Subject[Any](), Subject[Any]()
    run = Run(NEVER, **{name: one}).push("~")
    one.on_completed()
    assert run.turns[0].is_open
    run = Run(NEVER, listens=False, **{name: other}).push("~")
    run.life.dispose()
    assert other.observers == []


def test_a_signal_acts_on_the_scheduler_given_to_subscribe() -> None:
    release: Subject[Any] = Subject()
    scheduler = TestScheduler()
    run = Run(NEVER, end=release, scheduler=scheduler).push("~")
    release.on_next(1)
    assert run.turns[0].is_open
    scheduler.start()
    assert run.ended_by == ["app"]


@pytest.mark.parametrize("scheduler", [None, NewThreadScheduler(), CurrentThreadScheduler()])
def test_a_signal_from_another_thread_waits_for_the_chunk_in_progress(scheduler: Any) -> None:
    release: Subject[Any] = Subject()
    entered, told = threading.Event(), threading.Event()
    ends: list[str] = []
    run = Run(NEVER, end=release, scheduler=scheduler, listens=False).push("~")

    def key() -> None:
        entered.wait(20)
        release.on_next(1)
        told.set()

    def heard(chunk: AudioChunk) -> None:
        if chunk.start == 2 * SIZE:
            entered.set()
            ends.append("early" if told.wait(0.05) else "heard")

    run.turns[0].subscribe(heard, on_completed=lambda: ends.append("over"))
    thread = threading.Thread(target=key)
    thread.start()
    run.push(mic("~~~")[1:])
    thread.join(60)
    assert ends == ["heard", "over"]
    assert run.audio == [samples(0, 3)]


@pytest.mark.parametrize("name", ["end", "discard"])
def test_a_signal_that_is_none(name: str) -> None:
    with pytest.raises(ConfigError, match=f"turn_window {name} must be an Observable or None, got"):
        vox.turn_window(**{name: "escape"})  # type: ignore[arg-type]


# Who listens


def test_a_turn_says_from_its_opening_on_that_it_interrupts() -> None:
    source: Subject[AudioChunk] = Subject()
    seen: list[bool] = []
    source.pipe(vox.turn_window()).subscribe(lambda turn: seen.append(turn.barge_in))
    source.on_next(mic("!")[0])
    assert seen == [True]


def test_a_turn_that_is_over_holds_no_pipe() -> None:
    run = Run(rxv.silence(MS)).push("~_")
    (turn,) = run.turns
    gone = weakref.ref(run.source)
    del run
    gc.collect()
    assert turn.ended_by == "policy"
    assert gone() is None


@pytest.mark.parametrize(
    ("options", "silent_ms", "ended_by"),
    [
        ({}, 1_600, "policy"),
        ({"policy": NEVER}, 29_999, "max_duration"),
        # Asked after the first millisecond of silence, and failed.
        ({"policy": lambda *_: rx.never(), "max_duration_ms": 60_000}, 30_001, None),
    ],
)
def test_the_defaults(options: dict[str, Any], silent_ms: int, ended_by: str | None) -> None:
    source: Subject[AudioChunk] = Subject()
    turns: list[Turn] = []
    source.pipe(vox.turn_window(**options)).subscribe(turns.append)
    start = 0
    for ms, speech in [(1, True), (1, False), (silent_ms - 2, False), (1, False)]:
        assert all(turn.is_open for turn in turns)
        source.on_next(AudioChunk(np.zeros(ms, np.float32), 1000, start, speech=speech))
        start += ms
    assert [(turn.is_open, turn.ended_by) for turn in turns] == [(False, ended_by)]


def test_the_policy_is_told_of_each_silence_that_the_user_s_speech_ends() -> None:
    told: list[int] = []

    class Learning(FakePolicy):
        def user_spoke_again(self, silence_ms: int) -> None:
            told.append(silence_ms)

    # The first turn ends with the first chunk of silence; the second one goes on after another.
    Run(Learning([True, False])).push("~" + 14 * "_" + "~_~")
    assert told == [14 * MS, MS]


def test_how_long_an_answer_takes_is_counted_anew_once_the_user_has_spoken_again() -> None:
    answers: list[Any] = [False, rx.never(), rx.never(), rx.never(), rx.never()]
    run = Run(lambda audio, silence_ms: answers.pop(0), timeout_ms=2 * MS).push("~__~__")
    assert run.turns[0].is_open
    run.push("_")
    assert not run.turns[0].is_open
