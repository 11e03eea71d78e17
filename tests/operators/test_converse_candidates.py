"""Candidates that are not confirmed, and how long playback waits for one.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

import pytest
from converse_kit import HI, LATE, TOLD, answered, pad
from interruption_kit import RATE, Scene, Talk, clock, decode

import rxvoice as rxv
from rxvoice.testing import (
    FakeSpeaker,
    FakeStreamingTranscriber,
    failing,
    window,
)

# Not confirmed


def test_a_cough_costs_nothing() -> None:
    scene = Scene(HI + pad(80) + "~~___" + pad(400) + "|", min_speech_ms=50)
    assert scene.lines[5:] == [
        "130 Candidate 2",
        "130 Paused 1",
        "170 Dropped 2 short",
        "170 Resumed 1 short",
        "270 FinishedTurn 'hi' 'One two. Three four.'",
        "270 Finished 1 'One two. Three four.'",
        "580 completed",
    ]
    assert scene.heard == "One two.Three four."
    assert len(scene.stt.given) == 1, "the recogniser is not asked for a cough"


@pytest.mark.parametrize("gap", [60, 100, 300])
def test_coughs_are_not_summed(gap: int) -> None:
    """Three of 30 ms, in one turn, are no speech of 50 ms."""
    cough = "~~~" + pad(gap)
    scene = Scene("~~" + pad(430) + cough * 3 + pad(600) + "|", min_speech_ms=50, silence_ms=400)
    over = 450 + 3 * (30 + gap) - gap + 390
    assert scene.only("Confirmed", "Dropped") == [f"{over} Dropped 2 short"]


def test_a_short_gap_within_words_is_none() -> None:
    scene = Scene(
        "~~" + pad(430) + "~~~" + pad(50) + "~~~" + pad(800) + "|",
        "hi",
        "stop",
        min_speech_ms=50,
        silence_ms=400,
    )
    assert scene.only("Confirmed") == ["950 Confirmed 2"]


def test_echo_is_no_speech() -> None:
    asked: list[int] = []

    def is_echo(samples: rxv.Samples) -> bool:
        asked.append(len(samples))
        return True

    scene = Scene(HI + pad(50) + "~~~~~~~~~~___" + pad(300) + "|", min_speech_ms=50, echo=is_echo)
    # It does not even hold playback back.
    assert scene.only("Dropped", "Confirmed", "Paused") == ["220 Dropped 2 echo"]
    assert asked == [10] * 10
    assert scene.heard == "One two.Three four."


def test_a_user_over_the_echo_pauses_at_the_first_chunk_that_is_none() -> None:
    """An echo opens the candidate at 100; the user's first chunk comes at 140."""
    answers = iter([True] * 4 + [False] * 100)
    scene = Scene(
        HI + pad(50) + "~~~~~~~~~~___" + pad(300) + "|",
        min_speech_ms=50,
        echo=lambda samples: next(answers),
    )
    assert scene.only("Candidate", "Paused", "Confirmed") == [
        "100 Candidate 2",
        "140 Paused 1",
        "220 Confirmed 2",
    ]


def test_an_echo_detector_that_fails_drops_the_candidate() -> None:
    broken = failing(lambda samples: False)
    scene = Scene(HI + pad(50) + "~~~~~___" + pad(300) + "|", min_speech_ms=50, echo=broken)
    assert scene.without(*TOLD)[2:5] == [
        "100 Candidate 2",
        "100 TurnFailed 2 converse",
        "100 Dropped 2 failed",
    ]
    assert scene.heard == "One two.Three four."


class Loud:
    """An object in the echo slot; hears no echo."""

    def is_echo(self, samples: rxv.Samples, /) -> bool:
        return False


def test_an_echo_object_in_the_slot() -> None:
    scene = Scene(
        HI + pad(50) + "~~~~~___" + pad(400) + "|", "hi", "no", min_speech_ms=30, echo=Loud()
    )
    assert len(scene.only("Confirmed")) == 1


def test_the_assistants_own_words_are_echo() -> None:
    """Partial transcripts that only repeat what is being said do not count."""
    stt = FakeStreamingTranscriber("hi", "three four one", "")
    scene = Scene(HI + pad(120) + "~~~~~~___" + pad(300) + "|", stt=stt, min_speech_ms=20)
    assert scene.only("Dropped", "Confirmed") == ["250 Dropped 2 echo"]
    assert scene.heard == "One two.Three four."


