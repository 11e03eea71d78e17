from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeStreamingTranscriber, FakeTranscriber, failing
from rxvoice.turn import Turn, TurnWriter

BOOM = RuntimeError("no weights")


def spoken(id: int = 1, samples: int = 4) -> Turn:
    return Turn.of(np.full(samples, id / 16, np.float32), id=id)


def chunk(n: int = 0) -> AudioChunk:
    return AudioChunk(np.full(4, n / 16, np.float32), start=4 * n, speech=True)


class Run(Pushed):
    """Turns, pushed by hand, and what is made of them."""

    operator = staticmethod(vox.transcribe)

    @property
    def texts(self) -> list[str]:
        """Each transcript: turn, text, and three dots where it is not final."""
        return [
            f"{it.turn.id} failed"
            if isinstance(it, TurnFailed)
            else f"{it.turn.id} {it.text}{'' if it.final else '...'}"
            for it in self.seen
        ]


def by_length(audio: Any) -> str:
    return f"{len(audio)} samples"


class WordPerChunk:
    """A streaming recogniser without state of its own."""

    def transcribe_turn(self, audio: Any) -> str:
        raise AssertionError("it streams")

    def session(self) -> Any:
        return FakeStreamingTranscriber("one two three").session()


TURNS = [spoken(1, 3), spoken(2, 4), spoken(3, 0)]


@pytest.mark.parametrize(
    "stt",
    [
        by_length,
        lambda audio: [by_length(audio), "!"],
        pytest.param(
            lambda audio: rx.timer(0.05).pipe(rx.operators.map(lambda _: by_length(audio))),
        ),
        pytest.param(
            WordPerChunk(),
        ),
    ],
    ids=["value", "pieces", "virtual time", "streaming"],
)
def test_passes_the_battery(stt: Any) -> None:
    check_operator(
        lambda: vox.transcribe(stt),
        elements=TURNS,
        failing=lambda error: vox.transcribe(failing(by_length, error=error)),
        name="transcribe",
    )


def test_raise_passes_the_battery() -> None:
    check_operator(
        lambda: vox.transcribe(by_length, errors="raise"),
        elements=TURNS,
        failing=lambda error: vox.transcribe(failing(by_length, error=error), errors="raise"),
        name="transcribe",
    )


def generator(audio: Any) -> Iterator[str]:
    yield from ("good ", "mor", "ning")


async def async_generator(audio: Any) -> AsyncIterator[str]:
    for piece in ("good ", "mor", "ning"):
        yield piece


async def coroutine(audio: Any) -> str:
    return "good morning"


@pytest.mark.parametrize(
    "stt",
    [lambda audio: "good morning", coroutine, lambda audio: rx.just("good morning")],
    ids=["value", "coroutine", "observable"],
)
def test_an_answer_in_one_piece_is_one_final_transcript(stt: Any) -> None:
    turn = spoken()
    run = Run(stt).push(turn, end=True)
    assert run.seen == [Transcript(turn, "good morning")]
    assert run.seen[0].turn is turn
    assert run.end == ["completed"]


@pytest.mark.parametrize(
    "stt",
    [generator, async_generator, lambda audio: rx.of("good ", "mor", "ning")],
    ids=["generator", "async generator", "observable"],
)
def test_an_answer_in_pieces_gives_partial_transcripts(stt: Any) -> None:
    run = Run(stt).push(spoken())
    assert run.texts == ["1 good...", "1 good mor...", "1 good morning"]


@pytest.mark.parametrize("answer", ["", []])
def test_an_empty_transcript_is_one_too(answer: Any) -> None:
    assert Run(lambda audio: answer).push(spoken()).seen == [Transcript(spoken(), "")]


def test_it_waits_for_the_turn_to_end() -> None:
    stt = FakeTranscriber("yes")
    writer = TurnWriter(1, 0, 16_000)
    run = Run(stt).push(writer.turn)
    writer.append(chunk(1))
    writer.append(chunk(2))
    assert (run.seen, stt.given) == ([], [])
    writer.close("policy", 2)
    assert run.texts == ["1 yes"]
    assert np.array_equal(stt.given[0], np.repeat([1 / 16, 2 / 16], 4))
    assert np.shares_memory(stt.given[0], writer.turn.audio)


