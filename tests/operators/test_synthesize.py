from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex.disposable import CompositeDisposable
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice._text.segmenter import Segmenter
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Notice, TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeResponder, FakeSynthesizer, failing
from rxvoice.turn import Turn

BOOM = RuntimeError("no voice")


def said(id: int = 1) -> Transcript:
    return Transcript(Turn.of(np.zeros(4, np.float32), id=id), "hi")


def replies(*deltas: str, id: int = 1) -> list[Reply]:
    transcript = said(id)
    pieces = [Reply(transcript, delta) for delta in deltas]
    return [*pieces, Reply(transcript, text="".join(deltas), final=True)]


class Run(Pushed):
    """Replies, pushed by hand, and the speech that comes of them."""

    operator = staticmethod(vox.synthesize)

    @property
    def texts(self) -> list[str]:
        """Each piece of speech: turn and text, or a full stop where it is final."""
        return [
            f"{it.turn.id} failed"
            if isinstance(it, TurnFailed)
            else f"{it.turn.id} {'.' if it.final else it.text}"
            for it in self.seen
        ]


def voice(text: str) -> Any:
    return np.full(len(text), 0.25, np.float32)


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_passes_the_battery(errors: Any) -> None:
    check_operator(
        lambda: vox.synthesize(voice, errors=errors),
        elements=[*replies("One. Tw", "o."), *replies("Three.", id=2), *replies(id=3)],
        failing=lambda error: vox.synthesize(failing(voice, error=error), errors=errors),
        name="synthesize",
    )


def test_passes_the_battery_in_virtual_time() -> None:
    check_operator(
        lambda: vox.synthesize(FakeSynthesizer(pieces=2, every_ms=20)),
        elements=[*replies("One. Tw", "o."), *replies("Three.", id=2)],
        name="synthesize",
    )


def test_sentence_by_sentence_then_a_final_one_without_samples() -> None:
    given = replies("One. ", "Two. ", "Three.")
    tts = FakeSynthesizer()
    run = Run(tts).push(*given, end=True)
    assert run.seen == [
        Speech(given[1], tts.sound("One."), 24_000, "One."),
        Speech(given[2], tts.sound("Two."), 24_000, "Two."),
        Speech(given[3], tts.sound("Three."), 24_000, "Three."),
        Speech(given[3], np.empty(0, np.float32), 24_000, final=True),
    ]
    assert run.seen[0].reply is given[1]
    assert run.end == ["completed"]


async def coroutine(text: str) -> Any:
    return voice(text)


async def async_generator(text: str) -> AsyncIterator[Any]:
    yield voice(text)[:1]
    yield voice(text)[1:]


def generator(text: str) -> Iterator[Any]:
    yield voice(text)[:1]
    yield voice(text)[1:]


@pytest.mark.parametrize(
    ("tts", "pieces"),
    [
        (voice, 1),
        (coroutine, 1),
        (generator, 2),
        (async_generator, 2),
        (lambda text: [voice(text)], 1),
        (lambda text: rx.of(voice(text)[:1], voice(text)[1:]), 2),
    ],
    ids=["value", "coroutine", "generator", "async generator", "list", "observable"],
)
@pytest.mark.parametrize("where", ["here", "loop", "worker"])
def test_every_shape_of_answer(tts: Any, pieces: int, where: str) -> None:
    given = replies("One. Two.")

    async def inside() -> Run:
        run = Run(tts).push(*given, end=True)
        while not run.end:
            await asyncio.sleep(0)
        return run

    if where == "loop":
        run = asyncio.run(inside())
    elif where == "worker":
        scheduler = TestScheduler()
        run = Run(tts, worker=scheduler, scheduler=scheduler).push(*given, end=True)
        scheduler.start()
    else:
        run = Run(tts).push(*given, end=True)
    assert run.texts == ["1 One."] * pieces + ["1 Two."] * pieces + ["1 ."]
    joined = np.concatenate([speech.samples for speech in run.seen])
    assert np.array_equal(joined, voice("One.Two."))
    assert run.end == ["completed"]