def test_a_backchannel_needs_more_words_than_it_has() -> None:
    stt = FakeStreamingTranscriber("hi", "right")
    scene = Scene(HI + pad(50) + "~~~~___" + pad(300) + "|", stt=stt, min_speech_ms=20, min_words=2)
    assert scene.only("Candidate", "Dropped", "Confirmed", "Resumed") == [
        "100 Candidate 2",
        "160 Dropped 2 no_words",
        "160 Resumed 1 no_words",
    ]
    assert scene.heard == "One two.Three four."


def test_enough_words_confirm_as_soon_as_they_are_there() -> None:
    stt = FakeStreamingTranscriber("hi", "right then my friend")
    scene = Scene(
        HI + pad(50) + "~~~~~___" + pad(300) + "|", stt=stt, min_speech_ms=20, min_words=2
    )
    assert scene.only("Confirmed", "Interrupted") == [
        "110 Interrupted 1 'One'",
        "110 Confirmed 2",
    ]


def test_min_chars_want_letters() -> None:
    stt = FakeStreamingTranscriber("hi there", "a")
    scene = Scene(HI + pad(50) + "~~~~___" + pad(300) + "|", stt=stt, min_speech_ms=20)
    assert scene.only("Dropped", "Confirmed") == ["160 Dropped 2 no_words"]


@pytest.mark.parametrize("min_words", [0, 3])
def test_stop_passes_every_gate(min_words: int) -> None:
    stt = FakeStreamingTranscriber("hi", "Stop! Please.")
    scene = Scene(
        HI + pad(50) + "~~___" + pad(300) + "|",
        stt=stt,
        min_speech_ms=500,
        min_words=min_words,
        stop_words=("stop",),
    )
    assert scene.only("Candidate", "Interrupted", "Confirmed") == [
        "100 Candidate 2",
        "100 Interrupted 1 'One'",
        "100 Confirmed 2",
    ]


def test_without_the_stop_word_it_stays_under_min_words() -> None:
    stt = FakeStreamingTranscriber("hi", "Stop!")
    scene = Scene(HI + pad(50) + "~~___" + pad(300) + "|", stt=stt, min_speech_ms=10, min_words=3)
    assert scene.only("Confirmed", "Dropped") == ["140 Dropped 2 no_words"]


def test_a_stop_word_of_a_recogniser_of_whole_turns() -> None:
    scene = Scene(
        HI + pad(50) + "~~___" + pad(300) + "|",
        "hi",
        "Be quiet!",
        min_speech_ms=500,
        stop_words=("be quiet",),
    )
    assert scene.only("Resumed", "Interrupted", "Confirmed") == [
        "140 Resumed 1 quiet",
        "140 Interrupted 1 'One'",
        "140 Confirmed 2",
    ]


def test_a_stop_word_that_the_assistant_says_is_echo() -> None:
    stt = FakeStreamingTranscriber("hi", "two")
    scene = Scene(
        HI + pad(50) + "~~___" + pad(300) + "|", stt=stt, min_speech_ms=500, stop_words=("two",)
    )
    assert scene.only("Confirmed", "Dropped") == ["140 Dropped 2 echo"]


# The pause is bounded


def test_the_pause_is_bounded_and_the_candidate_may_be_confirmed_later() -> None:
    stt = FakeStreamingTranscriber("hi", "x x x x x x x x please stop")
    scene = Scene(
        HI + pad(50) + "~~~~~~~~~~~~~~___" + pad(300) + "|",
        stt=stt,
        min_speech_ms=20,
        min_chars=10,
        resume_after_ms=30,
    )
    assert scene.only("Paused", "Resumed", "Interrupted") == [
        "100 Paused 1",
        "130 Resumed 1 too_long",
        "180 Interrupted 1 'One two.'",
    ]
    assert scene.heard.startswith("One two.Thr")


def test_while_thinking_long_speech_is_confirmed_when_the_pause_ends() -> None:
    """Its words are not known before its end; the reply must not be spoken over the user."""
    scene = Scene(
        HI + "~" * 30 + "___" + pad(300) + "|",
        "hi",
        "stop",
        llm=Talk("One.", every_ms=100),
        min_speech_ms=50,
        resume_after_ms=200,
    )
    assert scene.only("Paused", "Resumed", "Interrupted", "Confirmed") == [
        "50 Paused 1",
        "370 Interrupted 1 ''",
        "370 Confirmed 2",
    ]
    assert scene.heard == "One."