def test_turns_in_order_when_the_first_takes_longer_than_the_second() -> None:
    scheduler = TestScheduler()
    took = iter([0.5, 0.1])

    def stt(audio: Any) -> Any:
        return rx.timer(next(took)).pipe(rx.operators.map(lambda _: by_length(audio)))

    run = Run(stt, scheduler=scheduler).push(spoken(1, 3), spoken(2, 4), end=True)
    scheduler.advance_to(0.4)
    assert (run.texts, run.end) == ([], [])
    scheduler.advance_to(0.55)
    assert (run.texts, run.end) == (["1 3 samples"], [])
    scheduler.start()
    assert (run.texts, run.end) == (["1 3 samples", "2 4 samples"], ["completed"])


def test_an_open_turn_holds_up_those_after_it() -> None:
    writer = TurnWriter(1, 0, 16_000)
    run = Run(by_length).push(writer.turn, spoken(2))
    assert run.texts == []
    writer.close("policy", 0)
    assert run.texts == ["1 0 samples", "2 4 samples"]


# Streaming.


@pytest.mark.parametrize("replacing", [False, True])
def test_streaming_gives_the_text_so_far(replacing: bool) -> None:
    stt = FakeStreamingTranscriber("what time is it", replacing=replacing)
    writer = TurnWriter(1, 0, 16_000)
    run = Run(stt).push(writer.turn)
    assert stt.sessions == []
    writer.append(chunk(1))
    assert run.texts == ["1 what..."]
    writer.append(chunk(2))
    assert run.texts == ["1 what...", "1 what time..."]
    writer.close("policy", 2)
    assert run.texts[2:] == ["1 what time is...", "1 what time is it"]
    (session,) = stt.sessions
    assert session.closed
    assert np.array_equal(np.concatenate(session.given), writer.turn.audio)
    assert stt.given == []


def test_streaming_says_nothing_without_news() -> None:
    run = Run(FakeStreamingTranscriber("yes")).push(Turn.of(np.zeros(4, np.float32)))
    assert run.texts == ["1 yes...", "1 yes"]
    run = Run(FakeStreamingTranscriber("")).push(spoken())
    assert run.texts == ["1 "]


def test_streaming_catches_up_with_a_turn_that_waited() -> None:
    stt = FakeStreamingTranscriber("a", "b")
    first, second = TurnWriter(1, 0, 16_000), TurnWriter(2, 8, 16_000)
    run = Run(stt).push(first.turn, second.turn)
    first.append(chunk(1))
    second.append(chunk(2))
    second.append(chunk(3))
    assert len(stt.sessions) == 1
    first.close("policy", 1)
    assert [len(session.given) for session in stt.sessions] == [1, 2]
    second.close("policy", 3)
    assert run.texts == ["1 a...", "1 a", "2 b...", "2 b"]


@pytest.mark.parametrize("method", ["feed", "step", "close", "session"])
def test_streaming_fails_its_turn_only(method: str) -> None:
    class Breaking(FakeStreamingTranscriber):
        def session(self) -> Any:
            begun = super().session()
            if len(self.sessions) > 1:
                return begun
            if method == "session":
                raise BOOM
            return failing(begun, method, error=BOOM)

    run = Run(Breaking("a", "b")).push(spoken(1), spoken(2), end=True)
    wanted = ["1 failed", "2 b...", "2 b"]
    assert run.texts == (["1 a...", *wanted] if method == "close" else wanted)
    failed = next(it for it in run.seen if isinstance(it, TurnFailed))
    assert failed.error.cause is BOOM
    assert run.end == ["completed"]


def test_streaming_that_has_failed_hears_no_more_of_its_turn() -> None:
    stt = FakeStreamingTranscriber("a", "b")
    session: list[Any] = []

    class Breaking:
        transcribe_turn = stt.transcribe_turn

        def session(self) -> Any:
            session.append(stt.session())
            return failing(session[-1], "step", at=2, error=BOOM)

    writer = TurnWriter(1, 0, 16_000)
    run = Run(Breaking()).push(writer.turn)
    for n in range(4):
        writer.append(chunk(n))
    writer.close("policy", 4)
    assert run.texts == ["1 a...", "1 failed"]
    assert len(session[0].given) == 2


def test_an_attribute_called_session_is_not_a_session() -> None:
    class Remote(FakeTranscriber):
        session = object()  # such as an HTTP client's

    assert Run(Remote("yes")).push(spoken()).texts == ["1 yes"]


