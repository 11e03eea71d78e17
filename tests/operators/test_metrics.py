from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Sentence, Speech, Transcript
from rxvoice.events import (
    AudioLost,
    Candidate,
    Confirmed,
    Dropped,
    Event,
    Finished,
    Interrupted,
    Notice,
    ReplyDelta,
    ReplyStarted,
    Speaking,
    Transcribed,
    TurnFailed,
    TurnMetrics,
    TurnOpened,
    Underrun,
)
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeResponder, FakeSink, FakeSynthesizer, FakeTranscriber
from rxvoice.turn import Turn, TurnWriter

RATE = 1000  # a sample a millisecond


class Scene:
    """Events at their milliseconds, and the metrics that come of them."""

    def __init__(self, **options: Any) -> None:
        self.clock = TestScheduler()
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.end: list[Any] = []
        self.now = 0
        self.life = self.source.pipe(vox.metrics(**options)).subscribe(
            self.seen.append,
            self.end.append,
            lambda: self.end.append("completed"),
            scheduler=self.clock,
        )

    def at(self, ms: int) -> Scene:
        self.clock.advance_to(ms / 1000)
        self.now = ms
        return self

    def tell(self, *elements: Any) -> Scene:
        for element in elements:
            self.source.on_next(element)
        return self

    def hear(self, writer: TurnWriter, pattern: str, *, timed: bool = False) -> Scene:
        """Chunks of 10 ms, each when it is over."""
        for char in pattern:
            begin = self.now
            self.at(begin + 10)
            captured = begin / 1000 - 0.004 if timed else None  # heard 4 ms before it arrived
            samples = np.zeros(10, np.float32)
            writer.append(AudioChunk(samples, RATE, begin, speech=char == "~", time=captured))
        return self

    @property
    def told(self) -> list[TurnMetrics]:
        return [e for e in self.seen if isinstance(e, TurnMetrics)]


def transcript(turn: Turn) -> Transcript:
    return Transcript(turn, "hi")


def speech(turn: Turn, n: int = 5, **about: Any) -> Speech:
    return Speech(Reply(transcript(turn), "Hello."), np.zeros(n, np.float32), RATE, **about)


def turn_of(id: int = 1) -> TurnWriter:
    return TurnWriter(id, 100 * id, RATE)


def whole(scene: Scene, *, timed: bool = False) -> TurnWriter:
    """A turn with all its stages, up to its being heard."""
    writer = turn_of()
    turn = writer.turn
    scene.at(100).tell(TurnOpened(turn)).hear(writer, "~~_~__", timed=timed)  # speech until 140
    writer.close("policy", 6)  # at 160
    scene.at(200).tell(Transcribed(turn, "hi"), transcript(turn))
    scene.at(250).tell(ReplyStarted(turn), ReplyDelta(turn, "Hello."))
    scene.at(300).tell(ReplyDelta(turn, " You."))
    scene.at(310).tell(speech(turn)).at(350).tell(speech(turn))
    scene.at(330 + 50).tell(Speaking(turn))
    return writer


def test_passes_the_battery() -> None:
    turn = Turn.of(np.zeros(4, np.float32))
    check_operator(
        vox.metrics,
        elements=[TurnOpened(turn), Notice("x"), Speaking(turn), Finished(turn, "Hello.")],
        key=lambda value: type(value),
        name="metrics",
    )


def test_every_stage_counts_from_the_end_of_speech() -> None:
    scene = Scene()
    turn = whole(scene).turn
    assert scene.told == []
    scene.at(900).tell(Finished(turn, "Hello. You."))
    assert isinstance(scene.seen[-2], Finished)
    assert scene.seen[-1] == TurnMetrics(
        turn,
        turn_ended_ms=20,
        transcript_ms=60,
        first_token_ms=110,
        first_audio_ms=170,
        first_heard_ms=240,
        over_ms=760,
    )


