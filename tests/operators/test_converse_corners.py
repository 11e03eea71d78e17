"""Corners of a conversation that no other test of `converse` turns into.

The clock is that of `test_converse_candidates`.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from converse_kit import GOES_ON, HI, pad, what_now
from interruption_kit import RATE, VOICE, Scene, Talk, clock
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ModelThreadStuck
from rxvoice.operators._conversation import ports as ways
from rxvoice.operators._conversation.ports import Alarm, Ports
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.operators.kernel import Handlers, Subscription, stateful, stateful_on_events
from rxvoice.testing import (
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeTranscriber,
    Marbles,
    failing,
)

LONG = "x" * 80 + "."


def test_the_end_of_a_pause_that_is_over_does_not_let_the_next_user_wait() -> None:
    """A cough pauses at 130, for 200 ms at most; it is over at 170. Echo opens 3 before 330."""
    echo = iter([False] * 2 + [True] * 3 + [False] * 100)
    scene = Scene(
        HI + pad(80) + "~~___" + pad(140) + "~" * 12 + pad(300) + "|",
        *("hi", "stop"),
        llm=Talk(LONG),
        min_speech_ms=50,
        hold_ms=200,
        echo=lambda _: next(echo),
    )
    assert scene.only("Candidate", "Paused", "Resumed") == [
        "130 Candidate 2",
        "130 Paused 1",
        "170 Resumed 1 short",
        "320 Candidate 3",
        "350 Paused 1",
    ]


def test_the_button_confirms_whoever_spoke_last() -> None:
    """At 350 the words of 2 are awaited, and 3 is speaking."""
    scene = Scene(
        HI + pad(50) + "~" * 8 + pad(120) + "~" * 8 + pad(600) + "|",
        stt=FakeTranscriber("hi", "first", "second", after_ms=250),
        llm=Talk(LONG),
        interrupts=lambda m: m.cold("-" * 35 + "N", {"N": None}),
    )
    assert scene.only("Candidate", "Confirmed")[:3] == [
        "100 Candidate 2",
        "300 Candidate 3",
        "350 Confirmed 3",
    ]


@pytest.mark.parametrize(
    ("gap", "who", "dropped"), [(0, "ann", []), (10, "ann", ["short"]), (0, "bob", ["short"])]
)
def test_a_cough_after_a_long_turn_is_one_unless_the_turn_goes_on(
    gap: int, who: str, dropped: list[str]
) -> None:
    """Ann's turn of 2 s is cut at its longest. Her sound without a gap goes on from it."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    cough = pad(gap) + "~~" + pad(600) + "|"
    mics = {who: m.cold("_" * 200 + cough), "ann": m.cold("~" * 200 + pad(630) + "|")}
    if who == "ann":
        mics = {"ann": m.cold("~" * 200 + cough)}
    turns = [
        mic.pipe(vox.turn_window(rxv.silence(30), max_duration_ms=2000, source=name))
        for name, mic in mics.items()
    ]
    told = m.record(
        rx.merge(*turns).pipe(
            vox.converse(
                vox.transcribe(FakeTranscriber("tell me", "a story")),
                vox.respond(Talk(LONG)),
                vox.synthesize(VOICE),
                sink=speaker,
                min_speech_ms=50,
            ),
        )
    )
    reasons = [it.value.reason for it in told if isinstance(it.value, rxv.events.Dropped)]
    assert reasons == dropped


@pytest.mark.parametrize(("after_ms", "begun"), [(30, 60), (31, 70), (39, 70), (40, 70)])
def test_a_reply_is_begun_early_after_so_much_silence_and_no_less(
    after_ms: int, begun: int
) -> None:
    """The user is silent from 40 ms on. A chunk of 10 ms comes at the time of its start."""
    asked: list[int] = []
    m = clock()

    class Asked(Talk):
        def respond(self, text: str) -> Any:
            asked.append(round(m.scheduler.now.timestamp() * 1000))
            return super().respond(text)

    m.record(
        m.cold("~~~~" + pad(400) + "|").pipe(
            vox.turn_window(rxv.silence(200)),
            vox.converse(
                vox.transcribe(FakeStreamingTranscriber("what is it", "")),
                vox.respond(Asked("One.")),
                vox.synthesize(VOICE),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
                preempt_after_ms=after_ms,
            ),
        )
    )
    assert asked == [begun]


