"""Turn-taking as people speak: noises, short answers, backchannels, long turns, and the sink's end.

The clock is that of `test_converse`: the turn is over at 40 ms, "One two." is heard from 40 to
120 ms and "Three four." to 230 ms.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from interruption_kit import RATE, VOICE, Scene, Talk, clock, decode
from reactivex import Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.testing import (
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    turn,
)

HI = "~~___"
ALL = "One two.Three four."


def pad(ms: int) -> str:
    return "_" * (ms // 10)


# A noise never ends a reply


@pytest.mark.parametrize("noise", [200, 400, 2_000])
def test_a_noise_over_a_reply_pauses_it_and_no_more(noise: int) -> None:
    scene = Scene(HI + pad(80) + "~" * (noise // 10) + pad(600) + "|", "hi", "")
    over = 130 + noise + 20
    assert scene.lines[5:9] == [
        "130 Candidate 2",
        "130 Paused 1",
        f"{over} Transcribed 2 ''",
        f"{over} Dropped 2 no_words",
    ]
    assert scene.only("Resumed") == [f"{over} Resumed 1 no_words"]
    assert scene.heard == ALL, "with the very next sample"
    assert scene.llm.told == []


def test_a_noise_of_two_seconds_while_thinking_leaves_the_question_to_be_answered() -> None:
    llm = Talk("One two.", every_ms=300)
    scene = Scene(HI + "_" + "~" * 200 + pad(600) + "|", "hi", "", llm=llm)
    assert scene.llm.asked == ["hi"]
    assert scene.heard == "One two."
    assert scene.only("Finished") == ["2160 Finished 1 'One two.'"]


def test_the_reply_that_is_kept_goes_on_being_made() -> None:
    llm = Talk(["One two.\n", "Three four."], every_ms=100)
    scene = Scene(HI + pad(150) + "~" * 40 + pad(900) + "|", "hi", "", llm=llm)
    assert scene.only("ReplyDelta")[1] == "240 ReplyDelta 1 'Three four.'", "while it is paused"
    assert scene.heard == ALL


def test_the_pause_for_a_recogniser_of_whole_turns_is_bounded() -> None:
    scene = Scene(HI + pad(80) + "~" * 40 + pad(600) + "|", "hi", "stop it", hold_ms=200)
    assert scene.only("Paused", "Resumed", "Finished", "Interrupted") == [
        "130 Paused 1",
        "330 Resumed 1 too_long",
        "430 Finished 1 'One two. Three four.'",
        "740 Finished 2 'One two. Three four.'",
    ]
    assert scene.llm.asked == ["hi", "stop it"], "and it is answered all the same"


def test_min_words_mean_the_same_for_a_recogniser_of_whole_turns() -> None:
    few = Scene(HI + pad(80) + "~" * 20 + pad(500) + "|", "hi", "right", min_words=2)
    assert few.only("Dropped") == ["350 Dropped 2 no_words"]
    enough = Scene(HI + pad(80) + "~" * 20 + pad(500) + "|", "hi", "right then", min_words=2)
    assert enough.only("Confirmed") == ["350 Confirmed 2"]


# A cough is short


def test_playback_goes_on_after_300_ms_of_quiet_though_the_turn_is_not_over() -> None:
    mic = HI + pad(80) + "~" * 12 + pad(1200) + "|"
    scene = Scene(mic, "hi", "no", silence_ms=800)
    assert scene.only("Paused", "Resumed", "TurnEnded", "Dropped", "Confirmed") == []
    late = Scene(
        HI + pad(900) + "~" * 12 + pad(1200) + "|", llm=Talk("x" * 80 + "."), silence_ms=800
    )
    assert late.only("Paused", "Resumed", "Dropped") == [
        "950 Paused 1",
        "1360 Resumed 1 quiet",
        "1860 Dropped 2 short",
    ]


def test_speech_after_the_quiet_pauses_it_again() -> None:
    mic = HI + pad(900) + "~" * 12 + pad(400) + "~" * 20 + pad(1200) + "|"
    scene = Scene(mic, "hi", "stop", llm=Talk("x" * 200 + "."), silence_ms=800)
    assert scene.only("Paused", "Resumed", "Confirmed") == [
        "950 Paused 1",
        "1360 Resumed 1 quiet",
        "1470 Paused 1",
        "2460 Confirmed 2",
    ]


# Short answers, in every script


@pytest.mark.parametrize("word", ["yes", "да", "네", "是", "え", "7", "ใช่"])
def test_a_short_answer_right_after_a_question_is_one(word: str) -> None:
    scene = Scene(HI + pad(300) + "~" * 15 + pad(500) + "|", "hi", word)
    assert scene.only("Candidate", "Dropped") == ["350 Candidate 2"]
    assert scene.llm.asked == ["hi", word]


def test_a_short_stop_while_thinking_is_heard() -> None:
    llm = Talk("One.", "Fine.", every_ms=800)
    scene = Scene(HI + "_" + "~" * 15 + pad(1500) + "|", "hi", "stop", llm=llm)
    assert scene.llm.asked == ["hi", "stop"]


def test_a_short_stop_over_the_voice_wants_a_stop_word() -> None:
    mic = HI + pad(80) + "~" * 15 + pad(600) + "|"
    assert Scene(mic, "hi", "stop").llm.asked == ["hi"]
    assert Scene(mic, "hi", "stop", stop_words=("stop",)).llm.asked == ["hi", "stop"]


def test_a_stop_word_is_that_word_in_every_script() -> None:
    mic = HI + pad(80) + "~" * 15 + pad(600) + "|"
    assert Scene(mic, "hi", "रुका", stop_words=("रुको",)).llm.asked == ["hi"]
    assert Scene(mic, "hi", "रुको", stop_words=("रुको",)).llm.asked == ["hi", "रुको"]


def test_one_word_of_many_marks_is_one_word() -> None:
    mic = HI + pad(80) + "~" * 20 + pad(600) + "|"
    assert Scene(mic, "hi", "नमस्ते", min_words=2).llm.asked == ["hi"]
    assert Scene(mic, "hi", "नमस्ते दोस्त", min_words=2).llm.asked == ["hi", "नमस्ते दोस्त"]


# Own words and backchannels


def test_own_words_are_an_answer_with_headphones() -> None:
    llm = Talk("Tea or coffee? I can make both, just say so.", "Fine.")
    mic = HI + pad(140) + "~" * 20 + pad(900) + "|"
    assert Scene(mic, "hi", "coffee", llm=llm).only("Dropped") == ["410 Dropped 2 echo"]
    headphones = Scene(
        mic, "hi", "coffee", llm=Talk("Tea or coffee? I can make both.", "Fine."), own_words=False
    )
    assert headphones.llm.asked == ["hi", "coffee"]


BACK = ("mhm", "uh-huh", "I see")


@pytest.mark.parametrize("said", ["Mhm.", "uh-huh", "mhm, mhm", "I see, uh-huh!"])
def test_backchannels_never_interrupt_alone(said: str) -> None:
    scene = Scene(HI + pad(80) + "~" * 20 + pad(600) + "|", "hi", said, backchannels=BACK)
    assert scene.only("Dropped", "Resumed") == [
        "350 Dropped 2 backchannel",
        "350 Resumed 1 backchannel",
    ]
    assert scene.heard == ALL


def test_a_backchannel_with_more_behind_it_interrupts() -> None:
    scene = Scene(HI + pad(80) + "~" * 20 + pad(600) + "|", "hi", "mhm but why", backchannels=BACK)
    assert scene.llm.asked == ["hi", "mhm but why"]


def test_a_backchannel_after_the_reply_is_an_answer() -> None:
    scene = Scene(HI + pad(300) + "~" * 15 + pad(500) + "|", "hi", "mhm", backchannels=BACK)
    assert scene.llm.asked == ["hi", "mhm"]


def test_a_backchannel_in_partial_transcripts() -> None:
    stt = FakeStreamingTranscriber("hi", "mhm go on please")
    scene = Scene(HI + pad(80) + "~" * 20 + pad(600) + "|", stt=stt, backchannels=BACK)
    confirmed = scene.only("Confirmed")
    assert len(confirmed) == 1, "by the words that follow"
    assert scene.only("Dropped") == []


# Long turns


def long_turn(most_ms: int, mic: str, *texts: str, **options: Any) -> tuple[Talk, list[str]]:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("One two. Three four.", "Yes.", every_ms=options.pop("every_ms", 100))
    told = m.record(
        m.cold(mic).pipe(
            vox.turn_window(rxv.silence(30), max_duration_ms=most_ms),
            vox.converse(
                vox.transcribe(FakeTranscriber(*texts)),
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=speaker,
                **options,
            ),
        )
    )
    dropped = [it.value.reason for it in told if isinstance(it.value, rxv.events.Dropped)]
    return llm, dropped


def test_the_end_of_an_utterance_that_was_cut_at_the_longest_is_not_too_short() -> None:
    """2,050 ms of speech: 2,000 are the first turn, and 50 the next, with a reply pending."""
    llm, dropped = long_turn(2_000, "~" * 205 + pad(600) + "|", "tell me", "a story")
    assert dropped == []
    assert llm.asked == ["tell me", "a story"]


def test_a_long_speaker_gets_through_where_no_turn_may_be_as_long_as_speech_must() -> None:
    mic = HI + pad(60) + "~" * 45 + pad(600) + "|"
    llm, dropped = long_turn(100, mic, "hi", "one", "two", "three", "four", "five", "six")
    assert dropped == []
    assert " ".join(llm.asked).split()[:3] == ["hi", "one", "two"]


# Warm-up


def test_a_sentence_in_the_warm_up_is_judged_when_its_turn_is_over() -> None:
    scene = Scene(HI + "~" * 20 + pad(600) + "|", "hi", "wait", warm_up_ms=300)
    assert scene.only("Paused", "Dropped", "Confirmed") == ["270 Confirmed 2"]
    assert scene.llm.asked == ["hi", "wait"]


# Heard is what was heard


def test_a_first_sentence_in_pieces_is_not_heard_whole_after_a_fraction() -> None:
    """A long sentence in pieces, slower than playback: 400 of 2,800 ms are heard."""
    text = "This is a sentence of many words that takes quite a while to be spoken by anyone."
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=16_000)
    llm = Talk(text)
    voice = FakeSynthesizer(samples_per_char=560, sample_rate=16_000, pieces=7, every_ms=500)
    m.record(
        m.cold(HI + pad(3000) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.synthesize(voice),
                sink=speaker,
                interrupts=m.cold("-" * 100 + "N", {"N": None}),
            ),
        )
    )
    (heard,) = llm.told
    share = len(speaker.heard) / (560 * len(text))
    assert 0 < share < 0.2
    assert 0 < len(heard) <= share * len(text) * 1.1


def test_a_voice_without_a_sound_was_not_heard() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("One two.")
    told = m.record(
        m.cold(HI + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.synthesize(lambda text: []),
                sink=speaker,
            ),
        )
    )
    (log,) = [it.value for it in told if isinstance(it.value, rxv.FinishedTurn)]
    assert log.assistant_text == ""
    assert llm.told == [""]
    assert llm.history == [("user", "hi")]


def test_a_second_conversation_does_not_count_the_sound_of_the_first() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    speaker.write_samples(VOICE.sound("Somebody else is still talking."))
    llm = Talk("One two. Three four.")
    m.record(
        m.cold(HI + pad(900) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=speaker,
                interrupts=m.cold("-" * 15 + "N", {"N": None}),
            ),
        )
    )
    assert llm.told == [""], "at 150 ms the other sound was still being heard"
    assert decode(speaker.heard) == "Somebody else i"


def test_the_log_of_the_turn_that_interrupts_says_so() -> None:
    scene = Scene(HI + pad(80) + "~" * 20 + pad(600) + "|", "hi", "stop it")
    logs = [it for it in scene.told if isinstance(it, rxv.FinishedTurn)]
    assert [(it.user_text, it.barge_in_observed, it.interrupted) for it in logs] == [
        ("hi", False, True),
        ("stop it", True, False),
    ]


# Turns


def test_the_end_of_a_turn_is_told_with_its_position() -> None:
    scene = Scene(pad(100) + HI + pad(200) + "|")
    (ended,) = [it.value for it in scene.recorded if isinstance(it.value, rxv.events.TurnEnded)]
    assert (ended.turn.id, ended.position) == (1, 150)
    assert ended.as_json() == {"event": "turn_ended", "turn": 1, "position": 150}


def test_typed_turns_have_ids_of_their_own() -> None:
    typed = {"A": "first", "B": "second"}
    scene = Scene(pad(900) + "|", interrupts=lambda m: m.cold("--A" + "-" * 40 + "B", typed))
    ids = [it.value.turn.id for it in scene.recorded if isinstance(it.value, rxv.events.TurnOpened)]
    assert ids == [-1, -2]


def test_nothing_is_told_of_a_turn_after_it_was_interrupted() -> None:
    stt = FakeTranscriber("what is", "the time", after_ms=200)
    press = {"N": None}
    scene = Scene(
        HI + "_" + HI + pad(900) + "|", stt=stt, interrupts=lambda m: m.cold("-----N", press)
    )
    first = [line for line in scene.lines if line.split()[2:3] == ["1"]]
    assert first == ["0 TurnOpened 1", "50 Interrupted 1 ''"]
    assert scene.llm.asked == ["what is the time"]


# The sink


def failing_once(method: str) -> Any:
    """A loudspeaker, one of whose methods raises at its first call."""

    class Failing(FakeSpeaker):
        def end_reply(self) -> None: ...

    working = getattr(Failing, method)
    failed: list[str] = []

    def call(speaker: Any, *args: Any) -> Any:
        if not failed:
            failed.append(method)
            raise OSError(f"{method} failed")
        return working(speaker, *args)

    setattr(Failing, method, call)
    return lambda m: Failing(m.scheduler, sample_rate=RATE)


@pytest.mark.parametrize("method", ["write_samples", "end_reply", "set_sample_rate"])
def test_a_sink_that_fails_while_it_is_written_to_fails_that_turn_and_no_more(method: str) -> None:
    scene = Scene(HI + pad(100) + HI + pad(600) + "|", "hi", "again", sink=failing_once(method))
    assert scene.only("TurnFailed", "Finished") == [
        "40 TurnFailed 1 converse",
        "380 Finished 2 'One two. Three four.'",
    ]
    assert scene.llm.told == [""]
    assert scene.lines[-1].endswith("completed")


@pytest.mark.parametrize("method", ["pause", "resume", "clear"])
def test_a_sink_that_fails_while_a_candidate_is_judged_is_not_left_paused(method: str) -> None:
    scene = Scene(
        HI + pad(80) + "~" * 20 + pad(600) + "|", "hi", "stop it", sink=failing_once(method)
    )
    assert not scene.speaker.paused
    assert scene.llm.asked == ["hi", "stop it"]
    assert scene.lines[-1].endswith("completed")


def test_a_sink_that_takes_nothing_fails_each_turn_and_the_session_goes_on() -> None:
    class Stalled(FakeSpeaker):
        def write_samples(self, samples: rxv.Samples, /) -> int:
            return 0

    scene = Scene(
        HI + pad(100) + HI + pad(300) + "|",
        "hi",
        "again",
        sink=lambda m: Stalled(m.scheduler, sample_rate=RATE),
    )
    failed = [it for it in scene.told if isinstance(it, rxv.TurnFailed)]
    assert [it.turn.id for it in failed] == [1, 2]
    assert "the sink took 0 of" in str(failed[0].error)


@pytest.mark.parametrize("behind", ["play", "sink"])
def test_nothing_that_writes_belongs_behind_it(behind: str) -> None:
    sink = rxv.sinks.memory()
    said = rx.of(turn("~~")).pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(Talk("One.")),
            vox.synthesize(VOICE),
            sink=rxv.sinks.null(),
        )
    )
    errors: list[Exception] = []
    if behind == "play":
        said.pipe(vox.play(sink)).subscribe(on_error=errors.append)
        assert len(errors) == 1
        assert isinstance(errors[0], ConfigError)
        assert "behind converse(), which writes to its sink itself" in str(errors[0])
    else:
        with pytest.raises(ConfigError, match=r"behind converse\(\), which writes"):
            said.subscribe(sink)
    assert len(sink.samples) == 0


def test_what_drops_or_changes_elements_behind_it_changes_nothing() -> None:
    """It owns its sink: no `FinishedTurn`, no `Speech` need come anywhere."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("One two. Three four.")
    told = m.record(
        m.cold(HI + pad(130) + "~" * 20 + pad(600) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi", "stop")),
                vox.respond(llm),
                vox.synthesize(VOICE),
                sink=speaker,
            ),
            rx.operators.filter(lambda it: isinstance(it, rxv.events.Finished)),
        )
    )
    assert [it.kind for it in told] == ["next", "completed"]
    assert llm.told == ["One two. Three"]


