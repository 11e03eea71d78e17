"""Every way to interrupt a reply, in virtual time, to the millisecond.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from interruption_kit import RATE, VOICE, Scene, Talk, Voice, clock, decode
from interruption_story import Story, tell
from reactivex import Observable
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.operators._conversation.settings import ConverseOptions, option_parameters
from rxvoice.stage_error import StageError
from rxvoice.testing import (
    FakeResponder,
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeTranscriber,
    check_operator,
    failing,
    turn,
    window,
)

HI = "~~___"  # 0 to 50 ms; over at 40 ms
LATE = 9_000  # ms, for a pause that is not to end in the test
TOLD = ("Partial", "ReplyDelta", "Transcribed", "ReplyStarted")


def pad(ms: int) -> str:
    return "_" * (ms // 10)


def answered(sink: Any, llm: Any = None, **options: Any) -> Any:
    """The operator; "One two. Three four." is its reply to everything."""
    return vox.converse(
        vox.transcribe(FakeTranscriber("hi")),
        vox.respond(llm or Talk("One two. Three four.")),
        vox.synthesize(VOICE),
        sink=sink,
        **options,
    )


# Nobody interrupts


def test_a_reply_is_heard_to_its_end() -> None:
    scene = Scene(HI + pad(250) + "|")
    assert scene.lines == [
        "0 TurnOpened 1",
        "40 Transcribed 1 'hi'",
        "40 ReplyStarted 1",
        "40 ReplyDelta 1 'One two. Three four.'",
        "41 Speaking 1",
        "230 FinishedTurn 'hi' 'One two. Three four.'",
        "230 Finished 1 'One two. Three four.'",
        "300 completed",
    ]
    assert scene.heard == "One two.Three four."
    assert scene.llm.told == []


def test_two_turns_one_after_the_other() -> None:
    # The second opens 460 ms after the end of playback: the room is quiet again.
    scene = Scene(HI + pad(640) + "~~___|", "hi", "and you", llm=Talk("Yes.", "No."))
    assert scene.only("TurnOpened", "Candidate") == ["0 TurnOpened 1", "690 TurnOpened 2"]
    assert scene.lines[-2:] == ["760 Finished 2 'No.'", "760 completed"]


def test_an_empty_reply_is_heard_at_once() -> None:
    scene = Scene(HI + "_|", llm=Talk("..."))
    assert scene.lines[-3:] == ["40 FinishedTurn 'hi' '...'", "40 Finished 1 '...'", "60 completed"]


def test_speech_without_a_transcript_gets_no_reply() -> None:
    scene = Scene(HI + "_|", " ?! ")
    assert scene.lines == [
        "0 TurnOpened 1",
        "40 Transcribed 1 '?!'",
        "40 Dropped 1 no_words",
        "60 completed",
    ]
    assert scene.llm.asked == []


def test_the_source_ends_with_a_transcript_in_flight() -> None:
    """It is committed, answered and heard before the end."""
    stt = FakeTranscriber("hi", after_ms=100)
    scene = Scene("~~|", stt=stt)
    assert scene.lines == [
        "0 TurnOpened 1",
        "120 Transcribed 1 'hi'",
        "120 ReplyStarted 1",
        "120 ReplyDelta 1 'One two. Three four.'",
        "121 Speaking 1",
        "310 FinishedTurn 'hi' 'One two. Three four.'",
        "310 Finished 1 'One two. Three four.'",
        "310 completed",
    ]


def test_a_turn_that_runs_too_long_is_answered_once() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("Yes.")
    said = m.cold("~~~~~~~~~~~~~~____|").pipe(
        vox.turn_window(rxv.silence(30), max_duration_ms=80),
        vox.converse(
            vox.transcribe(FakeTranscriber("one", "two", after_ms=100)),
            vox.respond(llm),
            vox.synthesize(VOICE),
            sink=speaker,
            min_speech_ms=50,
        ),
    )
    m.record(said)
    # What was said in one breath has one reply.
    assert llm.history == [("user", "one"), ("user", "two"), ("assistant", "Yes.")]


def test_the_user_goes_on_within_the_endpointing_silence() -> None:
    scene = Scene("~~__~~___" + pad(200) + "|", "hi there")
    assert scene.only("TurnOpened", "Candidate", "Transcribed") == [
        "0 TurnOpened 1",
        "80 Transcribed 1 'hi there'",
    ]
    assert len(scene.stt.given) == 1
    assert len(scene.stt.given[0]) == 90


# Interrupt while ...


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
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("Yes.")

    def listen(turns: Observable[Any]) -> Observable[Any]:
        def written(it: rxv.Turn) -> Observable[Any]:
            if it.id == 1:
                return m.cold(f"{pad(200).replace('_', '-')}(F|)", {"F": first(it)})
            return m.cold("---P----(F|)", {"P": part(it), "F": second(it)})

        return turns.pipe(rx.operators.flat_map(written))

    def first(it: rxv.Turn) -> rxv.Transcript:
        return rxv.Transcript(it, "what is")

    def part(it: rxv.Turn) -> rxv.Transcript:
        return rxv.Transcript(it, "the", final=False)

    def second(it: rxv.Turn) -> rxv.Transcript:
        return rxv.Transcript(it, "the time")

    said = m.cold(HI + "_~~~~___" + pad(400) + "|").pipe(
        vox.turn_window(rxv.silence(30)),
        vox.converse(
            listen, vox.respond(llm), vox.synthesize(VOICE), sink=speaker, min_speech_ms=30
        ),
    )
    lines = [f"{it.ms} {it.value!r}" for it in m.record(said)]
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


# Interruption off, and by the app


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


# Failures


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


# Sinks that can do less


class Bare:
    """A sink that plays nothing and says nothing: all it keeps was heard."""

    def __init__(self, unheard: int = 0) -> None:
        self.taken: list[float] = []
        self.unheard = unheard
        self.is_running = False

    def write_samples(self, samples: rxv.Samples, /) -> int:
        self.taken.extend(samples.tolist())
        return len(samples)

    def clear(self) -> rxv.Samples:
        n = len(self.taken)
        kept, self.taken = self.taken[n - self.unheard :], self.taken[: n - self.unheard]
        return np.array(kept, np.float32)

    def flush(self) -> None: ...
    def stop(self) -> None: ...


class Timed(Bare):
    """A sink with a position, a reply of which counts as heard when given."""

    position = 0


def test_a_sink_without_played_has_heard_what_it_was_given() -> None:
    m = clock()
    for sink in (Bare(), Timed(), FakeSink()):
        operator = vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(Talk("One.")),
            vox.synthesize(VOICE),
            sink=sink,
        )
        mic = m.cold(HI + "|").pipe(vox.turn_window(rxv.silence(30)), operator)
        names = [(it.ms, type(it.value).__name__) for it in m.record(mic)]
        assert names[5:] == [
            (40, "Speech"),
            (40, "Speaking"),
            (40, "Speech"),
            (40, "FinishedTurn"),
            (40, "Finished"),
            (50, "NoneType"),
        ]


def test_a_sink_without_position_has_heard_what_clear_does_not_return() -> None:
    m = clock()
    sink = Bare(unheard=60)
    llm = Talk(["One two.\n", "Three four."], every_ms=100)
    operator = vox.converse(
        vox.transcribe(FakeTranscriber("hi", "no")),
        vox.respond(llm),
        vox.synthesize(VOICE),
        sink=sink,
        min_speech_ms=20,
    )
    mic = m.cold(HI + pad(120) + "~~~~___|")
    m.record(mic.pipe(vox.turn_window(rxv.silence(30)), operator), dispose_at=200)
    assert llm.told == [""]  # 20 of the 80 samples: "On", no whole word


class Unpausable(FakeSpeaker):
    pause = None  # type: ignore[assignment]
    resume = None  # type: ignore[assignment]


def test_a_sink_without_pause_plays_on_while_a_candidate_is_judged() -> None:
    scene = Scene(
        HI + pad(50) + "~~~~~___" + pad(400) + "|",
        "hi",
        "stop",
        min_speech_ms=40,
        sink=lambda m: Unpausable(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Candidate", "Paused", "Interrupted") == [
        "100 Candidate 2",
        "100 Paused 1",
        "170 Interrupted 1 'One'",
    ]


def test_a_sink_without_pause_begins_to_play_while_a_candidate_is_judged() -> None:
    """It has spoken long enough: it is confirmed with the first sample that is heard."""
    scene = Scene(
        HI + "~" * 30 + "___" + pad(300) + "|",
        "hi",
        "stop",
        llm=Talk("One.", every_ms=100),
        min_speech_ms=50,
        sink=lambda m: Unpausable(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Speaking", "Interrupted", "Confirmed")[:3] == [
        "370 Interrupted 1 ''",
        "370 Confirmed 2",
        "471 Speaking 2",
    ]


def test_events_of_the_sink_travel_with_the_others() -> None:
    event = rxv.events.Underrun(1, 1, "")
    scene = Scene(HI + pad(200) + "|", at=[(100, lambda it: it.speaker.events.on_next(event))])
    assert (100, event) in [(it.ms, it.value) for it in scene.recorded]


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
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)

    def listen(turns: Observable[Any]) -> Observable[Any]:
        def written(it: rxv.Turn) -> Observable[Any]:
            told = {
                "P": rxv.Transcript(it, "what", final=False),
                "Q": rxv.Transcript(it, "what now", final=False),
                "F": rxv.Transcript(it, "what now"),
            }
            return m.cold("-P------------Q----------------(F|)", told)

        return turns.pipe(rx.operators.flat_map(written))

    operator = vox.converse(
        listen, vox.respond(llm), vox.synthesize(VOICE), sink=speaker, preempt_after_ms=50
    )
    mic = m.cold("~~_______~~~~____________________________|")
    m.record(mic.pipe(vox.turn_window(rxv.silence(100)), operator))
    assert llm.asked == ["what", "what now"]
    assert llm.history == [("user", "what now"), ("assistant", "One.")]
    assert llm.open == 0
    assert stt.sessions == []


def test_a_reply_is_begun_early_so_many_times_at_most() -> None:
    llm = Talk("One.")
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)

    def listen(turns: Observable[Any]) -> Observable[Any]:
        def written(it: rxv.Turn) -> Observable[Any]:
            told: dict[str, Any] = {c: rxv.Transcript(it, f"word {c}", final=False) for c in "PQRS"}
            return m.cold("-P---Q---R---S---(F|)", told | {"F": rxv.Transcript(it, "word F")})

        return turns.pipe(rx.operators.flat_map(written))

    operator = vox.converse(
        listen,
        vox.respond(llm),
        vox.synthesize(VOICE),
        sink=speaker,
        preempt_after_ms=20,
        preempt_tries=2,
    )
    mic = m.cold("~_______________________|")
    m.record(mic.pipe(vox.turn_window(rxv.silence(300)), operator))
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


# The contract


def operator(**models: Any) -> Any:
    return vox.converse(
        vox.transcribe(models.get("stt") or FakeTranscriber("hi")),
        vox.respond(models.get("llm") or FakeResponder("One two.")),
        vox.synthesize(VOICE),
        sink=models.get("sink") or FakeSink(),
    )


def test_it_does_what_every_operator_must() -> None:
    def broken(error: Exception) -> Any:
        return operator(stt=failing(FakeTranscriber("hi"), "transcribe_turn", error=error))

    check_operator(
        operator,
        elements=[turn("~~_", chunks_consumed=3), turn("~_", id=2, start=4096)],
        failing=broken,
        name="interruptible",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_speech_ms": -1}, "min_speech_ms must be at least 0 ms, got -1"),
        ({"min_words": 0.5}, "min_words must be a whole number of words, got 0.5"),
        ({"min_chars": -1}, "min_chars must be at least 0 characters, got -1"),
        ({"resume_after_ms": -1}, "resume_after_ms must be at least 0 ms, got -1"),
        ({"echo_tail_ms": -1}, "echo_tail_ms must be at least 0 ms, got -1"),
        ({"warm_up_ms": -1}, "warm_up_ms must be at least 0 ms, got -1"),
        ({"duck": 2}, r"duck must be from 0 to 1 \(gain\), got 2"),
        ({"duck": 0.5}, r"wanted a sink with duck\(\)"),
        ({"preempt_after_ms": -1}, "preempt_after_ms must be at least 0 ms, got -1"),
        ({"preempt_tries": 0}, "preempt_tries must be at least 1 tries, got 0"),
        ({"idle_ms": 0}, "idle_ms must be at least 1 ms, got 0"),
        ({"stop_words": "stop"}, "stop_words must be words or phrases"),
        ({"stop_words": ("?",)}, "stop_words must be words or phrases"),
        ({"echo": 3}, "wanted an object with is_echo"),
        ({"sink": object()}, r"wanted a sink with write_samples\(\)"),
        ({"hold_ms": -1}, "hold_ms must be at least 0 ms, got -1"),
        ({"backchannels": "mhm"}, "backchannels must be words or phrases"),
    ],
)
def test_a_bad_argument_raises_when_it_is_built(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"sink": FakeSink(), **options}
    with pytest.raises(ConfigError, match=message):
        vox.converse(vox.transcribe(FakeTranscriber("x")), vox.respond(FakeResponder("x")), **given)


def test_a_reply_begun_early_wants_a_model_that_can_forget() -> None:
    class Stubborn:
        def respond(self, text: str, /) -> str:
            return text

        def heard(self, text: str, /) -> None: ...

    with pytest.raises(ConfigError, match="can forget a question"):
        vox.converse(
            vox.transcribe(FakeTranscriber("x")),
            vox.respond(Stubborn()),
            sink=FakeSink(),
            preempt_after_ms=100,
        )


def test_an_unknown_option_is_refused_as_python_does() -> None:
    stages = vox.transcribe(FakeTranscriber("x")), vox.respond(FakeResponder("x"))
    bare: Any = vox.converse
    with pytest.raises(
        TypeError, match=r"converse\(\) got an unexpected keyword argument 'min_word'"
    ):
        bare(*stages, sink=FakeSink(), min_word=2)


def test_the_type_checker_sees_the_options_that_there_are() -> None:
    seen = {name: it.__forward_arg__ for name, it in ConverseOptions.__annotations__.items()}
    assert seen == {it.name: it.annotation for it in option_parameters()}


def test_it_wants_a_stage_that_answers() -> None:
    bare: Any = vox.converse
    with pytest.raises(ConfigError, match="one or more stages that answer"):
        bare(vox.transcribe(FakeTranscriber("x")), sink=FakeSink())


def test_it_gives_replies_where_there_is_no_voice() -> None:
    clock = TestScheduler()
    seen: list[Any] = []
    replies = rx.of(turn("~_")).pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(FakeResponder("Yes.")),
            sink=FakeSink(),
        )
    )
    replies.subscribe(seen.append, scheduler=clock)
    clock.start()
    assert [type(it).__name__ for it in seen] == [
        "TurnOpened",
        "TurnEnded",
        "Transcribed",
        "ReplyStarted",
        "ReplyDelta",
        "Reply",
        "Reply",
        "FinishedTurn",
        "Finished",
    ]
    assert seen[-1].text == "Yes."


def test_what_downstream_raises_does_not_make_it_deaf() -> None:
    clock = TestScheduler()
    source: rx.Subject[Any] = rx.Subject()
    seen: list[Any] = []

    def on_next(element: Any) -> None:
        seen.append(type(element).__name__)
        if len(seen) == 3:
            raise KeyError("mine")

    source.pipe(operator()).subscribe(on_next, scheduler=clock)
    with pytest.raises(KeyError, match="mine"):
        source.on_next(turn("~_"))
    source.on_next(turn("~_", id=2))
    assert seen[3:6] == [
        "ReplyStarted",
        "ReplyDelta",
        "Speech",
    ]
    assert "Finished" in seen


class Deaf(FakeStreamingTranscriber):
    """Its fourth step fails, while the user still speaks."""

    def session(self) -> Any:
        return failing(super().session(), "step", at=4)


def test_a_text_typed_after_the_recogniser_failed_is_asked() -> None:
    scene = Scene(
        "~~~~~~~~~~~~~~~~~~~~____|",
        stt=Deaf("one two three four five six"),
        llm=Talk("One two. Three four. Five six.", "No."),
        interrupts=lambda m: m.cold("-A----------B", {"A": "first", "B": "second"}),
    )
    assert scene.llm.asked == ["first", "second"], scene.lines


def test_the_reply_to_a_typed_text_waits_for_a_candidate_too() -> None:
    scene = Scene(
        HI + pad(50) + "~" * 40 + pad(400) + "|",
        "hi",
        "wait a moment",
        min_speech_ms=300,
        interrupts=lambda m: m.cold("-" * 15 + "T", {"T": "typed"}),
    )
    assert scene.only("Candidate", "Paused", "Confirmed")[:4] == [
        "100 Candidate 2",
        "100 Paused 1",
        "150 Paused -1",
        "520 Confirmed 2",
    ]


def test_a_model_in_the_place_of_an_operator() -> None:
    with pytest.raises(ConfigError, match=r"takes operators, such as vox.transcribe\(stt\), got"):
        vox.converse(vox.transcribe(len), FakeResponder("no"), sink=FakeSink())  # type: ignore[call-overload]
