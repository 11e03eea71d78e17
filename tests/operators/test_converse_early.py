"""Replies that are begun before the turn is over, and idle users.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

from converse_kit import GOES_ON, HI, pad, what_now
from interruption_kit import Scene, Talk
from reactivex import Observable

import rxvoice as rxv
from rxvoice.testing import (
    FakeStreamingTranscriber,
    Marbles,
)

# Begun early


def test_a_reply_begun_early_comes_out_with_the_transcript() -> None:
    stt = FakeStreamingTranscriber("what is it", "")
    scene = Scene(
        "~~~~" + pad(400) + "|",
        stt=stt,
        silence_ms=100,
        preempt_after_ms=30,
        llm=Talk("One.", every_ms=50),
    )
    assert scene.lines[4:] == [
        "130 Transcribed 1 'what is it'",
        "130 ReplyStarted 1",
        "130 ReplyDelta 1 'One.'",
        "131 Speaking 1",
        "170 FinishedTurn 'what is it' 'One.'",
        "170 Finished 1 'One.'",
        "440 completed",
    ]
    assert scene.llm.asked == ["what is it"]


def test_a_reply_begun_early_is_forgotten_when_the_user_goes_on() -> None:
    stt = FakeStreamingTranscriber("a b c d e f g h")
    llm = Talk("One.", every_ms=10)
    # The words come with the chunks; the early reply is to those of the first pause.
    Scene(GOES_ON, llm=llm, hears=what_now, silence_ms=100, preempt_after_ms=50)
    assert llm.asked == ["what", "what now"]
    assert llm.history == [("user", "what now"), ("assistant", "One.")]
    assert llm.open == 0
    assert stt.sessions == []


def test_a_reply_is_begun_early_so_many_times_at_most() -> None:
    llm = Talk("One.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        told: dict[str, Any] = {c: rxv.Transcript(it, f"word {c}", final=False) for c in "PQRS"}
        return m.cold("-P---Q---R---S---(F|)", told | {"F": rxv.Transcript(it, "word F")})

    mic = "~_______________________|"
    Scene(mic, llm=llm, hears=hears, silence_ms=300, preempt_after_ms=20, preempt_tries=2)
    assert llm.asked == ["word P", "word Q", "word F"]
    assert llm.history == [("user", "word F"), ("assistant", "One.")]


# Idle


def test_idle_is_told_once_nobody_has_spoken_for_so_long() -> None:
    scene = Scene(HI + pad(800) + "|", idle_ms=200)
    assert scene.only("Finished", "Idle") == [
        "230 Finished 1 'One two. Three four.'",
        "430 Idle 200",
    ]


def test_speech_puts_it_off() -> None:
    scene = Scene(HI + pad(280) + "~~___" + pad(800) + "|", "hi", "", idle_ms=200)
    assert scene.only("Candidate", "Dropped", "Idle") == [
        "330 Candidate 2",
        "370 Dropped 2 no_words",
        "570 Idle 200",
    ]


def test_it_is_not_told_before_anything_was_heard_nor_while_thinking() -> None:
    llm = Talk("One.", every_ms=500)
    scene = Scene(pad(500) + HI + pad(1000) + "|", idle_ms=200, llm=llm)
    assert scene.only("Idle", "Finished") == ["1080 Finished 1 'One.'", "1280 Idle 200"]


def test_nor_after_a_turn_without_words() -> None:
    scene = Scene(HI + pad(600) + "|", "", idle_ms=200)
    assert scene.only("Dropped", "Idle") == ["40 Dropped 1 no_words"]


def test_a_reply_begun_early_to_other_words_is_forgotten() -> None:
    llm = Talk("One.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        first, last = rxv.Transcript(it, "what", final=False), rxv.Transcript(it, "what now")
        return m.cold("-P" + "-" * 22 + "(F|)", {"P": first, "F": last})

    mic = "~~" + pad(400) + "|"
    Scene(mic, llm=llm, hears=hears, silence_ms=200, preempt_after_ms=50)
    assert llm.asked == ["what", "what now"]
    assert llm.history == [("user", "what now"), ("assistant", "One.")]
