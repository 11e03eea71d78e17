"""The app discards the turn that is open, by `turn_window`: whatever the turn is at that moment.

Unless it says otherwise: turn 1 is spoken to 20 ms and over at 40 ms, and its reply is heard from
then on.
"""

from __future__ import annotations

from converse_kit import HI, pad
from interruption_kit import Scene

import rxvoice as rxv
from rxvoice.testing import FakeStreamingTranscriber

WORDS = ("hi", "right then my friend", "again")


def test_a_turn_that_is_listened_to() -> None:
    scene = Scene("~~~~~___" + pad(100) + "~~___" + pad(200) + "|", discard_at=[25])
    assert scene.only("TurnOpened", "Dropped", "Transcribed", "FinishedTurn")[:4] == [
        "0 TurnOpened 1",
        "25 Dropped 1 discarded",
        "30 TurnOpened 2",  # the user still speaks
        "70 Transcribed 2 'hi'",
    ]
    assert scene.heard == "One two.Three four."


def test_a_candidate_lets_the_reply_go_on() -> None:
    scene = Scene(HI + pad(50) + "~~~___" + pad(300) + "|", min_speech_ms=90, discard_at=[125])
    assert scene.lines[5:9] == [
        "100 Candidate 2",
        "100 Paused 1",
        "125 Dropped 2 discarded",
        "125 Resumed 1 discarded",
    ]
    assert scene.heard == "One two.Three four."
    assert len(scene.stt.given) == 1, "what was discarded is not transcribed"


def test_a_turn_that_has_interrupted() -> None:
    """The reply stays interrupted. What the app says has the floor at once."""
    scene = Scene(
        HI + pad(50) + "~~~~~~~~___" + pad(300) + "|",
        stt=FakeStreamingTranscriber(*WORDS),
        min_speech_ms=20,
        discard_at=[175],
        says=lambda m: m.hot("---a", {"a": rxv.Say("A B C.")}),
    )
    assert scene.only("Interrupted", "Confirmed", "Dropped", "Saying", "Finished") == [
        "110 Interrupted 1 'One'",
        "110 Confirmed 2",
        "175 Dropped 2 discarded",
        "175 Saying -1 'A B C.'",
        "235 Finished -1 'A B C.'",
    ]


def test_a_turn_that_waits_is_not_answered() -> None:
    """Turn 3 opens at 180 ms, over what the app says and nobody may interrupt."""
    scene = Scene(
        HI + pad(50) + "~~~~~~~~~~~___" + pad(300) + "|",
        stt=FakeStreamingTranscriber(*WORDS),
        min_speech_ms=20,
        discard_at=[175, 205],
        says=lambda m: m.hot("---a", {"a": rxv.Say("A B C. D E F G H.", interruptible=False)}),
    )
    assert scene.only("TurnOpened", "Dropped", "ReplyStarted", "Finished") == [
        "0 TurnOpened 1",
        "40 ReplyStarted 1",
        "110 TurnOpened 2",
        "175 Dropped 2 discarded",
        "175 ReplyStarted -1",
        "180 TurnOpened 3",
        "205 Dropped 3 discarded",
        "345 Finished -1 'A B C. D E F G H.'",
    ]
    assert scene.lines[-1].endswith("completed")


def test_a_candidate_that_has_come_to_wait_is_not_answered() -> None:
    scene = Scene(
        HI + pad(40) + "~" * 20 + "___" + pad(300) + "|",
        interruptions=lambda m: m.cold("-" * 12 + "F", {"F": False}),
        discard_at=[205],
    )
    assert scene.only("Candidate", "TurnOpened", "Dropped")[:4] == [
        "0 TurnOpened 1",
        "90 Candidate 2",
        "120 TurnOpened 2",
        "205 Dropped 2 discarded",
    ]
    assert scene.lines[-1].endswith("completed")


def test_the_reply_to_a_discarded_turn_that_was_begun_early_is_forgotten() -> None:
    scene = Scene(
        "~~~~" + pad(400) + "|",
        stt=FakeStreamingTranscriber("what is it", ""),
        silence_ms=200,
        preempt_after_ms=30,
        discard_at=[155],
    )
    assert scene.llm.asked == ["what is it"]
    assert scene.llm.history == []
    assert scene.heard == ""
