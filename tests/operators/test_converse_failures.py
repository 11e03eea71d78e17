"""What a failure of a source, a stage or the sink does to a conversation.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import pytest
from converse_kit import HI, TOLD, answered, pad
from interruption_kit import RATE, VOICE, Scene, Talk, clock

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.stage_error import StageError
from rxvoice.testing import (
    FakeResponder,
    FakeSpeaker,
    FakeTranscriber,
    failing,
    window,
)


def test_the_microphone_dies_mid_turn() -> None:
    error = OSError("unplugged")
    scene = Scene("", source=lambda m: m.cold("~~~#", {"#": error}))
    assert scene.lines == ["0 TurnOpened 1", "30 TurnFailed 1 turn_window", "30 error unplugged"]


def test_the_turn_fails_and_the_microphone_goes_on() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    died = StageError("turn_window", None, OSError("x"))
    legend = {"A": window("~~#", {"#": died}), "B": window("~|", id=2)}
    said = m.cold("A--B---|", legend).pipe(answered(speaker))
    names = [type(it.value).__name__ for it in m.record(said)]
    assert names[:3] == ["TurnOpened", "TurnFailed", "TurnOpened"]
    assert names[-2:] == ["Finished", "NoneType"]


def test_a_turn_that_never_ends_does_not_keep_it_open() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    legend = {"A": window("~~|"), "B": window("~~~", id=2)}
    said = m.cold("A-----B--|", legend).pipe(answered(speaker, min_speech_ms=90))
    came = [(it.ms, it.value) for it in m.record(said)]
    dropped = [(ms, it.reason) for ms, it in came if isinstance(it, rxv.events.Dropped)]
    assert dropped == [(90, "closed")]
    assert type(came[-2][1]) is rxv.events.Finished


def test_a_failed_recogniser_drops_the_candidate() -> None:
    stt = failing(FakeTranscriber("hi", "no"), "transcribe_turn", at=2)
    scene = Scene(
        HI + "_~~~~___" + pad(400) + "|", stt=stt, llm=Talk("One.", every_ms=200), min_speech_ms=20
    )
    assert scene.without(*TOLD)[1:6] == [
        "60 Candidate 2",
        "60 Paused 1",
        "120 TurnFailed 2 transcribe",
        "120 Dropped 2 failed",
        "120 Resumed 1 failed",
    ]
    assert scene.heard == "One."


def test_a_failed_recogniser_ends_the_turn() -> None:
    stt = failing(FakeTranscriber("hi", "you"), "transcribe_turn", at=1)
    scene = Scene(HI + "_" + HI + pad(400) + "|", stt=stt, llm=Talk("One."))
    assert scene.only("TurnOpened", "TurnFailed", "Dropped", "Finished") == [
        "0 TurnOpened 1",
        "40 TurnFailed 1 transcribe",
        "60 TurnOpened 2",
        "140 Finished 2 'One.'",
    ]


def test_a_failed_text_model_during_a_candidate() -> None:
    llm = Talk("One.", every_ms=50)
    broken = failing(llm, "respond", at=1)
    scene = Scene(
        HI + pad(20) + "~~~~___" + pad(400) + "|", "hi", "no", llm=broken, min_speech_ms=20
    )
    assert scene.only("TurnFailed", "Interrupted", "Candidate", "TurnOpened") == [
        "0 TurnOpened 1",
        "40 TurnFailed 1 respond",
        "70 TurnOpened 2",
    ]


def test_a_voice_that_fails_mid_reply_and_a_candidate() -> None:
    """What was made is heard, then the exchange is over; the model is told what was heard."""
    tts = failing(VOICE, "synthesize_stream", at=2)
    llm = Talk("One two. Three four.")
    scene = Scene(HI + pad(20) + "~~___" + pad(400) + "|", llm=llm, tts=tts, min_speech_ms=90)
    assert scene.without(*TOLD) == [
        "0 TurnOpened 1",
        "40 TurnFailed 1 synthesize",
        "41 Speaking 1",
        "70 Candidate 2",
        "70 Paused 1",
        "110 Dropped 2 short",
        "110 Resumed 1 short",
        "520 completed",
    ]
    assert scene.heard == "One two."
    assert llm.history == [("user", "hi"), ("assistant", "One two.")]


def test_a_voice_that_has_failed_can_be_interrupted() -> None:
    tts = failing(VOICE, "synthesize_stream", at=2)
    scene = Scene(HI + pad(20) + "~~~~___" + pad(400) + "|", "hi", "no", tts=tts, min_speech_ms=20)
    assert scene.only("TurnFailed", "Interrupted", "Confirmed", "FinishedTurn")[:3] == [
        "40 TurnFailed 1 synthesize",
        "130 Interrupted 1 'One'",
        "130 Confirmed 2",
    ]


def test_errors_raise_end_the_stream_and_close_the_rest() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    operator = vox.converse(
        vox.transcribe(FakeTranscriber("hi")),
        vox.respond(failing(FakeResponder("x"), "respond"), errors="raise"),
        vox.synthesize(VOICE),
        sink=speaker,
    )
    mic = m.cold(HI + pad(100))
    recorded = m.record(mic.pipe(vox.turn_window(rxv.silence(30)), operator))
    assert (recorded[-1].ms, recorded[-1].kind) == (40, "error")
    assert "respond (turn 1) failed" in str(recorded[-1].value)
    m.expect_subscriptions(mic, "^---!")


class Brittle(FakeSpeaker):
    def pause(self) -> None:
        raise OSError("no such device")


def test_a_sink_that_raises_fails_the_turn_and_no_more() -> None:
    scene = Scene(
        HI + pad(50) + "~~~___" + pad(300) + "|",
        "hi",
        "and now",
        min_speech_ms=20,
        sink=lambda m: Brittle(m.scheduler, sample_rate=RATE),
    )
    assert scene.without(*TOLD)[2:] == [
        "100 Candidate 2",
        "100 TurnFailed 1 converse",
        "150 Confirmed 2",
        "150 TurnOpened 2",
        "151 Speaking 2",
        "340 FinishedTurn 'and now' 'One two. Three four.'",
        "340 Finished 2 'One two. Three four.'",
        "460 completed",
    ]
    assert scene.llm.told == ["One"]


class Silent:
    """A voice without sound for some sentences."""

    sample_rate = RATE

    def __init__(self, *sentences: str) -> None:
        self._sentences = sentences

    def synthesize_stream(self, text: str, /) -> Any:
        return () if text in self._sentences else VOICE.synthesize_stream(text)


@pytest.mark.parametrize(
    ("silent", "kept"),
    [
        (("Two.",), "One. Two. Three."),
        (("One.",), "One. Two. Three."),
        (("Three.",), "One. Two."),
        (("Two.", "Three."), "One."),
        (("One.", "Three."), "One. Two."),
        (("One.", "Two.", "Three."), ""),
    ],
)
def test_a_reply_ends_with_the_last_sentence_that_has_sound(
    silent: tuple[str, ...], kept: str
) -> None:
    llm = Talk("One. Two. Three.")
    scene = Scene(HI + pad(400) + "|", llm=llm, tts=Silent(*silent))
    assert dict(llm.history).get("assistant", "") == kept
    told = [line.split(" ", 1)[1] for line in scene.only("Notice", "FinishedTurn", "Finished")]
    assert told == [
        f"Notice the synthesizer gave no sound for {silent[0]!r}",
        f"FinishedTurn 'hi' {kept!r}",
        f"Finished 1 {kept!r}",
    ]


def test_what_the_app_says_ends_with_the_last_sentence_that_has_sound() -> None:
    said: list[str] = []

    class Told(Talk):
        def said(self, text: str) -> None:
            said.append(text)

    Scene(
        pad(400) + "|",
        llm=Told("One."),
        tts=Silent("Two."),
        says=lambda m: m.cold("-W", {"W": "One. Two."}),
    )
    assert said == ["One."]


class Oops(Exception):
    pass


def told_by_an_app_that_raises(at: str) -> dict[int, list[str]]:
    """What it is told of each turn, without `Speech` and texts, if it raises at the first `at`."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    operator = vox.converse(
        vox.transcribe(FakeTranscriber("hi", "and now", "bye")),
        vox.respond(Talk("One two. Three four.", every_ms=10)),
        vox.synthesize(VOICE),
        sink=speaker,
        min_speech_ms=20,
    )
    told: dict[int, list[str]] = {}
    raised: list[object] = []

    def app(element: Any) -> None:
        name = type(element).__name__
        if isinstance(element, rxv.events.TurnFailed):
            name = str(element.error)
            assert isinstance(element.error.cause, Oops)
        turn = getattr(element, "turn", None)
        if name not in (*TOLD, "Speech", "TurnEnded", "FinishedTurn"):
            told.setdefault(turn.id, []).append(name)
        if type(element).__name__ == at and not raised:
            raised.append(element)
            raise Oops(at)

    over: list[str] = []
    mic = m.cold(HI + pad(60) + "~~~~~___" + pad(900) + HI + pad(600) + "|")
    mic.pipe(vox.turn_window(rxv.silence(30)), operator).subscribe(
        app,
        lambda error: over.append(str(error)),
        lambda: over.append("over"),
        scheduler=m.scheduler,
    )
    with pytest.raises(Oops, match=at):
        m.scheduler.run(200.0)
    assert m.scheduler.run(200.0)
    assert over == ["over"]
    return told