def test_an_array_of_another_library_passes_as_it_is() -> None:
    class Array:
        """As those of a library that numpy does not know."""

        shape = (3,)
        dtype = "some.bfloat16"

        def tolist(self) -> list[float]:
            return [0.5, 0.25, -1.0]

    (speech, _) = Run(lambda text: Array()).push(*replies("One.")).seen
    assert speech.samples.dtype == np.float32
    assert speech.samples.tolist() == [0.5, 0.25, -1.0]


def test_pieces_without_samples_are_dropped_and_no_sound_at_all_is_told_once_a_reply() -> None:
    tts = FakeSynthesizer(samples_per_char=0)
    first, second = replies("One. Two."), replies("Three.", id=2)
    run = Run(tts).push(*first, *second)
    told = "the synthesizer gave no sound for "
    assert run.seen == [
        Notice(f"{told}'One.'", turn=first[0].turn, stage="synthesize"),
        Speech(first[1], np.empty(0, np.float32), 24_000, final=True),
        Notice(f"{told}'Three.'", turn=second[0].turn, stage="synthesize"),
        Speech(second[1], np.empty(0, np.float32), 24_000, final=True),
    ]
    assert tts.spoken == ["One.", "Two.", "Three."]


def test_a_sentence_with_some_sound_is_no_silent_one() -> None:
    pieces = [np.empty(0, np.float32), voice("x"), np.empty(0, np.float32)]
    assert Run(lambda text: pieces).push(*replies("One.")).texts == ["1 One.", "1 ."]


def test_of_what_cannot_be_said_no_sound_is_missed() -> None:
    seen = Run(FakeSynthesizer()).push(*replies("!!!\n...\n")).seen
    assert [type(it) for it in seen] == [Speech]


def test_nothing_to_say() -> None:
    tts = FakeSynthesizer()
    assert Run(tts).push(*replies(), *replies(" ", "\n", id=2)).texts == ["1 .", "2 ."]
    assert tts.spoken == []


def test_a_megabyte_in_one_piece_is_cut_as_it_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    step = Segmenter._step

    def counted(self: Segmenter, char: str) -> None:
        nonlocal read
        read += 1
        step(self, char)

    monkeypatch.setattr(Segmenter, "_step", counted)
    worker = TestScheduler()
    spoken: list[str] = []

    def tts(text: str) -> Any:
        spoken.append(text)
        if len(spoken) == 100:
            run.life.dispose()
        return voice(text)

    run = Run(tts, worker=worker, scheduler=worker)
    text = "One. Two. ?! ?! ?! " * 50_000
    run.push(*replies(text), end=True)
    assert read < 20  # up to the first sentence: the loop that pushed it is free again
    worker.start()
    assert len(spoken) == 100
    assert read < 2_000


@pytest.mark.parametrize("where", ["here", "worker"])
def test_very_many_sentences_in_one_piece(where: str) -> None:
    worker = TestScheduler() if where == "worker" else None
    given = replies("A sentence. " * 5_000)
    run = Run(voice, worker=worker, scheduler=worker).push(*given, end=True)
    if worker:
        worker.start()
    assert run.texts == ["1 A sentence."] * 5_000 + ["1 ."]
    assert all(it.reply is given[0] for it in run.seen[:-2])
    assert run.end == ["completed"]


def test_a_subscriber_that_raises_costs_no_more_than_the_rest_of_its_sentence() -> None:
    source: Subject[Reply] = Subject()
    seen: list[str] = []

    def heard(speech: Any) -> None:
        seen.append(speech.text)
        if len(seen) == 1:
            raise BOOM

    source.pipe(vox.synthesize(lambda text: [voice(text)] * 2)).subscribe(heard)
    first, last = replies("One. Two. Three. ")
    with pytest.raises(RuntimeError, match="no voice"):
        source.on_next(first)
    source.on_next(last)
    assert seen == ["One.", "Two.", "Two.", "Three.", "Three.", ""]


def test_the_first_sentence_is_spoken_before_the_second_is_written() -> None:
    log: list[str] = []

    def llm(text: str) -> Iterator[str]:
        for piece in ("One", ". ", "T", "wo", "."):
            log.append(f"wrote {piece!r}")
            yield piece

    def tts(text: str) -> Any:
        log.append(f"spoke {text!r}")
        return voice(text)

    source: Subject[Transcript] = Subject()
    source.pipe(vox.respond(llm), vox.synthesize(tts)).subscribe()
    source.on_next(said())
    assert log == [
        "wrote 'One'",
        "wrote '. '",
        "wrote 'T'",
        "spoke 'One.'",
        "wrote 'wo'",
        "wrote '.'",
        "spoke 'Two.'",
    ]


