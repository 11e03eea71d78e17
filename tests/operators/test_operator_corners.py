"""Corners of single operators that no other test turns into."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.events import Finished, TurnMetrics, TurnOpened
from rxvoice.operators._conversation.spoken_reply import ReplyText
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSink
from rxvoice.turn import Turn, TurnWriter

HEARD = Transcript(Turn.of(np.zeros(4, np.float32)), "hi")


def results(elements: list[Any], operator: Any) -> tuple[list[Any], list[Any]]:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    end: list[Any] = []
    source.pipe(operator).subscribe(seen.append, end.append, lambda: end.append("completed"))
    for element in elements:
        source.on_next(element)
    source.on_completed()
    return seen, end


def test_what_is_not_said_was_not_heard_before_what_follows_it() -> None:
    said, _ = results([Reply(HEARD, "Hello. 😀 Bye."), Reply(HEARD, final=True)], vox.speakable())
    text = ReplyText()
    for reply in said:
        text.add(reply)
    assert text.spoken == "Hello. Bye."
    assert text.up_to(len("Hello.")) == "Hello."
    assert text.up_to(len("Hello. B")) == "Hello. 😀 B"


def test_metrics_are_rounded_to_microseconds() -> None:
    clock = TestScheduler()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.metrics()).subscribe(seen.append, scheduler=clock)
    writer = TurnWriter(1, 0, 1000)
    source.on_next(TurnOpened(writer.turn))
    writer.append(AudioChunk(np.zeros(10, np.float32), 1000, speech=True, time=0.0))
    writer.close("policy", 1)
    clock.advance_to(1.2345674)
    source.on_next(Finished(writer.turn, ""))
    (told,) = (it for it in seen if isinstance(it, TurnMetrics))
    assert told.over_ms == 1224.567


@pytest.mark.parametrize(
    "when", ["begin", "process_reverse_stream", "process_stream", "set_stream_delay_ms"]
)
@pytest.mark.parametrize("chunks", [1, 0.5])
def test_an_echo_canceller_that_fails_is_an_error_of_the_stream(
    when: str, chunks: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a chunk, or at the end with what is left of one."""
    rtc = pytest.importorskip("livekit.rtc")

    class Module:
        def __init__(self, **_: Any) -> None:
            if when == "begin":
                raise RuntimeError("no memory")

        def process_reverse_stream(self, frame: Any) -> None:
            if when == "process_reverse_stream":
                raise RuntimeError("no memory")

        def set_stream_delay_ms(self, ms: int) -> None:
            if when == "set_stream_delay_ms":
                raise RuntimeError("no memory")

        def process_stream(self, frame: Any) -> None:
            if when == "process_stream":
                raise RuntimeError("no memory")

    class Silent:
        def at(self, time: float, n: int, sample_rate: int) -> rxv.Samples:
            return np.zeros(n, np.float32)

    operator = vox.cancel_echo(Silent())
    monkeypatch.setattr(rtc, "AudioProcessingModule", Module)
    chunk = AudioChunk(np.zeros(int(160 * chunks), np.float32))
    seen, (error,) = results([chunk], operator)
    assert seen == []
    assert isinstance(error, StageError)
    assert str(error) == "cancel_echo failed: RuntimeError: no memory"


@pytest.mark.parametrize("missing", ["word", "start", "end"])
@pytest.mark.parametrize("given", ["nothing", None, float("nan")])
def test_a_word_of_which_something_is_not_known_is_left_out(missing: str, given: Any) -> None:
    whole: dict[str, Any] = {"word": "there", "start": 0.5, "end": 0.9}
    part = {key: it for key, it in whole.items() if key != missing}
    if given != "nothing":
        part[missing] = given
    answer = {"text": "hi there", "words": [{"word": "hi", "start": 0.1, "end": 0.4}, part]}
    transcribe = vox.transcribe(lambda _: answer)
    (told,), _ = results([Turn.of(np.zeros(16_000, np.float32))], transcribe)
    assert isinstance(told, Transcript)
    assert told.words == (("hi", 0.1, 0.4),)


def test_a_piece_of_a_transcript_knows_its_confidence_better_than_its_segments() -> None:
    answer = {"text": "hi", "confidence": 0.9, "segments": [{"text": "hi", "confidence": 0.1}]}
    (told,), _ = results([Turn.of(np.zeros(16, np.float32))], vox.transcribe(lambda _: answer))
    assert told.confidence == 0.9


