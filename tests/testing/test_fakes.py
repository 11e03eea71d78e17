from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reactivex import Observable
from reactivex.testing import TestScheduler

from rxvoice.errors import ConfigError
from rxvoice.slots import (
    AudioSink,
    BargeInDetector,
    RecognitionSession,
    Responder,
    StreamingTranscriber,
    Synthesizer,
    Transcriber,
    TurnPolicy,
    VadSlot,
)
from rxvoice.testing.fakes import (
    FakeBargeIn,
    FakePolicy,
    FakeRecognition,
    FakeResponder,
    FakeSink,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    FakeVad,
    failing,
)

AUDIO = np.full(4, 0.5, np.float32)


def later(answer: Any) -> list[tuple[int, Any]]:
    """What an observable gives, and after how many milliseconds."""
    assert isinstance(answer, Observable)
    scheduler = TestScheduler()
    seen: list[tuple[int, Any]] = []

    def note(value: Any) -> None:
        seen.append((round(float(scheduler.clock) * 1000), value))  # type: ignore[arg-type]

    answer.subscribe(note, note, lambda: note("end"), scheduler=scheduler)
    scheduler.start()
    return seen


def test_they_fill_the_slots() -> None:
    """For a type checker; here, that they can be made."""
    vad: VadSlot = FakeVad()
    stt: Transcriber = FakeTranscriber("a")
    streaming: StreamingTranscriber = FakeStreamingTranscriber("a")
    session: RecognitionSession = FakeRecognition("a")
    llm: Responder = FakeResponder("a")
    tts: Synthesizer = FakeSynthesizer()
    policy: TurnPolicy = FakePolicy()
    barge_in: BargeInDetector = FakeBargeIn()
    sink: AudioSink = FakeSink()
    assert all((vad, stt, streaming, session, llm, tts, policy, barge_in, sink))


def test_vad_by_pattern() -> None:
    vad = FakeVad("_~~")
    assert [vad(AUDIO) for _ in range(5)] == [False, True, True, False, False]
    assert len(vad.given) == 5


def test_vad_by_probability() -> None:
    vad = FakeVad([0.1, 0.9])
    assert [vad(AUDIO), vad(AUDIO), vad(AUDIO)] == [0.1, 0.9, False]


def test_vad_by_level() -> None:
    vad = FakeVad(threshold=0.5)
    assert [vad(AUDIO), vad(AUDIO * np.float32(0.99))] == [True, False]


def test_vad_begins_anew_with_each_subscription() -> None:
    vad = FakeVad("~")
    assert [vad.fresh()(AUDIO), vad.fresh()(AUDIO)] == [True, True]
    assert len(vad.given) == 2


def test_transcriber() -> None:
    stt = FakeTranscriber("a", "b")
    assert [stt.transcribe_turn(AUDIO) for _ in range(3)] == ["a", "b", "b"]
    assert [heard is AUDIO for heard in stt.given] == [True] * 3


def test_transcriber_in_time() -> None:
    assert later(FakeTranscriber("a", after_ms=300).transcribe_turn(AUDIO)) == [
        (300, "a"),
        (300, "end"),
    ]


@pytest.mark.parametrize(
    ("replacing", "wanted"),
    [(False, [["one"], [" two"], None]), (True, ["one", "one two", None])],
)
def test_streaming_transcriber(replacing: bool, wanted: list[Any]) -> None:
    stt = FakeStreamingTranscriber("one two", replacing=replacing)
    session = stt.session()
    assert not session.done
    session.feed(AUDIO)
    assert [session.step() for _ in range(3)] == wanted
    assert not session.done
    session.close()
    assert session.done
    assert session.given[0] is AUDIO
    assert stt.sessions == [session]


def test_responder() -> None:
    llm = FakeResponder("yes", ["n", "o"])
    assert llm.respond("a") == "yes"
    assert list(llm.respond("b")) == ["n", "o"]  # type: ignore[arg-type]
    assert llm.asked == ["a", "b"]
    llm.heard("n")
    assert llm.told == ["n"]


def test_responder_in_time() -> None:
    llm = FakeResponder(["n", "o"], "yes", every_ms=20)
    assert later(llm.respond("a")) == [(20, "n"), (40, "o"), (40, "end")]
    assert later(llm.respond("a")) == [(20, "yes"), (20, "end")]
    assert later(FakeResponder([], every_ms=20).respond("a")) == [(0, "end")]