def test_a_reply_begun_early_is_made_no_further_once_the_user_goes_on() -> None:
    llm = Talk(["One. "] * 20, "Two.", every_ms=50)
    Scene(GOES_ON, llm=llm, hears=what_now, silence_ms=100, preempt_after_ms=50)
    assert llm.asked == ["what", "what now"]
    assert llm.most_open == 1, "the model works on one question"


def test_a_voice_of_the_apps_own_needs_to_say_nothing_of_itself() -> None:
    """The last stage that does not say what it makes is the voice."""
    m = clock()
    llm = Talk("One two. Three four.")
    voice = vox.synthesize(VOICE)
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    told = m.record(
        m.cold(HI + pad(50) + "~" * 8 + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi", "stop")),
                vox.respond(llm),
                lambda replies: voice(replies),
                sink=speaker,
                min_speech_ms=50,
                interrupts=m.cold("-" * 13 + "N", {"N": None}),
            ),
        )
    )
    assert llm.told[0] == "One"
    deltas = [it.value.text for it in told if isinstance(it.value, rxv.events.ReplyDelta)]
    assert deltas[:1] == ["One two. Three four."]


@pytest.mark.parametrize(("press", "heard"), [(379.5, ""), (380.5, "One"), (390, "One")])
def test_after_the_sound_of_another_conversation_was_dropped_the_count_is_exact(
    press: float, heard: str
) -> None:
    """At 150 ms the other sound is dropped. The second reply is heard from 350 ms on."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    speaker.write_samples(VOICE.sound("Somebody else is still talking."))
    llm = Talk("One two. Three four.")
    button: Subject[None] = Subject()
    for ms in (150, press):
        m.scheduler.schedule_absolute(ms / 1000, lambda *_: button.on_next(None))
    m.record(
        m.cold(HI + pad(260) + HI + pad(500) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi", "hi again")),
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=speaker,
                interrupts=button,
            ),
        )
    )
    assert llm.told == ["", heard]


def test_an_alarm_that_is_cancelled_while_it_waits_does_not_ring() -> None:
    """Another thread is busy in the mailbox as the time is up, and cancels it then."""
    m = clock()
    rung: list[str] = []
    waiting: list[Any] = []

    def start(out: Subscription[Any]) -> Handlers[Any]:
        ports = Ports(out, lambda: None)
        ports.post = waiting.append
        alarms = {name: Alarm(ports) for name in ("kept", "cancelled", "set again")}
        for name, alarm in alarms.items():
            alarm.set(50, partial(rung.append, name))

        def busy_until_now(_: object) -> None:
            alarms["cancelled"].cancel()
            alarms["set again"].set(1000, lambda: None)
            for action in waiting:
                action()

        return busy_until_now, None, None

    m.record(m.cold("---------x|", {"x": 1}).pipe(stateful_on_events(start)))
    assert len(waiting) == 3
    assert rung == ["kept"]


def test_an_alarm_that_is_cancelled_holds_no_timer() -> None:
    m = clock()
    waiting: list[Any] = []

    def start(out: Subscription[Any]) -> Handlers[Any]:
        ports = Ports(out, lambda: None)
        ports.post = waiting.append
        alarm = Alarm(ports)
        alarm.set(50, lambda: None)
        return lambda _: alarm.cancel(), None, None

    m.record(m.cold("--x------|", {"x": 1}).pipe(stateful_on_events(start)))
    assert waiting == []


def test_an_alarm_does_not_ring_once_its_subscription_is_over() -> None:
    """It waits in the mailbox then."""
    m = clock()
    rung: list[str] = []
    waiting: list[Any] = []

    def start(out: Subscription[Any]) -> Handlers[Any]:
        ports = Ports(out, lambda: None)
        ports.post = waiting.append
        Alarm(ports).set(50, partial(rung.append, "rung"))

        def over(_: object) -> None:
            out.life.dispose()
            for action in waiting:
                action()

        return over, None, None

    m.record(m.cold("---------x|", {"x": 1}).pipe(stateful_on_events(start)))
    assert len(waiting) == 1
    assert rung == []


def test_a_reply_without_a_sound_is_over_though_somebody_elses_sound_plays() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    speaker.write_samples(VOICE.sound("Somebody else is talking."))
    told = m.record(
        m.cold(HI + pad(600) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(Talk("")),
                vox.synthesize(VOICE),
                sink=speaker,
            ),
        )
    )
    assert [it.ms for it in told if isinstance(it.value, rxv.events.Finished)] == [40]


def test_a_sink_that_cannot_say_its_position_fails_that_turn_and_no_more() -> None:
    class Failing(FakeSpeaker):
        fails = False

        @property
        def position(self) -> int:
            if self.fails:
                self.fails = False
                raise OSError("no position")
            return super().position

    scene = Scene(
        HI + pad(100) + HI + pad(600) + "|",
        *("hi", "again"),
        sink=lambda m: Failing(m.scheduler, sample_rate=RATE),
        at=[(100, lambda it: setattr(it.speaker, "fails", True))],
    )
    assert scene.only("TurnFailed", "Finished", "completed") == [
        "121 TurnFailed 1 converse",
        "380 Finished 2 'One two. Three four.'",
        "800 completed",
    ]


@pytest.mark.parametrize(("press", "asked"), [(1, []), (3, []), (6, ["hi"])])
def test_a_turn_that_the_app_discards_while_it_is_listened_to_is_not_answered(
    press: int, asked: list[str]
) -> None:
    m = clock()
    llm = Talk("One.")
    told = m.record(
        m.cold(HI + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30), discard=m.cold("-" * press + "D", {"D": None})),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
            ),
        )
    )
    assert llm.asked == asked
    dropped = [it.value.reason for it in told if isinstance(it.value, rxv.events.Dropped)]
    assert dropped == ([] if asked else ["discarded"])
    assert told[-1].kind == "completed"


def test_a_thread_that_is_stuck_is_told_once_though_each_stage_tells_it() -> None:
    stuck = rxv.events.Notice("stuck", detail=ModelThreadStuck("stuck", 1.0))
    goes_on = rxv.events.Notice("goes on", detail=ModelThreadStuck("stuck", 1.0))

    def telling(*notices: rxv.events.Notice) -> Any:
        def start(out: Subscription[Any]) -> Handlers[Any]:
            def step(reply: rxv.Reply) -> None:
                if not reply.final:
                    for notice in notices:
                        out.emit(notice)
                out.emit(reply)

            return step, None, None

        return stateful(start)

    scene = Scene(HI + pad(300) + "|", llm=Talk("One."), stages=[telling(stuck, stuck, goes_on)])
    assert scene.only("Notice") == ["40 Notice stuck", "40 Notice goes on"]


@pytest.mark.parametrize(("position", "ms"), [(0, 30.0), (10, 20.0), (29.5, 0.5), (30, 40.0)])
def test_the_next_word_is_due_when_its_last_sample_is(position: float, ms: float) -> None:
    """The words end after 30 and 70 of 80 ms."""
    asked = rxv.Transcript(rxv.Turn.of([0.0]), "hi")
    spoken = SpokenReply(160)
    spoken.text.add(rxv.Reply(asked, "One two."))
    sound = np.zeros(80 * 16, np.float32)
    spoken.add(rxv.Speech(rxv.Reply(asked, "One two."), sound, 16_000, "One two."))
    spoken.close()
    assert spoken.ms_to_next_word(160 + round(position * 16)) == pytest.approx(ms, abs=1e-9)


def test_a_noise_over_the_last_word_is_one_though_it_ends_after_the_reply() -> None:
    """The reply is ducked, and heard until 230 ms. The noise is heard from 210 to 240."""
    scene = Scene(HI + pad(160) + "~~~" + pad(300) + "|", "hi", "yes", min_speech_ms=50, duck=0.3)
    assert scene.only("Candidate", "Finished", "Confirmed", "Dropped") == [
        "210 Candidate 2",
        "230 Finished 1 'One two. Three four.'",
        "260 Dropped 2 short",
    ]


def test_interruptions_that_are_allowed_again_change_nothing_for_who_is_a_candidate() -> None:
    scene = Scene(
        HI + pad(50) + "~" * 8 + pad(300) + "|",
        *("hi", "stop"),
        min_speech_ms=50,
        interruptions=lambda m: m.cold("-" * 13 + "T", {"T": True}),
    )
    assert scene.only("Candidate", "Confirmed") == ["100 Candidate 2", "200 Confirmed 2"]


def test_a_turn_that_is_over_is_let_go_of() -> None:
    source: Subject[Any] = Subject()
    told: list[str] = []
    source.pipe(
        vox.converse(
            vox.transcribe(lambda audio: "hi"),
            vox.respond(lambda text: "Yes."),
            vox.synthesize(VOICE),
            sink=FakeSink(),
        )
    ).subscribe(lambda it: told.append(type(it).__name__))
    turns: list[weakref.ref[rxv.Turn]] = []
    for number in range(1, 11):
        turn = rxv.Turn.of([0.0] * 10, id=number, sample_rate=RATE)
        turns.append(weakref.ref(turn))
        source.on_next(turn)
        del turn
    gc.collect()
    assert told.count("Finished") == 10
    assert sum(it() is not None for it in turns) <= 2, "the last ones may be remembered"


@pytest.mark.parametrize("text", ["...", " ", ""])
def test_a_typed_text_without_a_word_only_interrupts(text: str) -> None:
    scene = Scene(HI + pad(300) + "|", interrupts=lambda m: m.cold("-" * 10 + "T", {"T": text}))
    assert scene.only("Interrupted", "TurnOpened", "Transcribed") == [
        "0 TurnOpened 1",
        "40 Transcribed 1 'hi'",
        "100 Interrupted 1 'One'",
    ]


def test_a_sink_that_fails_twice_at_once_is_told_of_once() -> None:
    class Dead(FakeSpeaker):
        def write_samples(self, samples: rxv.Samples, /) -> int:
            raise OSError("no write")

        def clear(self) -> rxv.Samples:
            raise OSError("no clear")

    scene = Scene(HI + pad(100) + "|", sink=lambda m: Dead(m.scheduler, sample_rate=RATE))
    assert scene.only("TurnFailed", "Notice") == ["40 TurnFailed 1 converse"]
    (failed,) = (it for it in scene.told if isinstance(it, rxv.events.TurnFailed))
    assert "no write" in str(failed.error)


def two_users(
    *mics: str, speaker: FakeSpeaker, m: Marbles, silence_ms: int = 30, **options: Any
) -> Observable[Any]:
    """The turns of Ann and of Bob, who speak into microphones of their own."""
    turns = [
        m.cold(mic).pipe(vox.turn_window(rxv.silence(silence_ms), source=name))
        for name, mic in zip(("ann", "bob"), mics, strict=True)
    ]
    return rx.merge(*turns).pipe(
        vox.converse(
            options.pop("listen", vox.transcribe(FakeTranscriber("hi"))),
            vox.respond(options.pop("llm", None) or Talk("One two.")),
            vox.synthesize(VOICE),
            sink=speaker,
            **options,
        )
    )


def test_a_pause_ends_with_the_subscription_though_no_reply_is_in_progress() -> None:
    """Bob is a candidate while Ann has the floor."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    speaker.write_samples(VOICE.sound("Somebody else."))
    told = m.record(
        two_users("~" * 30, "_____" + "~" * 30, speaker=speaker, m=m, min_speech_ms=50),
        dispose_at=150,
    )
    assert [type(it.value).__name__ for it in told] == ["TurnOpened", "Candidate", "Paused"]
    m.scheduler.run(0.5)
    assert speaker.position == 140


