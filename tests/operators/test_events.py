"""What travels beside the elements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeSink


def llm(text: str) -> Iterator[str | rxv.Notice]:
    yield "It is "
    yield rxv.Notice("looked at the clock", detail=12)
    yield "noon. Goodbye."


def test_a_model_s_notice_passes_every_later_stage_in_its_place() -> None:
    turn = rxv.Turn.of(np.zeros(4, np.float32))
    sink = FakeSink()
    seen: list[object] = []
    rx.of(turn).pipe(
        vox.transcribe(lambda audio: "what time is it"),
        vox.respond(llm),
        vox.synthesize(lambda text: np.zeros(len(text), np.float32)),
        vox.play(sink),
    ).subscribe(seen.append)
    notice = rxv.Notice("looked at the clock", 12, turn, "respond")
    assert seen == [notice, rxv.FinishedTurn(0, "what time is it", "It is noon. Goodbye.")]
    assert len(sink.samples) == len("It is noon.") + len("Goodbye.")


def test_a_notice_of_each_slot_names_its_stage() -> None:
    told = rxv.Notice("slow today")
    turns = rx.of(rxv.Turn.of(np.zeros(4, np.float32)))
    seen: list[object] = []
    turns.pipe(
        vox.transcribe(lambda audio: ["a", told]),
        vox.respond(lambda text: [told, text]),
        vox.synthesize(lambda text: [told, np.ones(1, np.float32)]),
    ).subscribe(seen.append)
    stages = [each.stage for each in seen if isinstance(each, rxv.Notice)]
    assert stages == ["transcribe", "respond", "synthesize"]


def test_a_session_goes_on_past_a_notice() -> None:
    session = rxv.VoiceSession(
        rxv.SessionConfig(turn_max_incomplete_silence_ms=32),
        vad=lambda samples: bool(samples.any()),
        stt=lambda audio: "hi",
        llm=llm,
        tts=lambda text: np.zeros(4, np.float32),
    )
    frames = [np.full(512, 0.5, np.float32), np.zeros(512, np.float32)]
    session.run(frames, FakeSink())
    assert session.turn_events == [rxv.FinishedTurn(2, "hi", "It is noon. Goodbye.")]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rang(rxv.Event):
    """An app's own event."""

    turn: rxv.Turn
    levels: tuple[float, ...] = (0.5,)


CHUNK = rxv.AudioChunk(np.full(4, 0.5, np.float32), 4_000, speech=True)


@pytest.mark.parametrize(
    "operator",
    [
        vox.chunk(4, sample_rate=4_000),
        vox.vad(lambda samples: True),
        vox.barge_in(playing=bool),
        vox.preroll(),
        vox.turn_window(rxv.silence(100)),
    ],
)
def test_an_event_of_the_microphone_passes_at_once_and_in_its_place(
    operator: rxv.Operator[Any, Any],
) -> None:
    rang = Rang(rxv.Turn.of(CHUNK.samples))
    seen: list[object] = []
    rx.of(CHUNK, rang, CHUNK).pipe(operator).subscribe(seen.append)
    assert [type(each).__name__ for each in seen].index("Rang") == 1
    assert seen[1] is rang


def test_an_event_is_json_by_its_name() -> None:
    rang = Rang(rxv.Turn.of(CHUNK.samples, id=7))
    assert json.loads(json.dumps(rang.as_json())) == {"event": "rang", "turn": 7, "levels": [0.5]}
    failed = rxv.TurnFailed(rang.turn, rxv.StageError("respond", rang.turn, ValueError("no")))
    assert failed.as_json()["event"] == "turn_failed"
    assert failed.as_json()["error"] == "respond (turn 7) failed: ValueError: no"


def test_a_chunk_is_timed_by_its_first_sample() -> None:
    """Blocks of 6 samples at 4 kHz, the first captured at 10 s, become chunks of 4."""
    blocks = [
        rxv.AudioChunk(np.zeros(6, np.float32), 4_000, 6 * n, time=10 + n * 6 / 4_000)
        for n in range(2)
    ]
    seen: list[rxv.AudioChunk] = []
    rx.from_iterable(blocks).pipe(vox.chunk(4, sample_rate=4_000)).subscribe(seen.append)
    assert [each.time for each in seen] == pytest.approx([10, 10.001, 10.002])


def test_what_is_known_of_words_reaches_the_speech() -> None:
    timed = rxv.TimedSamples(np.zeros(8, np.float32), ((2, 3), (8, 8)))
    seen: list[rxv.Speech | rxv.Event] = []
    rx.of(rxv.Turn.of(CHUNK.samples)).pipe(
        vox.transcribe(lambda audio: "?"),
        vox.respond(lambda text: "So noon."),
        vox.synthesize(lambda text: [timed]),
    ).subscribe(seen.append)
    spoken = [each.words for each in seen if isinstance(each, rxv.Speech)]
    assert spoken == [((2, 3), (8, 8)), ()]