def test_speech_that_is_changed_inside_is_what_is_counted() -> None:
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("One two. Three four.")

    def twice_as_fast(it: Any) -> Any:
        from dataclasses import replace

        return replace(it, samples=it.samples[::2]) if isinstance(it, rxv.Speech) else it

    m.record(
        m.cold(HI + pad(600) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hi")),
                vox.respond(llm),
                vox.synthesize(VOICE),
                rx.operators.map(twice_as_fast),
                sink=speaker,
                interrupts=m.cold("-" * 9 + "N", {"N": None}),
            ),
        )
    )
    assert llm.told == ["One two."], "50 of the 55 samples that half of both sentences have"


def test_disposal_during_a_reply_tells_the_model_what_was_heard_on_any_scheduler() -> None:
    """Without a scheduler too: the source stays open, and the subscription is disposed."""
    source: Subject[Any] = Subject()
    sink = rxv.sinks.memory()
    told: list[str] = []

    class Model:
        def respond(self, text: str) -> Any:
            return rx.concat(rx.of("One two.\n"), rx.never())

        def heard(self, text: str) -> None:
            told.append(text)

    life = source.pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(Model()),
            vox.synthesize(VOICE),
            sink=sink,
        )
    ).subscribe()
    source.on_next(turn("~~"))
    life.dispose()
    assert told == ["One two."]
    assert np.array_equal(sink.samples, VOICE.sound("One two."))