def test_who_ends_a_reply_that_was_not_let_out_has_interrupted_none() -> None:
    """A reply to Ann is begun early. Her last words come late, and Bob is confirmed before."""
    m = clock()

    def listen(turns: Observable[Any]) -> Observable[Any]:
        def hears(it: rxv.Turn) -> Observable[Any]:
            first, last = rxv.Transcript(it, "hi", final=False), rxv.Transcript(it, "hi")
            return m.cold(
                "-P" + "-" * (40 if it.source == "ann" else 3) + "(F|)", {"P": first, "F": last}
            )

        return turns.pipe(rx.operators.flat_map(hears))

    llm = Talk("One two.")
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    told = m.record(
        two_users(
            *(HI + pad(400) + "|", pad(100) + "~" * 10 + pad(400) + "|"),
            speaker=speaker,
            m=m,
            listen=listen,
            llm=llm,
            preempt_after_ms=20,
            min_speech_ms=50,
        ),
    )
    assert llm.asked == ["hi", "hi hi"]
    assert llm.history == [("user", "hi hi"), ("assistant", "One two.")]
    (finished,) = (it.value for it in told if isinstance(it.value, rxv.FinishedTurn))
    assert (finished.source, finished.barge_in_observed) == ("bob", False)


def test_words_are_told_on_time_of_a_sink_that_only_knows_its_position() -> None:
    class Unplayed(FakeSpeaker):
        played = None  # type: ignore[assignment]

    scene = Scene(
        HI + pad(600) + "|",
        llm=Talk(["One two.\n", "Three.\n", *[" "] * 20], every_ms=14),
        word_events=True,
        sink=lambda m: Unplayed(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("Spoken") == [
        "84 Spoken 1 'One'",
        "124 Spoken 1 'two'",
        "134 Spoken 1 '.'",
        "184 Spoken 1 'Three'",
        "194 Spoken 1 '.'",
    ]


def test_what_the_app_mostly_gives_is_what_a_trace_need_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, list[object]] = {}

    def call(name: str, function: Callable[[], object], otherwise: object) -> object:
        value = function()
        given.setdefault(name, []).append(value == otherwise)
        return value

    monkeypatch.setattr(ways, "calling", lambda scheduler: call)
    scene = Scene(
        HI + pad(50) + "~" * 10 + pad(300) + "|",
        *("hi", "stop"),
        echo=lambda samples: False,
        decide=lambda turn: True,
        min_speech_ms=50,
    )
    assert len(scene.only("Interrupted")) == 1
    assert given.keys() == {"interruptions", "own_echo", "withdraw", "heard"}
    assert all(all(usual) for usual in given.values())


def test_a_candidate_after_the_reply_is_one_though_interruptions_are_off() -> None:
    """What it hears may be the echo of the reply, which is over at 230."""
    scene = Scene(
        HI + pad(220) + "~" * 8 + pad(300) + "|",
        *("hi", "stop"),
        interruptions=lambda m: m.cold("-" * 30 + "F", {"F": False}),
    )
    assert scene.only("TurnOpened", "Candidate", "Confirmed") == [
        "0 TurnOpened 1",
        "270 Candidate 2",
        "370 Confirmed 2",
        "370 TurnOpened 2",
    ]


def test_a_conversation_in_writing_shows_what_the_app_says() -> None:
    m = clock()
    told = m.record(
        m.cold(pad(100) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(Talk("Yes.")),
                sink=FakeSpeaker(m.scheduler, sample_rate=RATE),
                says=m.cold("-W", {"W": "Welcome."}),
            ),
        )
    )
    texts = [it.value.text for it in told if isinstance(it.value, rxv.events.Finished)]
    assert texts == ["Welcome."]


