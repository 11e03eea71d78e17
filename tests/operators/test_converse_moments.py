"""Moments of a conversation that are decided by what comes first."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from converse_kit import HI, pad
from interruption_kit import RATE, VOICE, Scene, Talk, Voice, clock
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ModelThreadStuck
from rxvoice.operators.kernel import Handlers, Subscription, stateful
from rxvoice.stage_error import StageError
from rxvoice.testing import (
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeTranscriber,
    Marbles,
)
from rxvoice.turn import TurnWriter


class Silent(FakeSpeaker):
    """It does not tell how far it has come, but can be asked."""

    @property
    def played(self) -> Any:
        return rx.never()


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
    llm = Talk("One.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        told: dict[str, Any] = {
            "P": rxv.Transcript(it, "what", final=False),
            "X": rxv.events.TurnFailed(it, StageError("listen", it, OSError("no"))),
            "F": rxv.Transcript(it, "what"),
        }
        return m.cold("-P" + "-" * 22 + ("(X|)" if it.id == 1 else "(F|)"), told)

    mic = "~~" + pad(400) + "~~" + pad(600) + "|"
    told = Scene(mic, llm=llm, hears=hears, silence_ms=300, preempt_after_ms=50).recorded
    names = [(it.ms, type(it.value).__name__) for it in told]
    wanted = {"TurnFailed", "ReplyStarted", "Finished", "Dropped"}
    assert [it for it in names if it[1] in wanted] == [
        (240, "TurnFailed"),
        (660, "ReplyStarted"),
        (700, "Finished"),
    ]
    assert llm.asked == ["what", "what"]
    assert llm.history == [("user", "what"), ("assistant", "One.")]


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


@pytest.mark.parametrize(("warm_up_ms", "paused"), [(19, 60), (19.01, 70)])
def test_a_reply_warms_up_for_so_long_and_no_longer(warm_up_ms: float, paused: int) -> None:
    """The reply is heard from 41 ms on, and the user speaks from 50 ms on."""
    scene = Scene(HI + "~" * 6 + pad(300) + "|", *("hi", "stop"), warm_up_ms=warm_up_ms)
    assert scene.only("Candidate", "Paused") == ["50 Candidate 2", f"{paused} Paused 1"]


@pytest.mark.parametrize(("echo_tail_ms", "opened"), [(50, "TurnOpened"), (50.02, "Candidate")])
def test_the_echo_of_a_reply_lasts_for_so_long_and_no_longer(
    echo_tail_ms: float, opened: str
) -> None:
    """The reply ends at 230 ms, and the next turn opens at 280."""
    scene = Scene(
        HI + pad(230) + "~" * 6 + pad(300) + "|", *("hi", "you"), echo_tail_ms=echo_tail_ms
    )
    assert scene.only("TurnOpened", "Candidate")[1:2] == [f"280 {opened} 2"]


def test_words_that_wait_for_more_words_are_not_answered_early() -> None:
    """The first turn is over at 110 ms, and the button is pressed before its words are known."""
    llm = Talk("One.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        text = ("", "one", "two")[it.id]
        told = {"P": rxv.Transcript(it, text, final=False), "F": rxv.Transcript(it, text)}
        return m.cold("-P" + "-" * 16 + "(F|)", told)

    Scene(
        "~~" + pad(130) + "~~" + pad(600) + "|",
        llm=llm,
        hears=hears,
        silence_ms=100,
        preempt_after_ms=50,
        interrupts=lambda m: m.cold("-" * 13 + "N", {"N": None}),
    )
    assert llm.asked == ["one", "one two"]


def test_a_chunk_is_judged_by_what_is_heard_as_it_comes() -> None:
    """The loudspeaker does not tell how far it has come. The reply is written at 100 ms.

    The candidate's last chunk of speech comes at 110 ms. By then the reply is heard, so that this
    is a noise over a voice.
    """

    scene = Scene(
        HI + pad(20) + "~~~~~" + pad(300) + "|",
        *("hi", "stop"),
        llm=Talk("One two.", "Two."),
        tts=Voice(pieces=1, every_ms=60),
        sink=lambda m: Silent(m.scheduler, sample_rate=RATE),
        min_speech_ms=100,
        duck=0.3,
    )
    assert scene.only("Candidate", "Confirmed", "Dropped") == [
        "70 Candidate 2",
        "140 Dropped 2 short",
    ]


def test_the_log_says_how_many_chunks_had_come_as_the_turn_ended() -> None:
    scene = Scene(pad(20) + HI + pad(300) + "|")
    (log,) = [it for it in scene.told if isinstance(it, rxv.FinishedTurn)]
    assert log.chunks_consumed == scene.turns[0].chunks_consumed == 7


def test_a_reply_that_is_only_written_is_told_once() -> None:
    """No stage is a voice: each says that it makes text. The model is told what was changed."""
    m = clock()
    llm = Talk("One two.")
    told = m.record(
        m.cold(HI + pad(100) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.map_sentences(str.upper),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
            ),
        )
    )
    deltas = [it.value.text for it in told if isinstance(it.value, rxv.events.ReplyDelta)]
    assert deltas == ["ONE TWO."]
    assert llm.history == [("user", "hi"), ("assistant", "ONE TWO.")]


def test_the_log_says_whether_the_user_spoke_over_the_assistant() -> None:
    told: list[Any] = []
    sink = FakeSink()
    rx.of(*(rxv.Turn.of([0.0], id=at, barge_in=at == 1) for at in (1, 2))).pipe(
        vox.converse(
            vox.transcribe(lambda audio: "hi"),
            vox.respond(lambda text: "Yes."),
            vox.synthesize(VOICE),
            sink=sink,
        )
    ).subscribe(told.append)
    logs = [it for it in told if isinstance(it, rxv.FinishedTurn)]
    assert [it.barge_in_observed for it in logs] == [True, False]
    assert sink.flushes == 1, "as the source completes"


def test_a_question_that_is_known_later_goes_in_front_of_the_one_behind_it() -> None:
    """Both interrupt. The first words of 2 come at 200 ms, while 3 is speaking since 170."""
    llm = Talk("One two. Three four.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        text = ("", "hi", "stop", "wait")[it.id]
        told = {"P": rxv.Transcript(it, text, final=False), "F": rxv.Transcript(it, text)}
        first, last = ((0, 0), (1, 5), (12, 22), (1, 15))[it.id]
        return m.cold("-" * first + "P" + "-" * (last - first - 1) + "(F|)", told)

    mic = HI + pad(30) + "~~~~" + pad(50) + "~" * 8 + pad(600) + "|"
    told = Scene(mic, llm=llm, hears=hears, min_speech_ms=0).recorded
    assert llm.asked == ["hi", "stop wait"]
    names = ("Confirmed", "Interrupted", "TurnOpened", "Transcribed")
    came = [(it.ms, type(it.value).__name__, getattr(it.value, "turn", None)) for it in told]
    assert [(ms, name, turn.id) for ms, name, turn in came if turn and name in names] == [
        (0, "TurnOpened", 1),
        (50, "Transcribed", 1),
        (180, "Interrupted", 1),
        (180, "Confirmed", 3),
        (180, "TurnOpened", 3),
        (200, "Confirmed", 2),
        (200, "TurnOpened", 2),
        (200, "Interrupted", 2),
        (320, "Transcribed", 3),
    ]


def test_a_reply_begun_early_that_says_nothing_is_over_as_soon_as_the_turn_is() -> None:
    scene = Scene(
        "~~~~" + pad(400) + "|",
        stt=FakeStreamingTranscriber("what is it", ""),
        llm=Talk(""),
        silence_ms=200,
        preempt_after_ms=30,
    )
    ended = [it.ms for it in scene.recorded if isinstance(it.value, rxv.events.TurnEnded)]
    assert scene.only("Finished") == [f"{ended[0]} Finished 1 ''"]


@pytest.mark.parametrize(("press", "told"), [(145, [""]), (845, ["One"])])
def test_how_much_of_a_sentence_was_heard_is_guessed_by_the_pace_of_the_reply_before(
    press: int, told: list[str]
) -> None:
    """Of each reply the first of four pieces is there. No pace is known at first."""
    scene = Scene(
        HI + pad(650) + HI + pad(400) + "|",
        *("hi", "again"),
        llm=Talk("One two three four."),
        tts=Voice(pieces=4, every_ms=60),
        at=[(press, lambda it: button.on_next(None))],
        interrupts=(button := Subject[None]()),
    )
    assert scene.llm.told == told


def test_all_candidates_are_dropped_as_the_source_completes() -> None:
    source: Subject[Any] = Subject()
    told: list[Any] = []
    source.pipe(
        vox.converse(
            vox.transcribe(lambda audio: "hi"),
            vox.respond(lambda text: rx.never()),
            vox.synthesize(VOICE),
            sink=FakeSink(),
        )
    ).subscribe(told.append)
    source.on_next(rxv.Turn.of([0.0] * 10, sample_rate=RATE))
    for number in (2, 3):
        source.on_next(TurnWriter(number, 0, RATE).turn)
    source.on_completed()
    dropped = [(it.turn.id, it.reason) for it in told if isinstance(it, rxv.events.Dropped)]
    assert dropped == [(2, "closed"), (3, "closed")]


def test_words_that_a_discarded_turn_was_to_carry_go_to_the_next_one() -> None:
    """The button is pressed before the words of 1 are known, and 2 is discarded."""
    llm = Talk("One.")

    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        return m.cold("-" * 10 + "(F|)", {"F": rxv.Transcript(it, ("", "a", "b", "c")[it.id])})

    Scene(
        HI + pad(30) + "~~~~" + pad(60) + "~~" + pad(600) + "|",
        llm=llm,
        hears=hears,
        discard_at=[120],
        interrupts=lambda m: m.cold("-" * 6 + "N", {"N": None}),
    )
    assert llm.asked == ["a c"]


def test_a_stage_behind_the_voice_tells_of_a_stuck_thread_once() -> None:
    stuck = rxv.events.Notice("stuck", detail=ModelThreadStuck("stuck", 1.0))
    other = rxv.events.Notice("other")

    def start(out: Subscription[Any]) -> Handlers[Any]:
        def step(speech: rxv.Speech) -> None:
            for notice in (stuck, other):
                out.emit(notice)
            out.emit(speech)

        return step, None, None

    m = clock()
    told = m.record(
        m.cold(HI + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(Talk("One.")),
                vox.synthesize(VOICE),
                stateful(start),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
            ),
        )
    )
    notices = [it.value.message for it in told if isinstance(it.value, rxv.events.Notice)]
    assert notices == ["stuck", "other", "other"]


def test_a_turn_that_opens_just_after_the_reply_is_no_candidate() -> None:
    """The reply ends at 235 ms, and nothing happens until the turn opens at 240."""
    scene = Scene(
        HI + pad(190) + "~~~" + pad(300) + "|",
        stt=FakeTranscriber("hi", "you", after_ms=5),
        sink=lambda m: Silent(m.scheduler, sample_rate=RATE),
        echo_tail_ms=0,
    )
    assert scene.only("TurnOpened", "Candidate", "Finished")[:3] == [
        "0 TurnOpened 1",
        "240 Finished 1 'One two. Three four.'",
        "240 TurnOpened 2",
    ]


def test_a_turn_that_opens_just_after_the_reply_comes_after_the_one_that_waits() -> None:
    """As above, and another turn waits since 130 ms."""
    scene = Scene(
        HI + pad(30) + "~~___" + pad(110) + "~~~" + pad(900) + "|",
        stt=FakeTranscriber("hi", "first", "second", after_ms=5),
        sink=lambda m: Silent(m.scheduler, sample_rate=RATE),
        interruptions=False,
        echo_tail_ms=0,
    )
    assert scene.llm.asked == ["hi", "first", "second"]


def test_a_long_time_is_measured_as_exactly_as_a_short_one() -> None:
    scene = Scene(HI + pad(5_400) + "|", idle_ms=5_000)
    assert scene.only("Finished", "Idle") == [
        "230 Finished 1 'One two. Three four.'",
        "5230 Idle 5000",
    ]


def test_before_the_first_reply_nobody_is_idle() -> None:
    assert Scene(pad(300) + "|", idle_ms=50).lines == ["300 completed"]
