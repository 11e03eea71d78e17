"""`converse`: turns and replies that nobody interrupts, and its contract.

The user says something from 0 to 20 ms, and the turn is over at 40 ms. The reply takes no time to
make: "One two." is heard from 40 to 120 ms, "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from converse_kit import HI, pad
from interruption_kit import RATE, VOICE, Scene, Talk, clock
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.operators._conversation.settings import ConverseOptions, option_parameters
from rxvoice.testing import (
    FakeResponder,
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeTranscriber,
    check_operator,
    failing,
    turn,
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
        ({"min_words": -1}, "min_words must be at least 0 words, got -1"),
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
