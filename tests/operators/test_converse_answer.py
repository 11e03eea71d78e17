"""A conversation with one model that hears and speaks.

The user says something from 0 to 20 ms, and the turn is over at 40 ms.
"""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from interruption_kit import RATE, VOICE, clock, decode
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import Reply, Sentence, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.testing import FakeSpeaker, window

HI = "~~___"


def answering(text: str, understood: str = "hello", after: Any = None) -> Any:
    """A stage from `Turn` to `Speech`, as `answer` makes one."""

    def spoken(turn: Any) -> Any:
        if not isinstance(turn, rxv.Turn):
            return rx.just(turn)
        reply = Reply(Transcript(turn, understood), text, text, final=True)
        sentence = Sentence(text)
        sentence.pieces, sentence.is_over = 1, True
        said = Speech(reply, VOICE.sound(text), RATE, text, sentence=sentence)
        last = Speech(reply, VOICE.sound(""), RATE, final=True)
        over = turn.pipe(ops.ignore_elements())
        return rx.concat(over, rx.of(said, last), after or rx.empty())

    def operator(turns: Any) -> Any:
        return turns.pipe(ops.flat_map(spoken))

    operator.speaks = True  # type: ignore[attr-defined]
    return operator


def talk(mic: str, after: Any = None, **options: Any) -> tuple[list[str], Any]:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    conversation: Any = vox.converse(answering("One two.", after=after), sink=speaker, **options)
    told = m.record(m.cold(mic).pipe(vox.turn_window(rxv.silence(30)), conversation))
    names = [f"{it.ms} {type(it.value).__name__}" for it in told if it.kind == "next"]
    logs = [it.value for it in told if isinstance(it.value, rxv.FinishedTurn)]
    return names, (decode(speaker.heard), logs, told[-1].kind)


def test_it_answers_and_logs_what_the_model_understood() -> None:
    names, (heard, logs, end) = talk(HI + "_" * 20 + "|")
    assert names == [
        "0 TurnOpened",
        "40 TurnEnded",
        "40 Speech",
        "41 Speaking",
        "120 Speech",
        "120 FinishedTurn",
        "120 Finished",
    ]
    assert (heard, end) == ("One two.", "completed")
    assert [(it.user_text, it.assistant_text) for it in logs] == [("hello", "One two.")]


def test_speech_interrupts_it_and_a_cough_does_not() -> None:
    names, (heard, logs, _) = talk(HI + "_" + "~" * 20 + "___" + "_" * 20 + "|")
    assert "230 Interrupted" in names
    assert heard == "OnOne two."
    assert [(it.assistant_text, it.interrupted) for it in logs] == [("", True), ("One two.", False)]
    names, (heard, logs, _) = talk(HI + "_" + "~" * 5 + "___" + "_" * 20 + "|")
    assert "Interrupted" not in " ".join(names)
    assert heard == "One two."


def test_a_text_cannot_be_typed() -> None:
    names, (heard, _, _) = talk(HI + "_" * 20 + "|", interrupts=rx.of("hello?"))
    assert [it for it in names if it.endswith("Notice")] == ["0 Notice"]
    assert heard == "One two."


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="says wants a voice of its own"):
        vox.converse(answering("x"), sink=rxv.sinks.null(), says=rx.of("hi"))
    with pytest.raises(ConfigError, match="one or more stages that answer"):
        vox.converse(vox.transcribe(len), sink=rxv.sinks.null())  # type: ignore[arg-type]


def test_the_button_interrupts_it() -> None:
    button = rx.timer(0.06).pipe(ops.map(lambda _: None))
    names, (heard, logs, _) = talk(HI + "_" * 20 + "|", interrupts=button)
    assert [it for it in names if it.endswith(("Notice", "Interrupted"))] == ["60 Interrupted"]
    assert heard == "On"
    assert [(it.assistant_text, it.interrupted) for it in logs] == [("", True)]


def test_a_reply_is_over_with_its_final_speech_though_its_stage_goes_on() -> None:
    names, (heard, _, end) = talk(HI + "_" * 20 + "|", after=rx.never())
    assert names[-2:] == ["120 FinishedTurn", "120 Finished"]
    assert (heard, end) == ("One two.", "completed")


def test_a_short_turn_just_after_the_reply_is_answered() -> None:
    names, (heard, _, _) = talk(HI + "_" * 10 + "~~~" + "_" * 30 + "|")
    assert [it for it in names if it.endswith(("Candidate", "Confirmed"))] == [
        "150 Candidate",
        "200 Confirmed",
    ]
    assert heard == "One two.One two."


def test_the_stages_of_a_reply_are_left_as_it_is_over() -> None:
    log: list[str] = []

    def after(_: Any) -> Any:
        log.append("begun")
        return rx.never().pipe(ops.finally_action(lambda: log.append("left")))

    talk((HI + "_" * 60) * 2 + "|", after=rx.defer(after))
    assert log == ["begun", "left"] * 2


def test_a_turn_that_fails_by_itself_is_told_and_the_next_one_is_answered() -> None:
    """There is no stage that listens, which would tell it."""
    asked: list[int] = []

    def policy(audio: Any, silence_ms: int) -> bool:
        asked.append(silence_ms)
        if len(asked) == 3:
            raise OSError("no policy")
        return silence_ms >= 30

    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    conversation: Any = vox.converse(answering("One two."), sink=speaker)
    mic = m.cold(HI + HI + "_" * 20 + "|").pipe(vox.turn_window(policy), conversation)
    told = [it.value for it in m.record(mic) if it.kind == "next"]
    names = [type(it).__name__ for it in told if not isinstance(it, Speech)]
    opened = ["TurnOpened", "TurnFailed", "TurnOpened", "TurnEnded"]
    assert names == [*opened, "Speaking", "FinishedTurn", "Finished"]
    (error,) = (it.error for it in told if isinstance(it, rxv.events.TurnFailed))
    assert str(error) == "turn_window (turn 1) failed: OSError: no policy"


def test_a_source_of_turns_of_the_apps_own_may_fail_one_with_any_error() -> None:
    m = clock()
    conversation: Any = vox.converse(
        answering("One two."), sink=FakeSpeaker(m.scheduler, sample_rate=RATE)
    )
    failed = window("~~#", {"#": OSError("x")})
    told = [it.value for it in m.record(m.cold("A---|", {"A": failed}).pipe(conversation))]
    (error,) = (it.error for it in told if isinstance(it, rxv.events.TurnFailed))
    assert str(error) == "turn_window (turn 1) failed: OSError: x"
