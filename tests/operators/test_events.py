"""What travels beside the elements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
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
    assert seen == [notice, rxv.TurnEvent(0, "what time is it", "It is noon. Goodbye.")]
    assert len(sink.samples) == len("It is noon.") + len("Goodbye.")


def test_a_notice_of_each_slot_names_its_stage() -> None:
    told = rxv.Notice("slow today")
    turns = rx.of(rxv.Turn.of(np.zeros(4, np.float32)))
    seen: list[object] = []
    turns.pipe(
        vox.transcribe(lambda audio: ["a", told]),
        vox.respond(lambda text: [told, text]),
        vox.synthesize(lambda text: [told]),
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
    assert session.turn_events == [rxv.TurnEvent(2, "hi", "It is noon. Goodbye.")]
