"""Moments of a conversation that are decided by what comes first."""

from __future__ import annotations

from typing import Any

import reactivex as rx
from converse_kit import HI, pad
from interruption_kit import RATE, VOICE, Scene, Talk, Voice, clock
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSpeaker, FakeTranscriber


def test_a_reply_whose_last_sample_is_heard_as_the_button_is_pressed_was_heard_whole() -> None:
    """The floor looks, then the sample is heard, then the reply is asked whether it was heard."""

    class Late(FakeSpeaker):
        looks: int | None = None

        @property
        def position(self) -> int:
            if self.looks is not None:
                self.looks += 1
            # A look asks whether there is a position, and then for it.
            return min(super().position, 190 if (self.looks or 0) > 2 else 189)

    def press(scene: Scene) -> None:
        scene.speaker.looks = 0
        button.on_next(None)

    button: Subject[None] = Subject()
    scene = Scene(
        HI + pad(500) + "|",
        sink=lambda m: Late(m.scheduler, sample_rate=RATE),
        interrupts=button,
        at=[(250, press)],
    )
    assert scene.only("Finished", "Interrupted") == ["250 Finished 1 'One two. Three four.'"]
    assert scene.llm.told == []


def test_nothing_is_made_of_a_reply_that_is_cut_while_the_sink_is_cleared() -> None:
    """Its model goes on at that moment, as one on another thread may."""
    answer: Subject[str] = Subject()
    asked: list[str] = []

    class Clearing(FakeSpeaker):
        def clear(self) -> rxv.Samples:
            answer.on_next("Three four. Five. ")
            return super().clear()

    def speak(text: str) -> Any:
        asked.append(text)
        return VOICE.synthesize_stream(text)

    m = clock()
    m.scheduler.schedule_absolute(0.06, lambda *_: answer.on_next("One two. Two. "))
    told = m.record(
        m.cold(HI + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(lambda _: answer),
                vox.synthesize(speak, sample_rate=RATE),
                sink=Clearing(m.scheduler, sample_rate=RATE),
                interrupts=m.cold("-" * 12 + "N", {"N": None}),
            ),
        )
    )
    assert asked == ["One two."]
    cut = [it for it in told if isinstance(it.value, rxv.events.Interrupted)]
    assert [(it.ms, it.value.heard) for it in cut] == [(120, "One")]


def test_idle_is_told_when_nobody_has_spoken_for_so_long() -> None:
    """Not while a second reply is heard, nor while somebody is a candidate."""
    scene = Scene(
        HI + pad(250) + HI + pad(600) + "|",
        *("hi", "again"),
        idle_ms=100,
        echo_tail_ms=0,
    )
    assert scene.only("Finished", "Idle") == [
        "230 Finished 1 'One two. Three four.'",
        "530 Finished 2 'One two. Three four.'",
        "630 Idle 100",
    ]


def test_a_candidate_that_outlasts_the_reply_is_not_idle() -> None:
    """Its words are known 20 ms after the end of the reply."""
    scene = Scene(
        HI + pad(140) + "~" * 4 + pad(600) + "|",
        stt=FakeTranscriber("hi", "yes", after_ms=200),
        idle_ms=10,
        min_speech_ms=20,
        duck=0.3,
    )
    assert scene.only("Candidate", "Finished", "Idle", "Confirmed") == [
        "190 Candidate 2",
        "430 Finished 1 'One two. Three four.'",
        "450 Confirmed 2",
        "640 Finished 2 'One two. Three four.'",
        "650 Idle 10",
    ]


def test_a_question_that_is_withdrawn_ends_its_reply() -> None:
    """The model's thread is busy. Of the reply that was begun nothing comes, not even its end."""

    class Ending(FakeSpeaker):
        ends = 0

        def end_reply(self) -> None:
            self.ends += 1

    scene = Scene(
        HI + pad(60) + "~" * 6 + pad(600) + "|",
        *("hi", "and you"),
        sink=lambda m: Ending(m.scheduler, sample_rate=RATE),
        busy_ms=300,
        llm=Talk("One two. Three four."),
    )
    assert scene.llm.asked == ["hi and you"]
    assert scene.speaker.ends == 1


def test_a_turn_that_fails_after_its_reply_was_begun_early_is_not_answered() -> None:
    """Its recogniser fails at 250 ms; the reply, begun at 70, has not come out."""
    m = clock()
    llm = Talk("One.")

    def listen(turns: Observable[Any]) -> Observable[Any]:
        def written(it: rxv.Turn) -> Observable[Any]:
            told: dict[str, Any] = {
                "P": rxv.Transcript(it, "what", final=False),
                "X": rxv.events.TurnFailed(it, StageError("listen", it, OSError("no"))),
                "F": rxv.Transcript(it, "what"),
            }
            return m.cold("-P" + "-" * 22 + ("(X|)" if it.id == 1 else "(F|)"), told)

        return turns.pipe(rx.operators.flat_map(written))

    told = m.record(
        m.cold("~~" + pad(400) + "~~" + pad(600) + "|").pipe(
            vox.turn_window(rxv.silence(300)),
            vox.converse(
                listen,
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
                preempt_after_ms=50,
            ),
        )
    )
    names = [(it.ms, type(it.value).__name__) for it in told]
    wanted = {"TurnFailed", "ReplyStarted", "Finished", "Dropped"}
    assert [it for it in names if it[1] in wanted] == [
        (240, "TurnFailed"),
        (660, "ReplyStarted"),
        (700, "Finished"),
    ]
    assert llm.asked == ["what", "what"]


def test_each_word_is_told_as_it_was_heard_though_its_sound_is_late() -> None:
    """The voice gives a piece every 60 ms: of the next word nothing is there for a while."""
    scene = Scene(
        HI + pad(600) + "|",
        llm=Talk("One two three four."),
        tts=Voice(pieces=4, every_ms=60),
        word_events=True,
    )
    assert scene.only("Spoken", "Finished", "completed") == [
        "280 Spoken 1 'One two three'",
        "317 Spoken 1 'four'",
        "327 Spoken 1 '.'",
        "327 Finished 1 'One two three four.'",
        "650 completed",
    ]


def test_a_sink_that_stops_while_nobody_speaks_fails_the_next_reply() -> None:
    scene = Scene(
        HI + pad(250) + HI + pad(300) + "|",
        *("hi", "again"),
        at=[(250, lambda it: it.speaker.stop())],
    )
    assert scene.only("Finished", "Confirmed", "TurnFailed", "completed") == [
        "230 Finished 1 'One two. Three four.'",
        "340 Confirmed 2",
        "340 TurnFailed 2 converse",
        "650 completed",
    ]