def test_speech_ends_when_it_was_captured_where_that_is_known() -> None:
    scene = Scene()
    turn = whole(scene, timed=True).turn
    scene.at(900).tell(Finished(turn, ""))
    assert scene.told[0].turn_ended_ms == 24
    assert scene.told[0].over_ms == 764


def test_each_turn_is_told_once() -> None:
    scene = Scene()
    turn = whole(scene).turn
    scene.at(900).tell(Finished(turn, ""), speech(turn, 0, final=True), Notice("x", turn=turn))
    scene.tell(Interrupted(turn, ""))
    assert len(scene.told) == 1


def test_the_first_sentence_is_when_the_voice_was_asked() -> None:
    scene = Scene()
    writer = turn_of()
    turn = writer.turn
    scene.tell(TurnOpened(turn)).hear(writer, "~_")  # speech until 10
    writer.close("policy", 2)
    sentence = Sentence("Hello.")
    sentence.asked = 0.055
    scene.at(80).tell(speech(turn, sentence=sentence)).at(90).tell(Finished(turn, ""))
    assert (scene.told[0].first_sentence_ms, scene.told[0].first_audio_ms) == (45, 70)


def test_an_interrupted_reply_and_the_turn_that_interrupts_it() -> None:
    scene = Scene()
    turn = whole(scene).turn
    second = turn_of(2)
    scene.at(500).tell(Candidate(second.turn)).hear(second, "~~~")
    scene.tell(Confirmed(second.turn), Interrupted(turn, "Hel"))
    (first,) = scene.told
    assert (first.turn, first.interrupted, first.over_ms) == (turn, True, 390)
    scene.hear(second, "~_")
    second.close("policy", 9)
    scene.at(600).tell(transcript(second.turn)).at(700).tell(Finished(second.turn, ""))
    assert scene.told[1] == TurnMetrics(
        second.turn, turn_ended_ms=10, transcript_ms=60, over_ms=160
    )


def test_the_final_speech_ends_a_turn_too_and_says_whether_it_was_interrupted() -> None:
    for interrupted in (False, True):
        scene = Scene()
        turn = whole(scene).turn
        scene.at(900).tell(speech(turn, 0, final=True, interrupted=interrupted))
        (told,) = scene.told
        assert (told.interrupted, told.over_ms) == (interrupted, 760)


def test_a_candidate_that_is_dropped_is_not_told() -> None:
    scene = Scene()
    writer = turn_of()
    scene.tell(Candidate(writer.turn)).hear(writer, "~")
    scene.tell(Dropped(writer.turn, "short"), Finished(writer.turn, ""))
    assert scene.told == []
    assert writer._record.observers == []


def test_a_failed_turn() -> None:
    scene = Scene()
    writer = turn_of()
    scene.tell(TurnOpened(writer.turn)).hear(writer, "~_")
    writer.close("policy", 2)
    scene.at(50).tell(TurnFailed(writer.turn, StageError("respond", writer.turn, KeyError("x"))))
    assert scene.told == [TurnMetrics(writer.turn, turn_ended_ms=10, over_ms=40)]


def test_an_answer_that_began_too_early_does_not_count() -> None:
    scene = Scene()
    writer = turn_of()
    turn = writer.turn
    scene.tell(TurnOpened(turn)).hear(writer, "~_")
    scene.tell(ReplyStarted(turn), speech(turn)).hear(writer, "~_")
    writer.close("policy", 4)
    scene.at(60).tell(ReplyStarted(turn)).at(70).tell(Finished(turn, ""))
    assert scene.told == [TurnMetrics(turn, turn_ended_ms=10, first_token_ms=30, over_ms=40)]


def test_audio_that_was_lost_in_the_meantime() -> None:
    scene = Scene()
    scene.tell(AudioLost(7, 7, "device", ""))
    turn = whole(scene).turn
    scene.tell(AudioLost(10, 17, "device", ""), AudioLost(5, 5, "full", ""))
    scene.tell(Finished(turn, ""), AudioLost(3, 20, "device", ""))
    assert scene.told[0].samples_lost == 15