SPOKEN = ["TurnOpened", "Speaking", "Finished"]
FIRST = ["TurnOpened", "Speaking", "Paused", "Interrupted"]
SECOND = ["Candidate", "Confirmed", *SPOKEN]


@pytest.mark.parametrize("at", ["TurnEnded", "Transcribed", "ReplyStarted", "ReplyDelta"])
def test_an_app_that_raises_fails_the_turn_that_was_at_work(at: str) -> None:
    failed = ["TurnOpened", f"converse (turn 1) failed: Oops: {at}"]
    assert told_by_an_app_that_raises(at) == {1: failed, 2: SPOKEN, 3: SPOKEN}


def test_an_app_that_raises_at_a_piece_of_sound_hears_what_there_is() -> None:
    failed = ["TurnOpened", "converse (turn 1) failed: Oops: Speech", *FIRST[1:]]
    assert told_by_an_app_that_raises("Speech") == {1: failed, 2: SECOND, 3: SPOKEN}


@pytest.mark.parametrize("at", ["Confirmed", "Interrupted", "FinishedTurn"])
def test_an_app_that_raises_at_an_interruption_fails_the_turn_that_interrupts(at: str) -> None:
    failed = ["Candidate", "Confirmed", "TurnOpened", f"converse (turn 2) failed: Oops: {at}"]
    assert told_by_an_app_that_raises(at) == {1: FIRST, 2: failed, 3: SPOKEN}