class Stopping(Talk):
    """It writes a sentence, and fails."""

    def respond(self, text: str) -> Observable[Any]:
        given = super().respond(text)
        return rx.concat(given, rx.timer(0.01).pipe(rx.operators.flat_map(rx.throw(OSError("x")))))


def test_of_a_text_model_that_failed_no_failure_of_the_sink_reports_what_was_heard() -> None:
    class Failing(FakeSpeaker):
        def pause(self) -> None:
            raise OSError("no pause")

    scene = Scene(
        HI + pad(50) + "~" * 5 + pad(300) + "|",
        *("hi", ""),
        llm=Stopping("One two.\n"),
        sink=lambda m: Failing(m.scheduler, sample_rate=RATE),
    )
    assert scene.only("TurnFailed", "Notice") == [
        "50 TurnFailed 1 respond",
        "100 Notice the sink failed: OSError: no pause",
    ]
    assert scene.llm.told == []


def test_what_the_app_says_is_heard_though_no_stage_remembers_anything() -> None:
    def answer(questions: Observable[Any]) -> Observable[Any]:
        return questions.pipe(
            rx.operators.flat_map(
                lambda it: rx.of(
                    rxv.Reply(it, "Yes.", text="Yes."), rxv.Reply(it, text="Yes.", final=True)
                )
            )
        )

    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    told = m.record(
        m.cold(HI + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                answer,
                vox.synthesize(VOICE),
                sink=speaker,
                says=m.cold("-" * 20 + "W", {"W": "Bye."}),
            ),
        )
    )
    texts = [it.value.text for it in told if isinstance(it.value, rxv.events.Finished)]
    assert texts == ["Yes.", "Bye."]
    assert told[-1].kind == "completed"