def test_of_a_reply_whose_sentence_failed_nothing_more_is_said() -> None:
    other = Transcript(Turn.of(np.zeros(4, np.float32), id=2), "hi again")

    def instead(sentence: str) -> str:
        if sentence == "Two.":
            raise OSError("no words")
        return sentence

    pieces = [Reply(HEARD, it) for it in ("One. ", "Two. ", "Three. ", "Four. ")]
    given = [*pieces, Reply(HEARD, final=True), Reply(other, "Five."), Reply(other, final=True)]
    seen, end = results(given, vox.map_sentences(instead))
    assert [getattr(it, "delta", "failed") for it in seen] == ["One.", "failed", "Five.", ""]
    assert (seen[1].turn, seen[1].error.turn) == (HEARD.turn, HEARD.turn)
    assert end == ["completed"]


class Untouched:
    """A library that does nothing, in the place of the one that cancels echo."""

    def __init__(self, **_: Any) -> None: ...
    def process_reverse_stream(self, frame: Any) -> None: ...
    def set_stream_delay_ms(self, ms: int) -> None: ...
    def process_stream(self, frame: Any) -> None: ...


class Asked:
    """A reference that notes for when it is asked."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def at(self, time: float, n: int, sample_rate: int) -> rxv.Samples:
        self.times.append(time)
        return np.zeros(n, np.float32)


def test_chunks_of_all_sizes_leave_the_echo_canceller_as_they_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rtc = pytest.importorskip("livekit.rtc")
    operator = vox.cancel_echo(Asked())
    monkeypatch.setattr(rtc, "AudioProcessingModule", Untouched)
    sizes = [300, 20, 700, 1, 160, 512]
    starts = np.cumsum([0, *sizes]).tolist()
    given = [
        AudioChunk(np.zeros(n, np.float32), start=start)
        for n, start in zip(sizes, starts, strict=False)
    ]
    seen, end = results(given, operator)
    assert [(len(it.samples), it.start) for it in seen] == list(zip(sizes, starts, strict=False))
    assert end == ["completed"]


def test_the_echo_canceller_follows_a_microphone_whose_clock_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs slow by 1 in 1000: after 20 s of sound it is 20 ms off."""
    rtc = pytest.importorskip("livekit.rtc")
    reference = Asked()
    operator = vox.cancel_echo(reference, ahead_ms=0)
    monkeypatch.setattr(rtc, "AudioProcessingModule", Untouched)
    times = [at * 0.01 * 1.001 for at in range(2_000)]
    results([AudioChunk(np.zeros(160, np.float32), time=it) for it in times], operator)
    late = [asked - time for asked, time in zip(reference.times, times, strict=True)]
    assert late[0] == 0
    assert max(map(abs, late)) < 0.006


def test_elements_that_pile_up_are_worked_on_one_after_the_other_not_one_within_the_other() -> None:
    """As many as come while the first is answered, in the same thread."""
    source: Subject[Transcript] = Subject()
    turns = [Turn.of(np.zeros(4, np.float32), id=n) for n in range(1, 3_001)]
    seen: list[int] = []

    def on_next(it: Any) -> None:
        if not it.final and it.turn.id == 1:
            for turn in turns[1:]:
                source.on_next(Transcript(turn, "hi"))
        if it.final:
            seen.append(it.turn.id)

    source.pipe(vox.respond(lambda text: "Yes.")).subscribe(on_next)
    source.on_next(Transcript(turns[0], "hi"))
    assert seen == [turn.id for turn in turns]


def test_a_reply_that_ends_before_its_turn_is_logged_with_no_chunks() -> None:
    turn = TurnWriter(1, 0, 16_000).turn
    speech = Speech(
        Reply(Transcript(turn, "hi"), text="Yes.", final=True),
        *(np.zeros(0, np.float32), 16_000),
        final=True,
    )
    (log,), _ = results([speech], vox.play(FakeSink()))
    assert log == FinishedTurn(0, "hi", "Yes.", False, False, None)


