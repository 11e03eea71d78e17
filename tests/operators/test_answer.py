from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace as Some
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import FinishedTurn, Recognised, Reply, Speech, TimedSamples, Transcript
from rxvoice.errors import ConfigError, ModelTimeout
from rxvoice.events import Dropped, Notice, TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import failing
from rxvoice.turn import Turn, TurnWriter

BOOM = RuntimeError("no weights")


def spoken(id: int = 1, samples: int = 4) -> Turn:
    return Turn.of(np.full(samples, id / 16, np.float32), id=id)


def sound(n: int = 3) -> Any:
    return np.full(n, 0.25, np.float32)


class Run(Pushed):
    operator = staticmethod(vox.answer)

    @property
    def told(self) -> list[str]:
        """Each piece: its turn, samples and text; a full stop where it is final."""
        return [
            f"{it.turn.id} failed"
            if isinstance(it, TurnFailed)
            else f"{it.turn.id}."
            if it.final
            else f"{it.turn.id} {len(it.samples)} {it.text}".strip()
            for it in self.seen
        ]


def echoing(audio: Any) -> Iterator[Any]:
    yield "You said this."
    yield audio
    yield sound(len(audio) + 1)


TURNS = [spoken(1, 3), spoken(2, 4), spoken(3, 5)]


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_passes_the_battery(errors: Any) -> None:
    check_operator(
        lambda: vox.answer(echoing, errors=errors),
        elements=TURNS,
        failing=lambda error: vox.answer(failing(echoing, error=error), errors=errors),
        name="answer",
    )


def test_passes_the_battery_in_virtual_time() -> None:
    check_operator(
        lambda: vox.answer(lambda audio: rx.timer(0.05).pipe(rx.operators.map(lambda _: audio))),
        elements=TURNS,
        name="answer",
    )


def test_sound_and_text_in_pieces_and_a_final_one() -> None:
    turn = spoken()
    run = Run(lambda audio: ["One. ", sound(2), sound(3), "Two.", sound(4)]).push(turn, end=True)
    transcript = Transcript(turn, "")
    one, two = Reply(transcript, "One. "), Reply(transcript, "Two.")
    last = Reply(transcript, text="One. Two.", final=True)
    assert run.seen == [
        Speech(one, sound(2), 24_000, "One."),
        Speech(one, sound(3), 24_000, "One."),
        Speech(two, sound(4), 24_000, "Two."),
        Speech(last, sound(0), 24_000, final=True),
    ]
    assert [it.sentence.is_over for it in run.seen[:3]] == [True, True, True]
    assert run.seen[0].sentence is run.seen[1].sentence is not run.seen[2].sentence
    assert run.end == ["completed"]


def test_what_it_understood_is_the_transcript() -> None:
    known = Recognised(" hi ", language="en")
    run = Run(lambda audio: [sound(1), known, "Hello.", sound(2)]).push(spoken())
    assert [it.reply.transcript.text for it in run.seen] == ["", "hi", "hi"]
    assert run.seen[-1].reply.transcript.recognised is known
    assert all(it.reply.transcript.final for it in run.seen)
    assert run.seen[-1].reply.text == "Hello."
    run = Run(lambda audio: [sound(1), known, sound(2)]).push(spoken())
    assert [it.reply.transcript.text for it in run.seen] == ["", "hi", "hi"]


def test_in_a_plain_pipe_each_turn_is_logged() -> None:
    sink = rxv.sinks.memory()
    seen: list[Any] = []
    rx.of(*TURNS[:2]).pipe(
        vox.answer(lambda audio: [Recognised("hi"), "Hello.", sound()]), vox.play(sink)
    ).subscribe(seen.append)
    assert seen == [FinishedTurn(0, "hi", "Hello.")] * 2
    assert len(sink.samples) == 6


async def coroutine(audio: Any) -> Any:
    return sound()


async def async_generator(audio: Any) -> AsyncIterator[Any]:
    yield sound(1)
    yield sound(2)


class Model:
    sample_rate = 16_000

    def answer_turn(self, audio: Any) -> Any:
        return sound()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda audio: sound(), ["1 3", "1."]),
        (coroutine, ["1 3", "1."]),
        (async_generator, ["1 1", "1 2", "1."]),
        (lambda audio: rx.of(sound(1), sound(2)), ["1 1", "1 2", "1."]),
        (Model(), ["1 3", "1."]),
        (lambda audio: TimedSamples(sound(), ((2, 3),)), ["1 3", "1."]),
        (lambda audio: Some(audio=sound(), sample_rate=24_000, text="Hi."), ["1 3 Hi.", "1."]),
        (lambda audio: [Some(audio=None, text="Hi."), sound()], ["1 3 Hi.", "1."]),
        (lambda audio: [sound(0), sound(1)], ["1 1", "1."]),
        (lambda audio: [], ["1."]),
    ],
)
def test_every_shape(model: Any, told: list[str]) -> None:
    assert Run(model).push(spoken(), end=True).told == told