class Silent(FakeSpeaker):
    """It does not tell how far it has come, but can be asked."""

    @property
    def played(self) -> Any:
        return rx.never()


@pytest.mark.parametrize(
    "pressed",
    [
        {"interrupts": lambda m: m.cold("------N", {"N": None})},
        {"interrupts": lambda m: m.cold("------T", {"T": "no"})},
        {"says": lambda m: m.cold("------W", {"W": rxv.Say("Bye.", when="now")})},
    ],
)
def test_a_reply_that_is_ended_as_it_is_first_looked_at_was_begun(pressed: dict[str, Any]) -> None:
    scene = Scene(
        HI + pad(300) + "|", sink=lambda m: Silent(m.scheduler, sample_rate=RATE), **pressed
    )
    assert scene.only("Speaking", "Interrupted")[:2] == ["60 Speaking 1", "60 Interrupted 1 ''"]


def test_the_button_puts_idle_off() -> None:
    """The reply is over at 230."""
    scene = Scene(
        HI + pad(600) + "|", idle_ms=200, interrupts=lambda m: m.cold("-" * 30 + "N", {"N": None})
    )
    assert scene.only("Idle") == ["500 Idle 200"]


def test_the_log_has_the_users_words_though_a_stage_has_put_others_in_their_place() -> None:
    put: dict[rxv.Transcript, rxv.Transcript] = {}

    def translated(reply: rxv.Reply) -> rxv.Reply:
        asked = reply.transcript
        return replace(reply, transcript=put.setdefault(asked, replace(asked, text="salut")))

    scene = Scene(HI + pad(300) + "|", stages=[rx.operators.map(translated)])
    assert scene.only("FinishedTurn") == ["230 FinishedTurn 'hi' 'One two. Three four.'"]


