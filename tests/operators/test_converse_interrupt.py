"""Every moment at which a reply can be interrupted, in virtual time, to the millisecond.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from converse_kit import HI, TOLD, pad
from interruption_kit import Scene, Talk, Voice
from interruption_story import Story, tell
from reactivex import Observable

import rxvoice as rxv
from rxvoice.events import Notice
from rxvoice.testing import (
    FakeTranscriber,
    Marbles,
    failing,
)


def test_while_listening_there_is_nothing_to_interrupt() -> None:
    scene = Scene("~~~~_~~~~___" + pad(200) + "|", interrupts=lambda m: m.cold("--N", {"N": None}))
    assert scene.only("Candidate", "Interrupted") == []
    assert scene.lines[-2] == "300 Finished 1 'One two. Three four.'"


def test_while_transcribing_the_words_are_answered_together() -> None:
    stt = FakeTranscriber("what is", "the time", after_ms=100)
    scene = Scene(HI + "_~~~~___" + pad(400) + "|", stt=stt, min_speech_ms=30)
    assert scene.lines == [
        "0 TurnOpened 1",
        "60 Candidate 2",
        "60 Paused 1",
        "140 Transcribed 1 'what is'",
        "140 ReplyStarted 1",
        "140 ReplyDelta 1 'One two. Three four.'",
        "220 Transcribed 2 'the time'",
        "220 FinishedTurn 'what is' '' interrupted",
        "220 Interrupted 1 ''",
        "220 Confirmed 2",
        "220 TurnOpened 2",
        "220 ReplyStarted 2",
        "220 ReplyDelta 2 'One two. Three four.'",
        "221 Speaking 2",
        "410 FinishedTurn 'the time' 'One two. Three four.'",
        "410 Finished 2 'One two. Three four.'",
        "530 completed",
    ]
    assert scene.llm.history == [
        ("user", "what is"),
        ("user", "the time"),
        ("assistant", "One two. Three four."),
    ]


def test_while_transcribing_a_streaming_recogniser_knows_the_words_at_once() -> None:
    """The first turn's transcript comes after it was replaced, and is not lost."""
    llm = Talk("Yes.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        if it.id == 1:
            return m.cold("-" * 20 + "(F|)", {"F": rxv.Transcript(it, "what is")})
        told = {"P": rxv.Transcript(it, "the", final=False), "F": rxv.Transcript(it, "the time")}
        return m.cold("---P----(F|)", told)

    mic = HI + "_~~~~___" + pad(400) + "|"
    scene = Scene(mic, llm=llm, hears=hears, min_speech_ms=30)
    lines = [f"{it.ms} {it.value!r}" for it in scene.recorded]
    assert llm.asked == ["what is the time"]
    assert any(line.startswith("90 Confirmed") for line in lines)
    assert llm.history == [("user", "what is the time"), ("assistant", "Yes.")]


def test_while_thinking_one_reply_comes_and_both_messages_stay() -> None:
    llm = Talk("One two.", "Three.", every_ms=300)
    scene = Scene(HI + "_~~~~~___" + pad(600) + "|", "hi", "stop it", llm=llm, min_speech_ms=30)
    assert scene.without(*TOLD) == [
        "0 TurnOpened 1",
        "60 Candidate 2",
        "60 Paused 1",
        "130 FinishedTurn 'hi' '' interrupted",
        "130 Interrupted 1 ''",
        "130 Confirmed 2",
        "130 TurnOpened 2",
        "431 Speaking 2",
        "490 FinishedTurn 'stop it' 'Three.'",
        "490 Finished 2 'Three.'",
        "740 completed",
    ]
    assert llm.history == [("user", "hi"), ("user", "stop it"), ("assistant", "Three.")]
    assert llm.open == 0


def test_a_question_that_the_model_has_not_taken_goes_in_front_of_the_next() -> None:
    """The model's thread is busy: nobody was asked, so there is nothing to be told either."""
    scene = Scene(
        HI + "_~~~~___" + pad(400) + "|",
        "what is",
        "the time",
        llm=Talk("Yes."),
        busy_ms=200,
        min_speech_ms=30,
    )
    kinds = [(it.ms, type(it.value).__name__) for it in scene.recorded]
    assert (120, "Interrupted") in kinds
    assert [ms for ms, kind in kinds if kind == "FinishedTurn"] == [240]
    assert scene.llm.asked == ["what is the time"]
    assert scene.llm.told == []
    assert scene.llm.history == [("user", "what is the time"), ("assistant", "Yes.")]
    assert not scene.speaker.paused


def test_one_that_waits_and_was_not_understood_takes_up_what_was_typed() -> None:
    scene = Scene(
        HI + pad(20) + "~~___" + pad(400) + "|",
        stt=failing(FakeTranscriber("one", "two"), "transcribe_turn", at=2),
        llm=Talk("Yes."),
        busy_ms=400,
        interruptions=False,
        interrupts=lambda m: m.cold("-" * 22 + "T-N", {"T": "what?", "N": None}),
    )
    tell(scene.told, Story(interruptions=False, pauses=True))
    assert scene.llm.asked == ["one what?"]
    assert [it.turn.id for it in scene.told if isinstance(it, rxv.events.Finished)] == [2]


def test_wordless_noise_while_thinking_changes_nothing() -> None:
    llm = Talk("One two.", every_ms=300)
    scene = Scene(HI + "_~~~~~___" + pad(400) + "|", "hi", "", llm=llm, min_speech_ms=30)
    assert scene.lines[2:] == [
        "60 Candidate 2",
        "60 Paused 1",
        "130 Transcribed 2 ''",
        "130 Dropped 2 no_words",
        "130 Resumed 1 no_words",
        "340 ReplyStarted 1",
        "340 ReplyDelta 1 'One two.'",
        "341 Speaking 1",
        "420 FinishedTurn 'hi' 'One two.'",
        "420 Finished 1 'One two.'",
        "540 completed",
    ]
    assert llm.asked == ["hi"]


def test_at_the_first_piece() -> None:
    """It opens with the first sample, and is confirmed: nothing was heard of a whole word."""
    scene = Scene(HI[:4] + "_" + "~~~~___" + pad(300) + "|", "hi", "no", min_speech_ms=20)
    assert scene.without(*TOLD)[:7] == [
        "0 TurnOpened 1",
        "41 Speaking 1",
        "50 Candidate 2",
        "50 Paused 1",
        "110 FinishedTurn 'hi' '' interrupted",
        "110 Interrupted 1 ''",
        "110 Confirmed 2",
    ]
    assert scene.heard.startswith("O")
    assert scene.llm.history[:2] == [("user", "hi"), ("user", "no")]


def test_mid_sentence() -> None:
    scene = Scene(HI + pad(130) + "~~~~___" + pad(300) + "|", "hi", "stop it", min_speech_ms=30)
    assert scene.lines[5:] == [
        "180 Candidate 2",
        "180 Paused 1",
        "240 Transcribed 2 'stop it'",
        "240 FinishedTurn 'hi' 'One two. Three' interrupted",
        "240 Interrupted 1 'One two. Three'",
        "240 Confirmed 2",
        "240 TurnOpened 2",
        "240 ReplyStarted 2",
        "240 ReplyDelta 2 'One two. Three four.'",
        "241 Speaking 2",
        "430 FinishedTurn 'stop it' 'One two. Three four.'",
        "430 Finished 2 'One two. Three four.'",
        "550 completed",
    ]
    assert scene.heard == "One two.Three One two.Three four."
    assert scene.llm.told == ["One two. Three"]
    assert scene.llm.history[:2] == [("user", "hi"), ("assistant", "One two. Three")]
    assert scene.speaker.gain == 1
    assert not scene.speaker.paused


def test_the_candidate_keeps_all_its_audio() -> None:
    scene = Scene(
        HI + pad(130) + "~~~~___" + pad(300) + "|", "hi", "stop", min_speech_ms=30, preroll_ms=50
    )
    assert [len(audio) for audio in scene.stt.given] == [50, 50 + 70]
    assert np.array_equal(scene.stt.given[1], scene.turns[1].audio)


def test_at_the_last_sample_it_has_finished() -> None:
    # Playback is paused at 230 ms, and confirmed at 250: all was heard.
    scene = Scene(HI + pad(180) + "~~~~___" + pad(300) + "|", "hi", "stop", min_speech_ms=30)
    assert scene.without(*TOLD)[:6] == [
        "0 TurnOpened 1",
        "41 Speaking 1",
        "230 FinishedTurn 'hi' 'One two. Three four.'",
        "230 Finished 1 'One two. Three four.'",
        "230 Candidate 2",
        "290 Confirmed 2",
    ]
    assert scene.llm.told == []
    assert scene.llm.history[1] == ("assistant", "One two. Three four.")


def test_one_sample_before_the_last_it_has_not() -> None:
    llm = Talk("One two. Three four!")
    scene = Scene(
        HI + pad(170) + "~~~~___" + pad(300) + "|", "hi", "stop", llm=llm, min_speech_ms=30
    )
    assert "280 Interrupted 1 'One two. Three four'" in scene.lines
    assert llm.told == ["One two. Three four"]


def test_all_was_played_while_a_candidate_is_judged() -> None:
    """A ducked reply plays to its end; the candidate is confirmed afterwards."""
    scene = Scene(
        HI + pad(160) + "~~~~___" + pad(300) + "|", "hi", "stop", min_speech_ms=40, duck=0.2
    )
    assert scene.without(*TOLD)[2:7] == [
        "210 Candidate 2",
        "230 FinishedTurn 'hi' 'One two. Three four.'",
        "230 Finished 1 'One two. Three four.'",
        "270 Confirmed 2",
        "270 TurnOpened 2",
    ]
    assert scene.speaker.pauses == 0
    assert scene.speaker.gain == 1


def test_ducked_playback_goes_on_until_it_is_confirmed() -> None:
    gains: list[float] = []

    def look(scene: Scene) -> None:
        gains.append(scene.speaker.gain)

    scene = Scene(
        HI + pad(50) + "~~~~~___" + pad(400) + "|",
        "hi",
        "stop",
        min_speech_ms=40,
        duck=0.2,
        at=[(95, look), (125, look), (185, look)],
    )
    assert gains == [1.0, 0.2, 1.0], "ducked from the first speech until it is confirmed"
    assert scene.only("Candidate", "Interrupted", "Paused") == [
        "100 Candidate 2",
        "170 Interrupted 1 'One two. Three'",
    ]


def test_while_paused_by_an_earlier_candidate() -> None:
    # The first candidate only coughs and waits for its words; the second one is real.
    stt = FakeTranscriber("hi", "hm", "stop", after_ms=50)
    scene = Scene(
        HI + pad(80) + "~~____~~~~~___" + pad(300) + "|",
        stt=stt,
        min_speech_ms=40,
        stop_words=("halt",),
        silence_ms=30,
    )
    assert scene.without(*TOLD)[:9] == [
        "0 TurnOpened 1",
        "91 Speaking 1",
        "130 Candidate 2",
        "130 Paused 1",
        "170 Resumed 1 quiet",
        "190 Candidate 3",
        "190 Paused 1",
        "220 Dropped 2 short",
        "310 FinishedTurn 'hi' 'One' interrupted",
    ]
    assert [line for line in scene.lines if "Dropped" in line] == ["220 Dropped 2 short"]


def test_twice_in_a_row() -> None:
    scene = Scene(
        HI + pad(50) + "~~~~___" + pad(30) + "~~~~___" + pad(300) + "|",
        "hi",
        "stop",
        "no stop",
        min_speech_ms=30,
        llm=Talk("One two. Three four.", "Five six.", "Seven."),
    )
    assert scene.without(*TOLD) == [
        "0 TurnOpened 1",
        "41 Speaking 1",
        "100 Candidate 2",
        "100 Paused 1",
        "160 FinishedTurn 'hi' 'One' interrupted",
        "160 Interrupted 1 'One'",
        "160 Confirmed 2",
        "160 TurnOpened 2",
        "161 Speaking 2",
        "200 Candidate 3",
        "200 Paused 2",
        "260 FinishedTurn 'stop' 'Five' interrupted",
        "260 Interrupted 2 'Five'",
        "260 Confirmed 3",
        "260 TurnOpened 3",
        "261 Speaking 3",
        "320 FinishedTurn 'no stop' 'Seven.'",
        "320 Finished 3 'Seven.'",
        "570 completed",
    ]
    assert scene.heard == "One twFiveSeven."
    assert scene.llm.history == [
        ("user", "hi"),
        ("assistant", "One"),
        ("user", "stop"),
        ("assistant", "Five"),
        ("user", "no stop"),
        ("assistant", "Seven."),
    ]


def test_before_a_reply_has_any_audio() -> None:
    """The voice has been asked and gave nothing yet."""
    voice = Voice(every_ms=500)
    scene = Scene(HI + "_~~~~___" + pad(900) + "|", "hi", "stop", tts=voice, min_speech_ms=30)
    assert scene.without(*TOLD)[3:6] == [
        "120 FinishedTurn 'hi' '' interrupted",
        "120 Interrupted 1 ''",
        "120 Confirmed 2",
    ]
    assert scene.llm.history[:2] == [("user", "hi"), ("user", "stop")]


def test_between_two_sentences() -> None:
    """The next sentence is not there yet: the one that was heard counts whole."""
    llm = Talk(["One two.\n", "Three four."], every_ms=200)
    scene = Scene(
        HI + pad(300) + "~~~~___" + pad(400) + "|", "hi", "stop", llm=llm, min_speech_ms=30
    )
    assert scene.without(*TOLD)[1:5] == [
        "241 Speaking 1",
        "350 Candidate 2",
        "350 Paused 1",
        "410 FinishedTurn 'hi' 'One two.' interrupted",
    ]
    assert llm.told == ["One two."]
    assert llm.open == 0


def test_during_a_tool_call_its_result_is_kept() -> None:
    llm = Talk([Notice("clock() gave 12"), "It is noon."], every_ms=100)
    scene = Scene(
        HI + pad(150) + "~~~~___" + pad(500) + "|", "time", "stop", llm=llm, min_speech_ms=30
    )
    assert scene.without(*TOLD)[:5] == [
        "0 TurnOpened 1",
        "140 Notice clock() gave 12",
        "200 Candidate 2",
        "200 Paused 1",
        "260 FinishedTurn 'time' '' interrupted",
    ]
    assert llm.history[:3] == [("user", "time"), ("tool", "clock() gave 12"), ("user", "stop")]