def test_the_rate_is_the_results_the_models_or_the_options() -> None:
    def rates(model: Any, **options: Any) -> list[int]:
        return [it.sample_rate for it in Run(model, **options).push(spoken()).seen]

    result = Some(audio=sound(), sample_rate=48_000)
    assert rates(lambda audio: [result, sound()]) == [48_000, 24_000, 24_000]
    assert rates(Model()) == [16_000, 16_000]
    assert rates(lambda audio: sound(), sample_rate=8_000) == [8_000, 8_000]


def test_words_with_times_are_kept() -> None:
    (speech, _) = Run(lambda audio: ["Hi.", TimedSamples(sound(), ((2, 3),))]).push(spoken()).seen
    assert (speech.text, speech.words) == ("Hi.", ((2, 3),))


def test_half_characters_of_two_pieces_are_one() -> None:
    run = Run(lambda audio: ["\ud83d", "\ude00 hi", sound()]).push(spoken())
    assert run.told == ["1 3 \U0001f600 hi", "1."]
    run = Run(lambda audio: ["hi \ud83d", sound()]).push(spoken())
    assert run.seen[-1].reply.text == "hi \ufffd"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "wanted pieces of float32 samples of shape (n,), got None"),
        (b"RIFF", "wanted pieces of float32 samples"),
        ((sound(), 24_000), "their rate as the synthesizer's sample_rate"),
        (np.zeros((2, 4), np.float32), "shape"),
        (np.zeros(4, np.int16), "int16"),
        (Some(audio=None, text=None), "wanted pieces of float32 samples"),
        (Some(audio=sound(), sample_rate=0), "the sample_rate of a result must be at least 1 Hz"),
    ],
)
def test_anything_else_fails_its_turn_and_says_why(answer: Any, message: str) -> None:
    run = Run(lambda audio: answer if len(audio) == 4 else sound())
    run.push(spoken(1), spoken(2, 5), end=True)
    assert run.told == ["1 failed", "2 3", "2."]
    assert message in str(run.seen[0].error)


def test_text_and_no_sound_is_told() -> None:
    run = Run(lambda audio: "Hello.").push(spoken())
    notice, last = run.seen
    assert notice == Notice("the model gave text and no sound", turn=spoken(), stage="answer")
    assert last.reply.text == "Hello."
    assert [type(it) for it in Run(lambda audio: []).push(spoken()).seen] == [Speech]


def test_a_notice_of_the_model_passes_with_its_turn() -> None:
    run = Run(lambda audio: [Notice("thought"), sound()]).push(spoken())
    assert run.seen[0] == Notice("thought", turn=spoken(), stage="answer")


def test_a_turn_is_answered_once_it_has_ended() -> None:
    writer = TurnWriter(1, 0, 16_000)
    asked: list[int] = []

    def model(audio: Any) -> Any:
        asked.append(len(audio))
        return sound()

    run = Run(model).push(writer.turn)
    writer.append(rxv.AudioChunk(sound(4), speech=True))
    assert asked == []
    writer.append(rxv.AudioChunk(sound(4), start=4, speech=True))
    writer.close("policy", 2)
    assert asked == [8]
    assert run.told == ["1 3", "1."]


def test_a_discarded_turn_is_not_answered() -> None:
    writer = TurnWriter(1, 0, 16_000)
    run = Run(failing(echoing, error=BOOM)).push(writer.turn)
    writer.close("discarded", 1)
    assert run.seen == [Dropped(writer.turn, "discarded")]


def test_a_turn_that_failed_fails_here() -> None:
    writer = TurnWriter(1, 0, 16_000)
    run = Run(echoing).push(writer.turn, spoken(2))
    writer.fail(StageError("turn_window", writer.turn, BOOM))
    assert run.told == ["1 failed", "2 4 You said this.", "2 5 You said this.", "2."]


def test_a_model_that_is_silent_for_too_long_fails_its_turn() -> None:
    scheduler = TestScheduler()
    run = Run(lambda audio: rx.never(), scheduler=scheduler, timeout_ms=500).push(spoken())
    scheduler.advance_to(0.499)
    assert run.seen == []
    scheduler.advance_to(0.5)
    (failed,) = run.seen
    assert isinstance(failed.error.cause, ModelTimeout)


def test_left_in_the_middle_the_model_is_closed() -> None:
    closed: list[bool] = []

    def model(audio: Any) -> Iterator[Any]:
        try:
            while True:
                yield sound()
        finally:
            closed.append(True)

    source: Subject[Turn] = Subject()
    life: Any = None
    life = source.pipe(vox.answer(model)).subscribe(lambda speech: life.dispose())
    source.on_next(spoken())
    assert closed == [True]


def test_a_bad_slot_or_argument_is_refused_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with answer_turn\(...\) or a"):
        vox.answer(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="answer sample_rate must be at least 1 Hz, got 0"):
        vox.answer(echoing, sample_rate=0)
    with pytest.raises(ConfigError, match="answer timeout_ms must be"):
        vox.answer(echoing, timeout_ms=0)
    with pytest.raises(ConfigError, match='answer errors must be "event" or "raise"'):
        vox.answer(echoing, errors="no")  # type: ignore[arg-type]


def test_it_says_that_it_speaks() -> None:
    assert getattr(vox.answer(echoing), "speaks", None) is True
