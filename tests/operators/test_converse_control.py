"""Interruption switched off, or by the app.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from converse_kit import HI, pad
from interruption_kit import Scene, Talk


def test_without_interruptions_turns_wait_in_order() -> None:
    scene = Scene(
        HI + pad(20) + "~~~~___~~~~___" + pad(600) + "|",
        "one",
        "two",
        "three",
        llm=Talk("One two.", "Two.", "Three."),
        interruptions=False,
        min_speech_ms=10,
    )
    assert scene.without("ReplyStarted", "ReplyDelta", "Speaking") == [
        "0 TurnOpened 1",
        "40 Transcribed 1 'one'",
        "70 TurnOpened 2",
        "120 FinishedTurn 'one' 'One two.'",
        "120 Finished 1 'One two.'",
        "130 Transcribed 2 'two'",
        "140 TurnOpened 3",
        "170 FinishedTurn 'two' 'Two.'",
        "170 Finished 2 'Two.'",
        "200 Transcribed 3 'three'",
        "260 FinishedTurn 'three' 'Three.'",
        "260 Finished 3 'Three.'",
        "810 completed",
    ]
    assert scene.speaker.pauses == 0
    assert scene.heard == "One two.Two.Three."


def test_who_opens_as_a_reply_ends_does_not_go_before_those_that_wait() -> None:
    """The third turn opens at 120 ms, with the last sample of the first reply."""
    scene = Scene(
        HI + pad(20) + "~___" + "_" + "~___" + pad(600) + "|",
        "one",
        "two",
        "three",
        llm=Talk("One two.", "Two.", "Three."),
        interruptions=False,
    )
    assert scene.only("TurnOpened", "Finished") == [
        "0 TurnOpened 1",
        "70 TurnOpened 2",
        "120 Finished 1 'One two.'",
        "120 TurnOpened 3",
        "160 Finished 2 'Two.'",
        "220 Finished 3 'Three.'",
    ]


def test_the_app_interrupts() -> None:
    scene = Scene(HI + pad(400) + "|", interrupts=lambda m: m.cold("-----------N", {"N": None}))
    assert scene.lines[5:] == [
        "110 FinishedTurn 'hi' 'One two' interrupted",
        "110 Interrupted 1 'One two'",
        "450 completed",
    ]
    assert scene.heard == "One two"
    assert scene.llm.history == [("user", "hi"), ("assistant", "One two")]


def test_push_to_talk() -> None:
    """After the app's interruption whoever speaks is the user: no echo to be feared."""
    scene = Scene(
        HI + pad(80) + "~~___" + pad(400) + "|",
        "hi",
        "go on",
        interrupts=lambda m: m.cold("-----------N", {"N": None}),
    )
    assert scene.only("TurnOpened", "Candidate", "Interrupted") == [
        "0 TurnOpened 1",
        "110 Interrupted 1 'One two'",
        "130 TurnOpened 2",
    ]
    assert scene.llm.asked == ["hi", "go on"]


def test_the_app_confirms_a_candidate() -> None:
    scene = Scene(
        HI + pad(50) + "~~~~___" + pad(400) + "|",
        "hi",
        "no",
        min_speech_ms=900,
        interrupts=lambda m: m.cold("-----------N", {"N": None}),
    )
    assert scene.only("Candidate", "Interrupted", "Confirmed") == [
        "100 Candidate 2",
        "110 Interrupted 1 'One'",
        "110 Confirmed 2",
    ]
    assert scene.llm.asked == ["hi", "no"]


def test_by_text() -> None:
    scene = Scene(
        HI + pad(400) + "|",
        llm=Talk("One two. Three four.", "Five."),
        interrupts=lambda m: m.cold("-----------T", {"T": "what?"}),
    )
    assert scene.lines[5:] == [
        "110 FinishedTurn 'hi' 'One two' interrupted",
        "110 Interrupted 1 'One two'",
        "110 TurnOpened -1",
        "110 Transcribed -1 'what?'",
        "110 ReplyStarted -1",
        "110 ReplyDelta -1 'Five.'",
        "111 Speaking -1",
        "160 FinishedTurn 'what?' 'Five.'",
        "160 Finished -1 'Five.'",
        "450 completed",
    ]


def test_text_while_the_user_speaks_is_answered_first_and_not_glued() -> None:
    scene = Scene(
        "~~~~~~___" + pad(400) + "|", "this one", interrupts=lambda m: m.cold("--T", {"T": "read"})
    )
    assert scene.llm.asked == ["read", "this one"], "each is a question of its own"


def test_text_when_nobody_speaks_is_answered() -> None:
    scene = Scene(
        "__________|", llm=Talk("Yes."), interrupts=lambda m: m.cold("--T", {"T": "you there?"})
    )
    assert scene.lines[-2:] == [
        "60 Finished -1 'Yes.'",
        "100 completed",
    ]


def test_an_error_of_the_apps_own_ends_it() -> None:
    error = OSError("button lost")
    scene = Scene(HI + pad(400) + "|", interrupts=lambda m: m.cold("-#", {"#": error}))
    assert scene.lines == ["0 TurnOpened 1", "10 error button lost"]