def test_nothing_is_answered_early_while_no_word_is_known() -> None:
    llm = Talk("One.")
    Scene("~~" + pad(400) + "|", stt=FakeTranscriber("hi"), llm=llm, preempt_after_ms=10)
    assert llm.asked == ["hi"]


def test_the_last_speech_of_a_reply_that_is_interrupted_has_the_whole_reply() -> None:
    scene = Scene(HI + pad(300) + "|", interrupts=lambda m: m.cold("-" * 10 + "N", {"N": None}))
    last = scene.speech[-1]
    assert (last.final, last.interrupted, last.heard) == (True, True, "One")
    assert (last.reply.final, last.reply.text) == (True, "One two. Three four.")


def test_a_reply_goes_on_as_it_is_quiet_whatever_the_reason_before_was() -> None:
    """Each cough is quiet for 300 ms before its turn is over, and dropped as too short."""
    scene = Scene(
        HI + pad(400) + ("~~" + pad(600)) * 2 + "|",
        llm=Talk("x" * 150 + "."),
        silence_ms=400,
        min_speech_ms=50,
    )
    assert [line.split()[1:] for line in scene.only("Resumed", "Dropped")] == [
        ["Resumed", "1", "quiet"],
        ["Dropped", "2", "short"],
        ["Resumed", "1", "quiet"],
        ["Dropped", "3", "short"],
    ]