def test_the_sink_says_how_much_is_queued_and_where_it_ran_dry() -> None:
    class Sink(FakeSink):
        queued_ms = 0
        events: Subject[Event] = Subject()

    sink = Sink()
    scene = Scene(sink=sink)
    sink.events.on_next(Underrun(4, 4, ""))
    turn = whole(scene).turn
    sink.queued_ms = 80
    scene.tell(speech(turn))
    sink.queued_ms = 20
    sink.events.on_next(Underrun(6, 10, ""))
    scene.tell(Underrun(6, 10, ""), speech(turn))  # the same one, in the stream
    scene.tell(Finished(turn, ""))
    assert (scene.told[0].queued_ms, scene.told[0].underrun_samples) == (80, 6)
    scene.life.dispose()
    assert sink.events.observers == []


def test_what_play_has_just_written_counts_as_queued() -> None:
    class Sink(FakeSink):
        @property
        def queued_ms(self) -> int:
            return len(self.samples)

    sink = Sink()
    turn = Turn.of(np.zeros(4, np.float32))
    seen: list[Any] = []
    rx.of(speech(turn), speech(turn, 0, final=True)).pipe(
        vox.metrics(sink=sink), vox.play(sink)
    ).subscribe(seen.append)
    (told,) = [e for e in seen if isinstance(e, TurnMetrics)]
    assert told.queued_ms == 5


def test_without_converse_the_elements_say_what_they_can() -> None:
    scene = Scene()
    writer = turn_of()
    scene.hear(writer, "~~_", timed=True)  # speech until 16
    writer.close("policy", 3)
    scene.at(100).tell(speech(writer.turn)).at(200).tell(speech(writer.turn, 0, final=True))
    assert scene.told == [TurnMetrics(writer.turn, first_audio_ms=84, over_ms=184)]


def test_without_a_time_and_without_converse_there_is_nothing_to_count_from() -> None:
    scene = Scene()
    writer = turn_of()
    scene.hear(writer, "~~_")
    writer.close("policy", 3)
    scene.at(100).tell(speech(writer.turn), speech(writer.turn, 0, final=True))
    assert scene.told == [TurnMetrics(writer.turn)]


def test_a_turn_that_is_not_over_is_not_told() -> None:
    scene = Scene()
    whole(scene)
    scene.source.on_completed()
    assert scene.told == []
    assert scene.end == ["completed"]


def test_disposal_lets_go_of_the_turns() -> None:
    scene = Scene()
    writer = turn_of()
    scene.tell(TurnOpened(writer.turn))
    assert len(writer._record.observers) == 1
    scene.life.dispose()
    assert writer._record.observers == []


def test_turns_that_nobody_answers_are_let_go_of() -> None:
    scene = Scene()
    writers = [turn_of(n) for n in range(1, 71)]
    for writer in writers:
        scene.tell(TurnOpened(writer.turn))
    watched = [bool(writer._record.observers) for writer in writers]
    assert watched == [False] * 6 + [True] * 64