def test_an_app_that_raises_while_a_candidate_is_judged_drops_it() -> None:
    told = told_by_an_app_that_raises("Paused")
    dropped = ["Candidate", "converse (turn 2) failed: Oops: Paused", "Dropped"]
    resumed = ["TurnOpened", "Speaking", "Paused", "Resumed", "Finished"]
    assert told == {1: resumed, 2: dropped, 3: SPOKEN}


@pytest.mark.parametrize("at", ["TurnOpened", "Candidate", "Speaking", "Finished"])
def test_an_app_that_raises_where_nothing_is_at_work_costs_no_turn(at: str) -> None:
    assert told_by_an_app_that_raises(at) == {1: FIRST, 2: SECOND, 3: SPOKEN}


def test_a_ctrl_c_when_nothing_else_is_to_come_ends_with_all_that_is_left() -> None:
    class NoEnd(FakeSpeaker):
        def end_reply(self) -> None:
            raise KeyboardInterrupt

    m = clock()
    speaker = NoEnd(m.scheduler, sample_rate=RATE)
    operator = answered(speaker, Talk("One two.", every_ms=100))
    told: list[str] = []

    def end(error: object = None) -> None:
        told.append("over")

    mic = m.cold(HI + "|").pipe(vox.turn_window(rxv.silence(30)), operator)
    mic.subscribe(lambda it: told.append(type(it).__name__), end, end, scheduler=m.scheduler)
    with pytest.raises(KeyboardInterrupt):
        m.scheduler.run(200.0)
    assert m.scheduler.run(200.0)
    assert told[-3:] == ["Speech", "TurnFailed", "over"]


def test_a_sink_that_fails_after_the_model_is_a_notice() -> None:
    class NoEnd(FakeSpeaker):
        def end_reply(self) -> None:
            raise OSError("no end")

    tts = failing(VOICE, "synthesize_stream", at=2)
    scene = Scene(HI + pad(300) + "|", tts=tts, sink=lambda m: NoEnd(m.scheduler, sample_rate=RATE))
    assert scene.only("TurnFailed", "Notice") == [
        "40 TurnFailed 1 synthesize",
        "40 Notice the sink failed: OSError: no end",
    ]
    (notice,) = (it for it in scene.told if isinstance(it, rxv.events.Notice))
    assert (notice.stage, notice.turn) == ("converse", scene.turns[0])