def test_a_reply_goes_on_as_a_cough_is_over_whatever_the_reason_before_was() -> None:
    scene = Scene(
        HI + pad(200) + ("~~" + pad(300)) * 2 + "|",
        stt=FakeTranscriber("hi", "", after_ms=100),
        llm=Talk("x" * 150 + "."),
        min_speech_ms=50,
        stop_words=["stop"],
    )
    assert [line.split()[1:] for line in scene.only("Resumed", "Dropped")] == [
        ["Resumed", "1", "quiet"],
        ["Dropped", "2", "short"],
        ["Resumed", "1", "quiet"],
        ["Dropped", "3", "short"],
    ]


def test_words_of_a_turn_that_was_set_aside_are_not_told_as_they_come() -> None:
    def hears(m: Marbles, it: rxv.Turn) -> Observable[Any]:
        told = {"P": rxv.Transcript(it, "hi", final=False), "F": rxv.Transcript(it, "hi")}
        return m.cold("--P-------P---(F|)", told)

    scene = Scene(
        HI + pad(300) + "|", hears=hears, interrupts=lambda m: m.cold("------N", {"N": None})
    )
    assert scene.only("Partial", "Interrupted", "Transcribed") == [
        "20 Partial 1 'hi'",
        "60 Interrupted 1 ''",
    ]


def test_words_that_a_dropped_turn_was_to_carry_are_asked_with_the_next_one() -> None:
    """1 is set aside. 2 carries its words until something is typed, and says nothing itself."""
    scene = Scene(
        HI + pad(20) + "~" * 10 + pad(400) + HI + pad(400) + "|",
        stt=FakeTranscriber("hi", "", "bye", after_ms=30),
        interrupts=lambda m: m.cold("-----N----T", {"N": None, "T": "typed"}),
        min_speech_ms=300,
    )
    assert scene.llm.asked == ["typed", "hi bye"]


def test_the_button_lets_who_speaks_go_on_though_a_reply_was_begun_early() -> None:
    scene = Scene(
        "~~~~" + pad(400) + "|",
        stt=FakeStreamingTranscriber("what is it", ""),
        silence_ms=200,
        preempt_after_ms=30,
        interrupts=lambda m: m.cold("-" * 15 + "N", {"N": None}),
    )
    assert scene.llm.asked == ["what is it"]
    assert scene.only("Interrupted") == []