@pytest.mark.parametrize("operator", ["answer", "synthesize"])
def test_a_paced_worker_converts_each_piece_of_sound_ahead_and_no_text(operator: str) -> None:
    class Paced(TestScheduler):
        def __init__(self) -> None:
            super().__init__()
            self.converted: list[tuple[int, int]] = []

        def convert_ahead(self, samples: rxv.Samples, sample_rate: int, signal: object) -> None:
            self.converted.append((len(samples), sample_rate))

    worker = Paced()
    sounds = [np.zeros(n, np.float32) for n in (30, 20)]
    seen: list[Any] = []
    if operator == "answer":
        turn = Turn.of(np.zeros(4, np.float32))
        rx.of(turn).pipe(
            vox.answer(lambda _: ["Yes.", *sounds], sample_rate=8_000, worker=worker)
        ).subscribe(seen.append, scheduler=worker)
    else:
        said = [Reply(HEARD, "Yes."), Reply(HEARD, text="Yes.", final=True)]
        rx.from_iterable(said).pipe(
            vox.synthesize(lambda _: sounds, sample_rate=8_000, worker=worker)
        ).subscribe(seen.append, scheduler=worker)
    worker.start()
    assert worker.converted == [(30, 8_000), (20, 8_000)]
    assert [len(it.samples) for it in seen if len(it.samples)] == [30, 20]


def test_a_policy_that_does_not_answer_is_told_with_the_silence_it_had() -> None:
    never: Subject[bool] = Subject()
    operator = vox.turn_window(lambda audio, silence_ms: never, timeout_ms=30)
    chunks = [AudioChunk(np.zeros(320, np.float32), start=320 * n, speech=n == 0) for n in range(6)]
    turns: list[Any] = []
    errors: list[Any] = []
    source: Subject[Any] = Subject()
    source.pipe(operator).subscribe(
        lambda turn: turns.append(turn.subscribe(lambda _: None, errors.append))
    )
    for chunk in chunks:
        source.on_next(chunk)
    (error,) = errors
    assert str(error.cause) == "the policy gave no answer for 0.04 s of silence (timeout_ms=30)"
    assert error.cause.seconds == 0.04


def test_a_worker_without_a_way_back_is_told_once_for_each_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = EventLoopScheduler()
    operator = vox.respond(lambda text: "Yes.", worker=worker)
    for _ in range(2):
        rx.empty().pipe(operator).subscribe()
    worker.dispose()
    assert len([it for it in caplog.records if it.name == "rxvoice"]) == 1


def test_a_sentence_that_could_not_be_replaced_fails_its_turn_once() -> None:
    def fail(sentence: str) -> str:
        raise ValueError(sentence)

    reply = rxv.Reply(rxv.Transcript(rxv.Turn.of([0.0]), "hi"), "One. Two", flush=True)
    seen: list[Any] = []
    rx.of(reply).pipe(vox.map_sentences(fail)).subscribe(seen.append)
    assert [type(it) for it in seen] == [rxv.events.TurnFailed]


def model(given: Any) -> Any:
    return given


LIMITS = {"timeout_ms": 30_000, "total_timeout_ms": 300_000}
DEFAULTS: list[tuple[Any, dict[str, float]]] = [
    (partial(vox.answer, model), LIMITS | {"sample_rate": 24_000}),
    (partial(vox.barge_in, playing=lambda: False), {"max_failures": 10}),
    (partial(vox.chunk), {"size": 512, "sample_rate": 16_000}),
    (partial(vox.meter), {"every_ms": 100}),
    (partial(vox.preroll), {"ms": 250}),
    (partial(vox.respond, model), LIMITS | {"min_chars": 0}),
    (partial(vox.speak, model), LIMITS | {"sample_rate": 24_000}),
    (partial(vox.synthesize, model), LIMITS | {"sample_rate": 24_000}),
    (partial(vox.transcribe, model), LIMITS),
    (partial(vox.turn_window), {"max_duration_ms": 30_000, "timeout_ms": 30_000}),
    (partial(vox.vad, model), {"start": 0.35, "stop": 0.2, "start_chunks": 1, "max_failures": 10}),
    (partial(vox.wake_word, model), {"open_ms": 8_000, "tail_ms": 200, "max_failures": 10}),
]


@pytest.mark.parametrize(
    ("build", "wanted"), DEFAULTS, ids=[it.func.__name__ for it, _ in DEFAULTS]
)
def test_the_defaults_that_apps_rely_on(build: Any, wanted: dict[str, float]) -> None:
    parameters = signature(build).parameters
    assert {name: parameters[name].default for name in wanted} == wanted
    assert callable(build())