def test_the_sink_learns_that_a_reply_was_written_to_its_end() -> None:
    """Once for each reply, when its last piece was written, and before that was heard."""
    ends: list[tuple[int, int]] = []

    class Loudspeaker(FakeSpeaker):
        def end_reply(self) -> None:
            ends.append((len(self._taken), self.position))

    llm = Talk(["One two.\n", "Three four."], every_ms=50)
    scene = Scene(
        HI + pad(500) + HI + pad(400) + "|",
        "hi",
        "again",
        llm=llm,
        sink=lambda m: Loudspeaker(m.scheduler, sample_rate=RATE),
    )
    assert scene.heard == ALL * 2
    assert ends == [(190, 50), (380, 240)]


def test_without_a_scheduler_its_timers_have_a_thread_of_their_own() -> None:
    """Nobody drives it: the source is silent, and `Idle` comes all the same."""
    idle = threading.Event()
    where: list[str] = []

    def on_next(element: Any) -> None:
        if isinstance(element, rxv.events.Idle):
            where.append(threading.current_thread().name)
            idle.set()

    source: Subject[Any] = Subject()
    life = source.pipe(
        vox.converse(
            vox.transcribe(FakeTranscriber("hi")),
            vox.respond(Talk("One.")),
            vox.synthesize(VOICE),
            sink=rxv.sinks.null(),
            idle_ms=5,
        )
    ).subscribe(on_next)
    source.on_next(turn("~~"))
    # On a busy machine it may be due while this thread is in the conversation, which then tells it.
    is_due = idle.is_set()
    assert idle.wait(30)
    assert is_due or where != [threading.current_thread().name]
    life.dispose()


def test_a_question_that_the_responder_does_not_answer_is_told_and_over() -> None:
    """``min_chars`` of `respond` within a conversation: the next turn is answered."""
    m = clock()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    llm = Talk("Yes.")
    told = m.record(
        m.cold(HI + pad(600) + HI + pad(300) + "|").pipe(
            vox.turn_window(rxv.silence(30)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hm", "hello")),
                vox.respond(llm, min_chars=3),
                vox.synthesize(VOICE),
                sink=speaker,
            ),
        )
    )
    kinds = (rxv.events.Dropped, rxv.events.Finished, rxv.FinishedTurn)
    seen = [(it.ms, type(it.value).__name__) for it in told if isinstance(it.value, kinds)]
    assert seen == [(40, "Dropped"), (730, "FinishedTurn"), (730, "Finished")]
    assert llm.asked == ["hello"]