def test_what_a_subscriber_raises_at_a_replayed_partial_reaches_the_producer() -> None:
    source: Subject[Turn] = Subject()
    left = [BOOM]

    def heard(transcript: Any) -> None:
        if left:
            raise left.pop()

    source.pipe(vox.transcribe(FakeStreamingTranscriber("yes"))).subscribe(heard)
    with pytest.raises(RuntimeError, match="no weights"):
        source.on_next(spoken())


def test_what_is_told_of_a_long_text_stays_in_proportion_to_it() -> None:
    words = 20_000
    run = Run(lambda audio: ("word " for _ in range(words))).push(spoken())
    assert run.seen[-1] == Transcript(spoken(), "word " * (words - 1) + "word")
    assert sum(len(it.text) for it in run.seen) < 50 * 5 * words
    # A short one is told with every piece.
    assert [len(it.text) for it in run.seen[:800]] == [5 * n + 4 for n in range(800)]
    assert all(not it.final for it in run.seen[:-1])


def test_streaming_tells_a_long_text_in_proportion_too() -> None:
    class Fast:
        transcribe_turn = by_length

        def session(self) -> Any:
            return FakeStreamingTranscriber("word " * 20_000).session()

    run = Run(Fast()).push(spoken())
    assert len(run.seen[-1].text) == 5 * 20_000 - 1
    assert sum(len(it.text) for it in run.seen) < 50 * 5 * 20_000


# Failures.


def failing_after(pieces: int) -> Any:
    def stt(audio: Any) -> Iterator[str]:
        if len(audio) > 3:
            yield from ["a", "b", "c"][:pieces]
            raise BOOM
        yield "fine"

    return stt


@pytest.mark.parametrize(
    ("pieces", "wanted"), [(0, []), (1, []), (2, ["1 a..."]), (3, ["1 a...", "1 ab..."])]
)
def test_a_failure_takes_the_place_of_the_final_transcript(pieces: int, wanted: list[str]) -> None:
    run = Run(failing_after(pieces)).push(spoken(1, 4), spoken(2, 3), end=True)
    assert run.texts == [*wanted, "1 failed", "2 fine"]
    error = run.seen[len(wanted)].error
    assert isinstance(error, StageError)
    assert str(error) == "transcribe (turn 1) failed: RuntimeError: no weights"
    assert (error.stage, error.turn.id, error.cause) == ("transcribe", 1, BOOM)
    assert run.end == ["completed"]


def test_errors_raise_ends_the_stream() -> None:
    run = Run(failing_after(0), errors="raise").push(spoken(1, 4), spoken(2, 3), end=True)
    assert run.seen == []
    (error,) = run.end
    assert isinstance(error, StageError)
    assert error.cause is BOOM
    assert run.source.observers == []


def test_a_turn_that_failed_upstream_is_told_as_it_is() -> None:
    writer = TurnWriter(1, 0, 16_000)
    error = StageError("turn_window", writer.turn, BOOM)
    run = Run(by_length).push(writer.turn)
    writer.fail(error)
    run.push(spoken(2))
    assert run.seen[0] == TurnFailed(writer.turn, error)
    assert run.texts[1:] == ["2 4 samples"]


def test_turn_failed_passes_in_order() -> None:
    turn = spoken(1)
    failed = TurnFailed(turn, StageError("listen", turn, BOOM))
    writer = TurnWriter(2, 0, 16_000)
    run = Run(by_length).push(failed, writer.turn, TurnFailed(spoken(3), failed.error))
    assert run.seen == [failed]
    assert run.seen[0] is failed
    writer.close("policy", 0)
    assert run.texts == ["1 failed", "2 0 samples", "3 failed"]


@pytest.mark.parametrize("answer", [None, 5, [b"bytes"], [1, 2]])
def test_an_answer_that_is_no_text_fails_its_turn(answer: Any) -> None:
    assert Run(lambda audio: answer).push(spoken()).texts == ["1 failed"]


def test_a_subscriber_that_raises_once_does_not_make_it_deaf() -> None:
    source: Subject[Turn] = Subject()
    seen: list[Any] = []

    def heard(transcript: Any) -> None:
        seen.append(transcript.turn.id)
        if len(seen) == 1:
            raise BOOM

    source.pipe(vox.transcribe(by_length)).subscribe(heard)
    with pytest.raises(RuntimeError, match="no weights"):
        source.on_next(spoken(1))
    source.on_next(spoken(2))
    assert seen == [1, 2]


# Disposal and growth.