class Unheard(FakeSpeaker):
    """It says nothing of what it has played."""

    played = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("at", "options", "failed", "heard"),
    [
        ("Finished", {"sink": Unheard}, [], []),
        (
            "TurnFailed",
            {"tts": failing(VOICE, "synthesize_stream", at=2)},
            ["synthesize"],
            ["One two."],
        ),
        ("TurnFailed", {"llm": Stopping("One two.\n")}, ["respond"], []),
        (
            "TurnFailed",
            {
                "stt": failing(FakeTranscriber("hi", "no"), "transcribe_turn", at=2),
                "interruptions": False,
            },
            ["transcribe"],
            [],
        ),
    ],
)
def test_an_app_that_raises_at_an_end_is_told_of_no_other(
    at: str, options: dict[str, Any], failed: list[str], heard: list[str]
) -> None:
    m = clock()
    speaker = options.get("sink", FakeSpeaker)(m.scheduler, sample_rate=RATE)
    llm = options.get("llm") or Talk("One two. Three four.")
    told: list[Any] = []

    def app(element: Any) -> None:
        told.append(element)
        if type(element).__name__ == at and [type(it).__name__ for it in told].count(at) == 1:
            raise ValueError(at)

    mic = m.cold(HI + pad(50) + HI + pad(500) + "|")
    mic.pipe(
        vox.turn_window(rxv.silence(30)),
        vox.converse(
            vox.transcribe(options.get("stt") or FakeTranscriber("hi", "")),
            vox.respond(llm),
            vox.synthesize(options.get("tts") or VOICE),
            sink=speaker,
            interruptions=options.get("interruptions", True),
        ),
    ).subscribe(app, told.append, scheduler=m.scheduler)
    with pytest.raises(ValueError, match=at):
        m.scheduler.run(200.0)
    m.scheduler.run(200.0)
    stages = [it.error.stage for it in told if isinstance(it, rxv.events.TurnFailed)]
    assert stages == failed
    assert llm.told == heard


def test_what_the_app_says_waits_for_who_may_have_begun_to_speak() -> None:
    """The reply is over at 230. A candidate opens at 250, and its turn is over at 380."""
    scene = Scene(
        HI + pad(200) + "~" * 10 + pad(600) + "|",
        *("hi", ""),
        says=lambda m: m.cold("-" * 28 + "W", {"W": "Welcome."}),
    )
    assert scene.only("Candidate", "Dropped", "Saying") == [
        "250 Candidate 2",
        "370 Dropped 2 no_words",
        "370 Saying -1 'Welcome.'",
    ]


def test_a_sink_that_fails_to_pause_costs_no_reply_that_was_not_let_out() -> None:
    """A reply to Ann is begun early, and Bob is a candidate."""

    class Failing(FakeSpeaker):
        def pause(self) -> None:
            raise OSError("no pause")

    m = clock()
    llm = Talk("One two.")
    told = m.record(
        two_users(
            *("~~~~" + pad(500) + "|", pad(100) + "~~" + pad(400) + "|"),
            speaker=Failing(m.scheduler, sample_rate=RATE),
            m=m,
            listen=vox.transcribe(FakeStreamingTranscriber("what is it", "")),
            llm=llm,
            silence_ms=150,
            preempt_after_ms=20,
        )
    )
    notices = [it.value.message for it in told if isinstance(it.value, rxv.events.Notice)]
    assert notices == ["the sink failed: OSError: no pause"]
    assert llm.asked == ["what is it"]
    finished = [it.value.assistant_text for it in told if isinstance(it.value, rxv.FinishedTurn)]
    assert finished == ["One two."]


@pytest.mark.parametrize(
    ("tts", "told"),
    [(VOICE, []), (failing(VOICE, "synthesize_stream", at=2), ["One two."])],
)
def test_a_reply_that_failed_is_reported_as_it_was_heard_though_all_of_it_was(
    tts: Any, told: list[str]
) -> None:
    """Nobody has looked since the last sample was heard. The model has written all of it."""
    scene = Scene(
        HI + pad(500),
        tts=tts,
        sink=lambda m: Silent(m.scheduler, sample_rate=RATE),
        dispose_at=400,
    )
    assert scene.llm.told == told