def test_synthesizer() -> None:
    tts = FakeSynthesizer(samples_per_char=3, pieces=2, sample_rate=8000)
    pieces = list(tts.synthesize_stream("abc"))  # type: ignore[arg-type]
    assert [len(piece) for piece in pieces] == [5, 4]
    assert all(piece.dtype == np.float32 for piece in pieces)
    assert np.array_equal(np.concatenate(pieces), tts.sound("abc"))
    assert tts.sound("abc")[::3].tolist() == [ord(c) / 2**21 for c in "abc"]
    assert 0 < tts.sound("\U0010ffff").max() < 1
    assert tts.spoken == ["abc"]
    assert tts.sample_rate == 8000


def test_synthesizer_in_time() -> None:
    tts = FakeSynthesizer(samples_per_char=1, pieces=2, every_ms=10)
    assert [ms for ms, _ in later(tts.synthesize_stream("ab"))] == [10, 20, 20]


def test_policy() -> None:
    policy = FakePolicy([False, True])
    assert [policy.user_finished(AUDIO, ms) for ms in (1, 2, 3)] == [False, True, False]
    assert [ms for _, ms in policy.asked] == [1, 2, 3]
    assert later(FakePolicy(after_ms=5).user_finished(AUDIO, 1)) == [(5, True), (5, "end")]


def test_barge_in() -> None:
    detector = FakeBargeIn()
    assert [detector.detect(AUDIO, True), detector.detect(AUDIO, False)] == [True, False]
    assert [playing for _, playing in detector.asked] == [True, False]
    detector = FakeBargeIn([True])
    assert [detector.detect(AUDIO, False), detector.detect(AUDIO, True)] == [True, False]


def test_sink() -> None:
    sink = FakeSink(take=3)
    assert [sink.write_samples(AUDIO), sink.write_samples(AUDIO[3:])] == [3, 1]
    assert np.array_equal(sink.samples, AUDIO)
    assert not np.shares_memory(sink.writes[0], AUDIO)
    sink.flush()
    assert len(sink.clear()) == 0
    sink.write_samples(AUDIO[:2])
    assert np.array_equal(sink.clear(), AUDIO[:2])
    assert len(sink.clear()) == 0
    sink.stop()
    assert (sink.flushes, sink.clears, sink.stopped) == (1, 3, True)


def test_sink_that_stalls() -> None:
    sink = FakeSink(stalls_after=1)
    assert [sink.write_samples(AUDIO), sink.write_samples(AUDIO)] == [4, 0]
    assert len(sink.samples) == 4
    assert FakeSink(take=0).write_samples(AUDIO) == 0


def test_failing_raises_at_one_call_only() -> None:
    boom = ValueError("x")
    stt = failing(FakeTranscriber("a"), "transcribe_turn", at=2, error=boom)
    assert stt.transcribe_turn(AUDIO) == "a"
    with pytest.raises(ValueError, match="x") as raised:
        stt.transcribe_turn(AUDIO)
    assert raised.value is boom
    assert stt.transcribe_turn(AUDIO) == "a"
    assert len(stt.given) == 2
    assert not hasattr(stt, "session")


def test_failing_of_a_callable() -> None:
    call = failing(lambda text: [text])
    with pytest.raises(RuntimeError, match="failing"):
        call("a")
    assert call("b") == ["b"]


def test_failing_counts_over_all_subscriptions() -> None:
    vad = failing(FakeVad("~~"), at=2)
    assert vad.fresh()(AUDIO) is True
    with pytest.raises(RuntimeError, match="failing"):
        vad.fresh()(AUDIO)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (FakeTranscriber, "FakeTranscriber texts: wanted at least one, got none"),
        (FakeResponder, "FakeResponder replies: wanted at least one, got none"),
        (
            lambda: FakeTranscriber("a", after_ms=-1),
            "FakeTranscriber after_ms must be at least 0 ms, got -1",
        ),
        (
            lambda: FakeResponder("a", every_ms=-1),
            "FakeResponder every_ms must be at least 0 ms, got -1",
        ),
        (
            lambda: FakeSynthesizer(samples_per_char=-1),
            "FakeSynthesizer samples_per_char must be at least 0 samples, got -1",
        ),
        (
            lambda: FakeSynthesizer(pieces=0),
            "FakeSynthesizer pieces must be at least 1 pieces, got 0",
        ),
        (lambda: FakePolicy(after_ms=-1), "FakePolicy after_ms must be at least 0 ms, got -1"),
        (lambda: FakeSink(take=-1), "FakeSink take must be at least 0 samples, got -1"),
        (
            lambda: FakeSink(stalls_after=-1),
            "FakeSink stalls_after must be at least 0 writes, got -1",
        ),
        (lambda: FakeVad(threshold=-1), "FakeVad threshold must be at least 0 RMS, got -1"),
        (lambda: failing(max, at=0), "failing at must be at least 1 calls, got 0"),
        (
            lambda: failing("text", "respond"),
            "failing: 'text' has no method 'respond'",
        ),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert str(raised.value) == message
