"""What the app does in a conversation: it speaks, allows interruptions, chooses agents, replaces.

The clock is that of `test_converse`: the turn is over at 40 ms, "One two." is heard from 40 to
120 ms and "Three four." to 230 ms.
"""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from interruption_kit import CHAR, RATE, VOICE, Scene, Talk, clock, decode
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSpeaker, FakeTranscriber, like

HI = "~~___"


def pad(ms: int) -> str:
    return "_" * (ms // 10)


class Remembering(Talk):
    """A text model that is told what the app has said."""

    def said(self, text: str) -> None:
        self.conversation.add_assistant(text)


def saying(mic: str, what: str, says: dict[str, Any], *texts: str, **options: Any) -> Scene:
    return Scene(
        mic,
        *texts or ("hi",),
        llm=options.pop("llm", None) or Remembering("One two."),
        says=lambda m: m.cold(what, says),
        **options,
    )


# The app speaks


def test_a_greeting_is_spoken_and_remembered() -> None:
    scene = saying(pad(500) + HI + pad(300) + "|", "--W", {"W": "Welcome."})
    assert scene.lines[:5] == [
        "20 Saying -1 'Welcome.'",
        "20 ReplyStarted -1",
        "20 ReplyDelta -1 'Welcome.'",
        "21 Speaking -1",
        "100 FinishedTurn '' 'Welcome.'",
    ]
    assert scene.heard == "Welcome.One two."
    assert scene.llm.history == [
        ("assistant", "Welcome."),
        ("user", "hi"),
        ("assistant", "One two."),
    ]


def test_what_waits_is_spoken_once_nobody_has_the_floor() -> None:
    """It comes while the user speaks, and waits for the answer too."""
    scene = saying(HI + pad(600) + "|", "-T", {"T": rxv.Say("Tea is ready.", when="free")})
    assert scene.only("Finished", "Saying") == [
        "120 Finished 1 'One two.'",
        "120 Saying -1 'Tea is ready.'",
        "250 Finished -1 'Tea is ready.'",
    ]


def test_now_ends_the_reply_in_progress_and_history_knows() -> None:
    scene = saying(
        HI + pad(600) + "|",
        "----------T",
        {"T": rxv.Say("Fire.", when="now")},
        llm=Remembering("One two. Three four."),
    )
    assert scene.only("Interrupted", "Saying", "Finished") == [
        "100 Interrupted 1 'One'",
        "100 Saying -1 'Fire.'",
        "150 Finished -1 'Fire.'",
    ]
    assert scene.llm.history == [("user", "hi"), ("assistant", "One"), ("assistant", "Fire.")]


def test_now_while_the_user_speaks_is_over_when_the_user_has_said_something() -> None:
    scene = saying(
        "~" * 30 + "___" + pad(600) + "|", "-----T", {"T": rxv.Say("Fire. Fire.", when="now")}
    )
    assert scene.only("Saying", "Candidate", "Paused", "Confirmed", "Interrupted") == [
        "50 Candidate 1",
        "50 Saying -1 'Fire. Fire.'",
        "50 Paused -1",
        "320 Interrupted -1 ''",
        "320 Confirmed 1",
    ]
    assert scene.llm.asked == ["hi"], "nothing that the user said is lost"


def test_what_is_not_interruptible_is_heard_to_its_end() -> None:
    say = rxv.Say("This call is recorded.", interruptible=False)
    scene = saying(pad(50) + "~" * 10 + "___" + pad(600) + "|", "-S", {"S": say})
    assert scene.only("Candidate", "Paused", "Interrupted") == []
    assert scene.only("TurnOpened", "Finished") == [
        "50 TurnOpened 1",
        "230 Finished -1 'This call is recorded.'",
        "310 Finished 1 'One two.'",
    ]


def test_an_interrupted_announcement_is_remembered_as_far_as_it_was_heard() -> None:
    say = rxv.Say("This call is recorded.")
    scene = saying(pad(120) + "~" * 20 + "___" + pad(600) + "|", "-S", {"S": say}, "stop it")
    assert scene.llm.history == [
        ("assistant", "This call"),
        ("user", "stop it"),
        ("assistant", "One two."),
    ]


def test_a_reminder_when_nobody_speaks_is_two_operators() -> None:
    """``Idle`` and `says` make it."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    says: rx.Subject[Any] = rx.Subject()
    told = m.record(
        m.cold(HI + pad(900) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(Talk("Yes?")),
                vox.synthesize(VOICE),
                sink=speaker,
                says=says,
                idle_ms=300,
            ),
            ops.do_action(
                lambda it: says.on_next("Still there?") if isinstance(it, rxv.events.Idle) else None
            ),
        )
    )
    assert decode(speaker.heard) == "Yes?" + "Still there?" * 2
    assert told[-1].kind == "completed"


def test_what_the_app_says_passes_the_stages_behind_the_one_that_answers() -> None:
    scene = saying(
        pad(600) + "|",
        "-S",
        {"S": "One two. Three four."},
        stages=(vox.map_sentences(lambda it: "Left out." if "two" in it else it),),
    )
    assert scene.heard == "Left out.Three four."
    assert scene.llm.history == [("assistant", "Left out. Three four.")]


@pytest.mark.parametrize("text", [3, None, b"x"])
def test_what_is_no_text_cannot_be_said(text: Any) -> None:
    with pytest.raises(ConfigError, match="Say text must be a str"):
        rxv.Say(text)
    scene = saying(pad(100) + "|", "-S", {"S": text})
    assert "converse says must give a str or a Say" in scene.lines[-1]


# Interruptions, by phase and by turn


def test_interruptions_may_be_allowed_later() -> None:
    mic = HI + pad(40) + "~" * 8 + "___" + pad(600) + "|"
    allowed = {"F": False, "T": True}
    off = Scene(mic, "hi", "no", interruptions=lambda m: m.cold("F", allowed))
    assert off.only("TurnOpened", "Candidate") == ["0 TurnOpened 1", "90 TurnOpened 2"]
    on = Scene(mic, "hi", "no", interruptions=lambda m: m.cold("F-----T", allowed))
    assert on.only("TurnOpened", "Candidate")[1] == "90 Candidate 2"


def test_a_candidate_waits_once_interruptions_are_off() -> None:
    mic = HI + pad(40) + "~" * 30 + "___" + pad(600) + "|"
    scene = Scene(mic, "hi", "no", interruptions=lambda m: m.cold("-" * 20 + "F", {"F": False}))
    assert scene.only("Candidate", "Paused", "Resumed", "TurnOpened", "Interrupted") == [
        "0 TurnOpened 1",
        "90 Candidate 2",
        "90 Paused 1",
        "200 TurnOpened 2",
        "200 Resumed 1 waits",
    ]
    assert scene.llm.asked == ["hi", "no"]
    assert scene.lines[-1].endswith("completed")


def test_interruptions_may_depend_on_the_turn() -> None:
    mic = HI + pad(40) + "~" * 20 + "___" + pad(600) + "|"
    asked: list[int] = []

    def by_turn(turn: rxv.Turn) -> bool:
        asked.append(turn.id)
        return False

    scene = Scene(mic, "hi", "no", decide=by_turn)
    assert asked == [2]
    assert scene.only("Candidate") == []


# Agents


class Agent:
    """A prompt and a voice."""

    def __init__(self, reply: str) -> None:
        self.llm = Remembering(reply)
        self.stages = vox.stages(vox.respond(self.llm), vox.synthesize(VOICE))


def conversation(m: Any, mic: str, reply: Any, *texts: str, **options: Any) -> list[Any]:
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    talk = vox.converse(vox.transcribe(FakeTranscriber(*texts)), *reply, sink=speaker, **options)
    return m.record(m.cold(mic).pipe(vox.turn_window(rxv.silence(30)), talk))


def test_another_agent_answers_from_the_next_turn_on() -> None:
    agents = {"sales": Agent("Buy this now please."), "help": Agent("How may I help?")}

    def current(transcript: Transcript) -> Any:
        return agents["help" if "help" in transcript.text else "sales"].stages

    mic = HI + pad(100) + "~" * 20 + "___" + pad(900) + "|"
    told = conversation(clock(), mic, [vox.choose(current)], "hello", "help")
    logs = [it.value for it in told if isinstance(it.value, rxv.FinishedTurn)]
    assert [(it.user_text, it.assistant_text) for it in logs] == [
        ("hello", "Buy this"),
        ("help", "How may I help?"),
    ]
    assert agents["sales"].llm.told == ["Buy this"], "who was interrupted is told"
    assert agents["help"].llm.told == []
    assert agents["sales"].llm.history == [("user", "hello"), ("assistant", "Buy this")]


@pytest.mark.parametrize("press", [70, 90, 110, 150, 200, 230])
def test_stages_and_choose_change_nothing_where_there_is_nothing_to_change(press: int) -> None:
    """Interrupted at any moment: the same events, to the millisecond, and the same memory."""

    def told(wrap: Any) -> Any:
        m = clock()
        llm = Talk(["One two.\n", "Three four."], every_ms=20)
        pieces = [vox.respond(llm), vox.synthesize(VOICE)]
        pressed = m.cold("-" * (press // 10) + "N", {"N": None})
        came = conversation(m, HI + pad(500) + "|", wrap(pieces), "hi", interrupts=pressed)
        names = [(it.ms, type(it.value).__name__, getattr(it.value, "heard", None)) for it in came]
        return names, llm.history, llm.told, llm.open

    plain = told(lambda it: it)
    assert told(lambda it: [vox.stages(*it)]) == plain
    assert told(lambda it: [vox.choose(lambda _: vox.stages(*it))]) == plain
    assert told(lambda it: [vox.stages(vox.choose(lambda _: it[0]), it[1])]) == plain


def test_choose_alone_answers_each_question_in_order() -> None:
    m = clock()
    turns = m.cold("~___~___|").pipe(vox.turn_window(rxv.silence(20)))
    said = turns.pipe(
        vox.transcribe(FakeTranscriber("a", "b")),
        vox.choose(lambda it: vox.respond(lambda text: f"{text} by {it.text}")),
    )
    texts = [it.value.text for it in m.record(said) if isinstance(it.value, Reply)]
    assert [it for it in texts if it] == ["a by a", "b by b"]


def test_choose_says_what_it_wanted() -> None:
    with pytest.raises(ConfigError, match="choose takes a function from a Transcript"):
        vox.choose(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="stages wants two or more operators, got 1"):
        vox.stages(vox.respond(len))  # type: ignore[call-overload]


# What was changed on the way


def test_only_what_reached_the_voice_counts_as_heard() -> None:
    fine = vox.map_sentences(lambda it: it if "two" in it else "I would rather not say.")
    llm = Talk("One two. Three four.")
    mic = HI + pad(600) + "|"
    told = conversation(clock(), mic, [vox.respond(llm), fine, vox.synthesize(VOICE)], "hi")
    log = next(it.value for it in told if isinstance(it.value, rxv.FinishedTurn))
    assert log.assistant_text == "One two. I would rather not say."
    assert llm.history == [("user", "hi"), ("assistant", "One two. I would rather not say.")]


def test_a_replaced_sentence_that_was_interrupted_is_remembered_as_spoken() -> None:
    fine = vox.map_sentences(lambda it: "I would rather not say.")
    llm = Talk("Something very rude indeed.")
    mic = HI + pad(600) + "|"
    m = clock()
    reply = [vox.respond(llm), fine, vox.synthesize(VOICE)]
    conversation(m, mic, reply, "hi", interrupts=m.cold("-" * 14 + "N", {"N": None}))
    assert llm.history == [("user", "hi"), ("assistant", "I would")]


def test_a_function_that_raises_fails_the_turn() -> None:
    def refuse(sentence: str) -> str:
        raise OSError("no")

    reply = [vox.respond(Talk("One.")), vox.map_sentences(refuse), vox.synthesize(VOICE)]
    told = conversation(clock(), HI + pad(100) + HI + pad(300) + "|", reply, "hi", "you")
    failed = [it.value for it in told if isinstance(it.value, rxv.TurnFailed)]
    assert [it.error.stage for it in failed] == ["map_sentences"] * 2
    assert isinstance(failed[0].error, StageError)


# What a recogniser knows


class Known(rxv.Transcript):
    """With the language, which is of no concern to anybody here."""

    __slots__ = ("language",)


def test_what_is_attached_to_a_transcript_reaches_the_speech() -> None:
    m = clock()
    known: list[Any] = []

    def hear(turns: Any) -> Any:
        def written(turn: rxv.Turn) -> Any:
            it = Known(turn, "hallo")
            object.__setattr__(it, "language", "de")
            known.append(it)
            return rx.just(it)

        return turns.pipe(ops.flat_map(written))

    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    talk = vox.converse(hear, vox.respond(Talk("Ja.")), vox.synthesize(VOICE), sink=speaker)
    turns = m.cold(HI + pad(200) + "|").pipe(vox.turn_window(rxv.silence(30)))
    speech = [it.value for it in m.record(turns.pipe(talk)) if isinstance(it.value, Speech)]
    assert all(it.reply.transcript is known[0] for it in speech)
    assert speech[0].reply.transcript.language == "de"


# Karaoke


def test_each_word_is_told_as_it_leaves_the_loudspeaker() -> None:
    scene = Scene(HI + pad(300) + "|", word_events=True)
    assert scene.only("Spoken") == [
        "70 Spoken 1 'One'",
        "110 Spoken 1 'two'",
        "120 Spoken 1 '.'",
        "170 Spoken 1 'Three'",
        "220 Spoken 1 'four'",
        "230 Spoken 1 '.'",
    ]


def test_a_word_that_was_not_heard_is_not_told() -> None:
    scene = Scene(
        HI + pad(400) + "|",
        word_events=True,
        interrupts=lambda m: m.cold("-----------N", {"N": None}),
    )
    assert scene.only("Spoken", "Interrupted") == [
        "70 Spoken 1 'One'",
        "110 Spoken 1 'two'",
        "110 Interrupted 1 'One two'",
    ]


def test_paused_words_wait() -> None:
    scene = Scene(HI + pad(80) + "~" * 20 + pad(600) + "|", "hi", "", word_events=True)
    spoken = scene.only("Spoken")
    assert spoken[2:4] == ["120 Spoken 1 '.'", "390 Spoken 1 'Three'"], CHAR


def test_the_text_of_a_turn_of_the_app_is_nobodys_question() -> None:
    scene = saying(pad(300) + "|", "-W", {"W": "Welcome."})
    assert scene.llm.asked == []
    (log,) = [it for it in scene.told if isinstance(it, rxv.FinishedTurn)]
    assert log == rxv.FinishedTurn(0, "", "Welcome.")
    assert scene.only("Saying") == ["10 Saying -1 'Welcome.'"]
    assert like(rxv.events.Saying, text="Welcome.") == next(
        it for it in scene.told if isinstance(it, rxv.events.Saying)
    )


def test_an_empty_text_leaves_no_message() -> None:
    scene = saying(pad(300) + "|", "-W", {"W": ""})
    assert scene.llm.history == []
    assert scene.heard == ""
    assert scene.lines[-1] == "300 completed"


def test_a_text_of_the_app_does_not_go_through_a_model_that_remembers_nothing() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    m.record(
        m.cold(pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(lambda text: "No."),
                vox.synthesize(VOICE),
                sink=speaker,
                says=m.cold("-W", {"W": "Welcome."}),
            ),
        )
    )
    assert decode(speaker.heard) == "Welcome."