@pytest.mark.parametrize(("now", "over_ms"), [(1000.5, 400), (1000.500125, 400.125)])
def test_in_real_time_the_clock_is_that_of_the_microphone(
    now: float, over_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the microsecond."""
    monkeypatch.setattr(time, "monotonic", lambda: now)
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.metrics()).subscribe(seen.append)
    writer = turn_of()
    source.on_next(TurnOpened(writer.turn))
    writer.append(AudioChunk(np.zeros(100, np.float32), RATE, speech=True, time=1000.0))
    source.on_next(Finished(writer.turn, ""))
    assert seen[-1] == TurnMetrics(writer.turn, over_ms=over_ms)


def test_behind_converse_every_stage_is_there() -> None:
    clock = TestScheduler()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    sink = FakeSink()
    source.pipe(
        vox.turn_window(rxv.silence(64)),
        vox.converse(
            vox.transcribe(FakeTranscriber("hi", after_ms=50)),
            vox.respond(FakeResponder("Hello.", every_ms=100)),
            vox.synthesize(FakeSynthesizer(every_ms=20)),
            sink=sink,
        ),
        vox.metrics(sink=sink),
    ).subscribe(seen.append, scheduler=clock)
    for n, speech in enumerate([False, True, True, *[False] * 20]):
        clock.advance_to((n + 1) * 0.032)
        source.on_next(AudioChunk(np.zeros(512, np.float32), 16_000, 512 * n, speech=speech))
    told = [e for e in seen if isinstance(e, TurnMetrics)]
    # Speech ends at 96 ms, the turn at 160, and each model adds what it takes.
    assert [e.as_json() for e in told] == [
        {
            **TurnMetrics(told[0].turn).as_json(),
            "turn_ended_ms": 64,
            "transcript_ms": 114,
            "first_token_ms": 214,
            "first_sentence_ms": 214,
            "first_audio_ms": 234,
            "first_heard_ms": 234,
            "over_ms": 234,
        }
    ]


def test_memory_is_asked_for_when_a_reply_is_over() -> None:
    asked: list[int] = []

    def memory() -> int:
        asked.append(len(asked) + 1)
        return 1000 * asked[-1]

    scene = Scene(memory=memory)
    turn = Turn.of(np.zeros(100, np.float32), sample_rate=RATE)
    scene.source.on_next(Transcribed(turn, "hi"))
    assert asked == []
    scene.source.on_next(Finished(turn, "Hello."))
    assert [it.memory_bytes for it in scene.seen if isinstance(it, TurnMetrics)] == [1000]
    assert "memory_bytes" in scene.seen[-1].as_json()


def test_memory_is_none_if_it_is_not_asked_for() -> None:
    scene = Scene()
    scene.source.on_next(Finished(Turn.of(np.zeros(100, np.float32), sample_rate=RATE), "Hello."))
    assert scene.seen[-1].memory_bytes is None


def test_only_what_can_be_used_counts_as_there() -> None:
    scene = Scene()
    writer = turn_of()
    turn = writer.turn
    scene.tell(TurnOpened(turn)).hear(writer, "~")  # speech until 10
    writer.close("policy", 1)
    scene.at(20).tell(Transcript(turn, "h", final=False)).at(30).tell(transcript(turn))
    scene.at(40).tell(Reply(transcript(turn), flush=True))
    scene.at(50).tell(Reply(transcript(turn), "Hello."))
    scene.at(60).tell(speech(turn, 0)).at(70).tell(speech(turn)).tell(Finished(turn, ""))
    (told,) = scene.told
    assert (told.transcript_ms, told.first_token_ms, told.first_audio_ms) == (20, 40, 60)


def test_a_turn_that_is_open_already_has_spoken_until_it_was_seen() -> None:
    scene = Scene()
    writer = turn_of()
    scene.hear(writer, "~").tell(TurnOpened(writer.turn)).hear(writer, "_")
    writer.close("policy", 2)
    scene.at(50).tell(Finished(writer.turn, ""))
    assert scene.told == [TurnMetrics(writer.turn, turn_ended_ms=10, over_ms=40)]


def test_a_sentence_that_no_voice_was_asked_for_is_not_the_first() -> None:
    scene = Scene()
    writer = turn_of()
    scene.tell(TurnOpened(writer.turn)).hear(writer, "~")  # speech until 10
    asked = Sentence("Hello.")
    asked.asked = 0.03
    scene.tell(*(speech(writer.turn, sentence=it) for it in (Sentence("Oh."), asked)))
    scene.tell(Finished(writer.turn, ""))
    assert scene.told[0].first_sentence_ms == 20