def test_a_generator_is_closed_once_and_within_one_step() -> None:
    log: list[str] = []

    def stt(audio: Any) -> Iterator[str]:
        try:
            for n in range(10):
                log.append(f"step {n}")
                yield "x"
        finally:
            log.append("closed")

    source: Subject[Turn] = Subject()
    life: Any = None

    def heard(transcript: Any) -> None:
        life.dispose()

    life = source.pipe(vox.transcribe(stt)).subscribe(heard)
    source.on_next(spoken())
    assert log == ["step 0", "step 1", "closed"]


def test_nothing_grows_from_turn_to_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CompositeDisposable] = []

    def composite() -> CompositeDisposable:
        made.append(CompositeDisposable())
        return made[-1]

    monkeypatch.setattr("rxvoice.operators.kernel.Life", composite)
    scheduler = TestScheduler()
    run = Run(FakeTranscriber("yes", after_ms=1), scheduler=scheduler)
    for n in range(1000):
        run.push(spoken(n % 9 + 1))
        scheduler.start()
    assert len(run.seen) == 1000
    assert [len(life.disposable) for life in made] == [1]


# With a worker.


def test_a_virtual_worker_gives_the_same() -> None:
    scheduler = TestScheduler()
    for stt in (by_length, generator, failing_after(2), WordPerChunk()):
        here = Run(stt).push(*TURNS, end=True)
        there = Run(stt, worker=scheduler, scheduler=scheduler).push(*TURNS, end=True)
        assert there.seen == []
        scheduler.start()
        assert there.texts == here.texts
        assert there.end == ["completed"]


def test_disposed_before_the_worker_began_the_model_is_never_asked() -> None:
    scheduler = TestScheduler()
    stt = FakeTranscriber("yes")
    run = Run(stt, worker=scheduler).push(spoken())
    run.life.dispose()
    scheduler.start()
    assert (stt.given, run.seen) == ([], [])


@pytest.mark.parametrize("deliver", [True, False])
def test_the_model_is_called_on_the_worker_only(deliver: bool) -> None:
    worker, conversation = EventLoopScheduler(), EventLoopScheduler()
    called: list[int] = []
    seen: list[tuple[str, int]] = []
    done = threading.Event()
    names: dict[str, int] = {}

    def name(which: str) -> Any:
        ready = threading.Event()

        def run(*_: object) -> None:
            names[which] = threading.get_ident()
            ready.set()

        (worker if which == "worker" else conversation).schedule(run)
        assert ready.wait(60)
        return names[which]

    def stt(audio: Any) -> Iterator[str]:
        called.append(threading.get_ident())
        yield "a"
        called.append(threading.get_ident())
        yield by_length(audio)

    source: Subject[Turn] = Subject()
    source.pipe(vox.transcribe(stt, worker=worker)).subscribe(
        lambda t: seen.append((t.text, threading.get_ident())),
        on_completed=done.set,
        scheduler=conversation if deliver else None,
    )
    try:
        source.on_next(spoken(1, 3))
        source.on_next(spoken(2, 4))
        source.on_completed()
        assert done.wait(60)
        assert [text for text, _ in seen] == ["a", "a3 samples", "a", "a4 samples"]
        assert set(called) == {name("worker")}
        assert {ident for _, ident in seen} == {name("conversation" if deliver else "worker")}
    finally:
        worker.dispose()
        conversation.dispose()


@pytest.mark.parametrize("errors", ["raise ", "", None])
def test_bad_arguments(errors: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.transcribe(by_length, errors=errors)
    assert str(raised.value) == f'transcribe errors must be "event" or "raise", got {errors!r}'


def test_a_recogniser_without_a_method() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with transcribe_turn\(\.\.\.\) or "):
        vox.transcribe("whisper")  # type: ignore[arg-type]


def test_a_long_text_is_emitted_when_it_has_grown_by_an_eighth() -> None:
    lengths = [4_095, 4_096, 4_097, 4_607, 4_608, 4_609, 5_184]
    pieces = ["a" * (n - before) for before, n in zip([0, *lengths], lengths, strict=False)]
    turn = Turn.of(np.zeros(4, np.float32))
    seen: list[Any] = []
    rx.of(turn).pipe(vox.transcribe(lambda audio: [*pieces, "b"])).subscribe(seen.append)
    assert [len(it.text) for it in seen] == [4_095, 4_096, 4_608, 5_184, 5_185]