def test_a_resumed_reply_finishes() -> None:
    scene = Scene(HI + pad(80) + "~~~___" + pad(400) + "|", min_speech_ms=80, resume_after_ms=20)
    assert scene.without(*TOLD)[2:] == [
        "130 Candidate 2",
        "130 Paused 1",
        "180 Dropped 2 short",
        "180 Resumed 1 short",
        "280 FinishedTurn 'hi' 'One two. Three four.'",
        "280 Finished 1 'One two. Three four.'",
        "590 completed",
    ]
    assert scene.heard == "One two.Three four."


def test_nothing_is_resumed_after_disposal() -> None:
    later: list[str] = []
    scene = Scene(
        HI + pad(50) + "~~~~",
        min_speech_ms=500,
        resume_after_ms=100,
        dispose_at=120,
        at=[(900, lambda it: later.append(it.heard))],
    )
    assert scene.lines[-1] == "100 Paused 1"
    assert later == ["One tw"]
    assert not scene.speaker.paused, "and the sink can be used"


def test_nothing_is_resumed_after_an_error() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    legend = {"A": window("~~|"), "B": window("~~~~~", id=2), "#": OSError("gone")}
    said = m.cold("A-----B--#", legend).pipe(answered(speaker, min_speech_ms=500))
    recorded = m.record(said)
    assert (recorded[-1].ms, str(recorded[-1].value)) == (90, "gone")
    assert type(recorded[-2].value) is rxv.events.Paused
    assert decode(speaker.heard) == "One "
    assert not speaker.paused, "and the sink can be used"


def test_disposal_during_a_reply_ends_it_and_tells_what_was_heard() -> None:
    llm = Talk(["One two.\n", "Three four."], every_ms=50)
    later: list[str] = []
    scene = Scene(
        HI + pad(400) + "|",
        llm=llm,
        dispose_at=130,
        at=[(900, lambda it: later.append(it.heard))],
    )
    assert scene.lines[-1] == "91 Speaking 1"
    assert llm.open == 0
    assert later == ["One "], "nothing is heard after it"
    assert llm.told == ["One"]
    assert llm.history == [("user", "hi"), ("assistant", "One")]


def test_disposal_after_a_reply_tells_nothing() -> None:
    scene = Scene(HI + pad(400) + "|", dispose_at=300)
    assert scene.llm.told == []
    assert scene.speaker.clears == 0


# The windows around a reply


@pytest.mark.parametrize(("gap", "opens"), [(440, "Candidate"), (450, "TurnOpened")])
def test_for_a_while_after_a_reply_a_turn_must_be_confirmed(gap: int, opens: str) -> None:
    llm = Talk("One.")  # heard from 40 to 80 ms
    scene = Scene(
        HI + pad(30 + gap) + "~~___" + pad(100) + "|", "hi", "", llm=llm, min_speech_ms=50
    )
    assert scene.only("TurnOpened", "Candidate")[1] == f"{80 + gap} {opens} 2"
    assert scene.only("Paused") == []
    assert scene.only("Dropped") == [f"{80 + gap + 40} Dropped 2 no_words"]


def test_a_candidate_in_that_while_is_answered_once_confirmed() -> None:
    llm = Talk("One.")
    scene = Scene(
        HI + pad(100) + "~~~~___" + pad(300) + "|", "hi", "and you", llm=llm, min_speech_ms=30
    )
    assert scene.only("Candidate", "Confirmed", "Interrupted", "Finished") == [
        "80 Finished 1 'One.'",
        "150 Candidate 2",
        "210 Confirmed 2",
        "250 Finished 2 'One.'",
    ]


def test_while_playback_warms_up_no_speech_counts() -> None:
    talk = "~" * 12 + "___" + pad(400) + "|"
    early = Scene(HI + talk, "hi", "stop", min_speech_ms=30, warm_up_ms=60, resume_after_ms=LATE)
    # Speaking at 41: until 101 nothing counts; 110, 120, 130 do.
    assert early.only("Candidate", "Paused", "Confirmed") == [
        "50 Candidate 2",
        "110 Paused 1",
        "190 Confirmed 2",
    ]