def test_writing_and_speaking_in_virtual_time() -> None:
    scheduler = TestScheduler()
    source: Subject[Transcript] = Subject()
    seen: list[tuple[int, str]] = []
    llm = FakeResponder(["One. ", "Two. ", "Three."], every_ms=100)
    source.pipe(vox.respond(llm), vox.synthesize(FakeSynthesizer(every_ms=250))).subscribe(
        lambda speech: seen.append((round(scheduler.clock * 1000), speech.text)),  # type: ignore[arg-type,operator]
        scheduler=scheduler,
    )
    source.on_next(said())
    scheduler.start()
    assert seen == [(450, "One."), (700, "Two."), (950, "Three."), (950, "")]


def test_the_sentence_left_over_belongs_to_its_own_reply() -> None:
    run = Run(voice).push(*replies("No end"), *replies("An end.", id=2))
    assert run.texts == ["1 No end", "1 .", "2 An end.", "2 ."]


def test_what_a_failed_responder_left_unfinished_is_not_spoken() -> None:
    begun = Reply(said(1), "One. Tw")
    failed = TurnFailed(begun.turn, StageError("respond", begun.turn, BOOM))
    run = Run(voice).push(begun, failed, *replies("Three.", id=2))
    assert run.texts == ["1 One.", "1 failed", "2 Three.", "2 ."]
    assert run.seen[1] is failed


def test_a_failure_skips_the_rest_of_that_reply_only() -> None:
    tts = FakeSynthesizer()
    run = Run(failing(tts, "synthesize_stream", at=2, error=BOOM)).push(
        *replies("One. ", "Two. ", "Three. ", "Four."), *replies("Five.", id=2), end=True
    )
    assert run.texts == ["1 One.", "1 failed", "2 Five.", "2 ."]
    assert tts.spoken == ["One.", "Five."]
    error = run.seen[1].error
    assert isinstance(error, StageError)
    assert str(error) == "synthesize (turn 1) failed: RuntimeError: no voice"
    assert error.cause is BOOM
    assert run.end == ["completed"]


def test_a_failure_in_the_middle_of_a_sentence() -> None:
    def tts(text: str) -> Iterator[Any]:
        yield voice(text)
        if text == "Two.":
            raise BOOM

    run = Run(tts).push(*replies("One. Two. Three."), *replies("Four.", id=2))
    assert run.texts == ["1 One.", "1 Two.", "1 failed", "2 Four.", "2 ."]


def test_a_turn_fails_once() -> None:
    begun = Reply(said(1), "One. Two. T")
    upstream = TurnFailed(begun.turn, StageError("respond", begun.turn, BOOM))
    run = Run(failing(voice)).push(begun, upstream)
    assert run.texts == ["1 failed"]
    assert run.seen[0].error.stage == "synthesize"


def test_errors_raise_ends_the_stream() -> None:
    run = Run(failing(voice, at=2, error=BOOM), errors="raise").push(
        *replies("One. Two. Three."), *replies("Four.", id=2)
    )
    assert run.texts == ["1 One."]
    (error,) = run.end
    assert isinstance(error, StageError)
    assert error.cause is BOOM
    assert run.source.observers == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [0.1, 0.2],
        np.array(0.5, np.float32),
        np.zeros((1, 8), np.float32),
        np.zeros(8, np.int16),
        np.full(8, np.nan, np.float32),
    ],
    ids=["None", "floats", "0-d", "2-D", "int16", "nan"],
)
def test_an_answer_that_is_no_audio_fails_its_turn(answer: Any) -> None:
    assert Run(lambda text: answer).push(*replies("One.")).texts == ["1 failed"]


def test_other_floats_become_float32() -> None:
    (spoken, _) = Run(lambda text: np.full(3, 0.25)).push(*replies("One.")).seen
    assert spoken.samples.dtype == np.float32
    assert spoken.samples.tolist() == [0.25] * 3


def test_the_rate_is_the_synthesizers_own() -> None:
    assert (
        Run(FakeSynthesizer(sample_rate=16_000)).push(*replies("A.")).seen[0].sample_rate == 16_000
    )
    assert Run(voice).push(*replies("A.")).seen[0].sample_rate == 24_000
    assert Run(voice, sample_rate=8_000).push(*replies("A.")).seen[-1].sample_rate == 8_000


def test_the_first_clause_alone() -> None:
    given = replies("Well then, it is five. Or six, maybe, or seven.")
    run = Run(voice, first_clause_chars=5).push(*given, *given)
    first = ["1 Well then,", "1 it is five.", "1 Or six, maybe, or seven.", "1 ."]
    assert run.texts[: len(first)] == first


def test_five_thousand_sentences_in_one_str() -> None:
    run = Run(voice).push(*replies("So it is. " * 5_000), end=True)
    assert run.texts == ["1 So it is."] * 5_000 + ["1 ."]
    assert run.end == ["completed"]


def test_five_thousand_sentences_in_virtual_time() -> None:
    scheduler = TestScheduler()
    run = Run(FakeSynthesizer(every_ms=1), scheduler=scheduler)
    run.push(*replies("So it is. " * 5_000), end=True)
    scheduler.start()
    assert len(run.seen) == 5_001
    assert run.end == ["completed"]


def test_a_hundred_thousand_deltas() -> None:
    transcript = said()
    run = Run(voice)
    for char in "So it is. " * 10_000:
        run.source.on_next(Reply(transcript, char))
    run.push(Reply(transcript, final=True), end=True)
    assert run.texts == ["1 So it is."] * 10_000 + ["1 ."]


def test_a_generator_is_closed_once_within_one_step() -> None:
    log: list[str] = []

    def tts(text: str) -> Iterator[Any]:
        try:
            while True:
                log.append("step")
                yield voice(text)
        finally:
            log.append("closed")

    source: Subject[Reply] = Subject()
    life: Any = None
    life = source.pipe(vox.synthesize(tts)).subscribe(lambda speech: life.dispose())
    for reply in replies("One. Two."):
        source.on_next(reply)
    assert log == ["step", "closed"]


def test_nothing_grows_from_turn_to_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CompositeDisposable] = []

    def composite() -> CompositeDisposable:
        made.append(CompositeDisposable())
        return made[-1]

    monkeypatch.setattr("rxvoice.operators.kernel.Life", composite)
    scheduler = TestScheduler()
    run = Run(FakeSynthesizer(every_ms=1), scheduler=scheduler)
    for n in range(1000):
        run.push(*replies("One. Two.", id=n + 1))
        scheduler.start()
    assert len(run.seen) == 3000
    assert [len(life.disposable) for life in made] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": "no"}, 'synthesize errors must be "event" or "raise", got \'no\''),
        ({"sample_rate": 0}, "synthesize sample_rate must be at least 1 Hz, got 0"),
        ({"sample_rate": 24e3}, "synthesize sample_rate must be a whole number of Hz, got 24000.0"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.synthesize(voice, **options)
    assert str(raised.value) == message


def test_bad_slots() -> None:
    with pytest.raises(ConfigError, match="first_clause_chars must be a whole number of at least"):
        vox.synthesize(voice, first_clause_chars=0)
    with pytest.raises(
        ConfigError, match=r"wanted an object with synthesize_stream\(\.\.\.\) or a"
    ):
        vox.synthesize("af_heart")  # type: ignore[arg-type]


def test_a_voice_may_change_its_rate() -> None:
    class Voices:
        """Each sentence in another voice, at another rate."""

        sample_rate = 16_000

        def synthesize_stream(self, text: str, /) -> Any:
            self.sample_rate = 24_000 if "two" in text else 16_000
            yield np.zeros(4, np.float32)

    seen = Run(Voices()).push(*replies("One. And two. One.")).seen
    assert [it.sample_rate for it in seen] == [16_000, 24_000, 16_000, 16_000]


def test_a_rate_that_is_none_fails_the_turn() -> None:
    class Odd:
        sample_rate: Any = 16_000

        def synthesize_stream(self, text: str, /) -> Any:
            self.sample_rate = 0
            yield np.zeros(4, np.float32)

    (failed,) = Run(Odd()).push(*replies("One.")).seen
    assert "synthesize sample_rate must be at least 1 Hz, got 0" in str(failed.error)
