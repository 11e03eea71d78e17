"""A machine that was suspended: the clock has jumped by hours, and everything goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex as rx
import soundfile
from reactivex import Subject
from serve.realtime_kit import VirtualSession, fake_models
from sources.fake_machine import FakeMachine, chunks, numbered, others
from thorough import THOROUGH
from trace_kit import Talk

import rxvoice as rxv
from rxvoice import events, sinks, trace
from rxvoice import operators as vox
from rxvoice._audio.play_history import PlayHistory
from rxvoice.chunks import AudioChunk
from rxvoice.recorder import StereoRecorder
from rxvoice.testing._timeline import VirtualClock

HOUR_S = 3_600
GAP_S = HOUR_S if THOROUGH else 300
"""Of the microphone, whose silence passes the pipe."""


def test_a_microphone_that_slept_gives_silence_of_that_length_and_tells_of_it_once() -> None:
    machine = FakeMachine()
    machine.speaks(40)
    at_48 = 48_000 * GAP_S
    machine.script.append(lambda: machine.input.speak(overflow=True, lost=at_48))
    machine.speaks(40)
    got = machine.hear(machine.microphone(sample_rate=48_000))
    assert others(got) == others(got)[:1], "told once"
    lost = others(got)[0]
    assert isinstance(lost, events.AudioLost)
    assert (lost.samples, lost.cause) == (at_48, "device")
    found = chunks(got)
    starts = np.array([it.start for it in found])
    assert (np.diff(starts) == 1536).all(), "no hole"
    assert len(found) == 81 + GAP_S * 1000 // 32
    before, after = found[39], found[-40]
    assert np.array_equal(before.samples, numbered(39 * 1536, 1536))
    assert np.array_equal(after.samples, numbered(41 * 1536 + at_48, 1536))
    assert after.time is not None
    assert before.time is not None
    assert after.time - before.time == pytest.approx(GAP_S + 2 * 0.032, abs=0.02)


def test_what_was_played_before_and_after_stands_at_its_time() -> None:
    history = PlayHistory(1_000, 5)
    history.write(np.full(2_000, 0.5, np.float32))
    for ms in range(0, 1_001, 20):
        history.observe(10 + ms / 1000, ms)
    resumed = 11 + 8 * HOUR_S
    for ms in range(0, 1_001, 20):
        history.observe(resumed + ms / 1000, 1_000 + ms)
    assert (history.at(resumed + 0.2, 500, 1_000) == 0.5).all()
    assert not history.at(resumed - HOUR_S, 500, 1_000).any(), "it slept"
    assert not history.at(resumed + 1.5, 100, 1_000).any(), "it is over"


def test_a_model_that_was_being_asked_fails_its_turn_and_the_next_one_is_answered() -> None:
    clock = VirtualClock()
    turns: Subject[Any] = Subject()
    out: list[Any] = []
    answers = iter([rx.never(), rx.timer(0.2).pipe(rx.operators.map(lambda _: "Good morning."))])
    speaker = sinks.null(realtime=True, scheduler=clock)
    turns.pipe(
        vox.chunk(160),
        vox.vad(lambda it: bool(it[0])),
        vox.turn_window(rxv.silence(100)),
        vox.converse(
            vox.transcribe(lambda audio: "hello"),
            vox.respond(lambda text: next(answers), timeout_ms=30_000),
            vox.synthesize(lambda text: [np.full(2_400, 0.1, np.float32)]),
            sink=speaker,
            idle_ms=60_000,
        ),
    ).subscribe(out.append, scheduler=clock)

    def say() -> None:
        for loud in [1.0] * 20 + [0.0] * 12:
            clock.advance_to(clock.clock + 0.01)
            turns.on_next(np.full(160, loud / 2, np.float32))

    say()
    assert not [it for it in out if isinstance(it, events.TurnFailed)]
    clock.advance_to(clock.clock + 8 * HOUR_S)  # no sound came
    failed = [it for it in out if isinstance(it, events.TurnFailed)]
    assert [str(it.error.__cause__) for it in failed] == [
        "the model gave nothing for 30 s (timeout_ms=30000)"
    ]
    say()
    clock.advance_to(clock.clock + 2)
    finished = [it.assistant_text for it in out if isinstance(it, rxv.FinishedTurn)]
    assert finished == ["Good morning."]
    # A turn counts samples: the night is no silence of it.
    assert [it.turn.ms for it in out if isinstance(it, events.TurnEnded)] == [300, 300]


def test_a_session_of_a_server_goes_on() -> None:
    session = VirtualSession(fake_models("Yes.", "Still here."))
    for ms in (8 * HOUR_S * 1000, 5_000):
        session.speak(600)
        session.be_silent(1_000)
        session.advance(ms)
    said = session.named("response.output_audio_transcript.done")
    assert [it["transcript"] for it in said] == ["Yes.", "Still here."]
    assert not session.failures


def test_a_recording_has_silence_of_that_length_and_takes_no_room_for_it(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    with StereoRecorder(path, 16_000) as recorder:
        loud = np.full(1_600, 0.5, np.float32)
        recorder.mic(AudioChunk(loud, 16_000, 0, time=100.0))
        recorder.mic(AudioChunk(loud, 16_000, 1_600, time=100.1 + HOUR_S))
        recorder.assistant(loud, 16_000, 100.2 + HOUR_S)
        assert recorder.frames == 16_000 * HOUR_S + 4_800
    with soundfile.SoundFile(path) as file:
        assert len(file) == 16_000 * HOUR_S + 4_800
        assert (file.read(1_600)[:, 0] == 0.5).all()
        assert not file.read(16_000).any()
        file.seek(16_000 * HOUR_S + 1_600)
        assert (file.read(1_600)[:, 0] == 0.5).all()
        assert (file.read(1_600)[:, 1] == 0.5).all()
    assert path.stat().st_blocks * 512 < 2**20


def test_a_trace_with_a_night_in_it_is_told_and_drawn(tmp_path: Path) -> None:
    talk = Talk(4.0)
    turn, known = talk.user(0.5, 1.5, "Good night.")
    talk.reply(turn, known, ["Good night!"], speech_end=1.5)
    later = 2.0 * HOUR_S
    turn, known = talk.user(later + 0.5, later + 1.5, "Good morning.")
    talk.reply(turn, known, ["Good morning!"], speech_end=later + 1.5)
    directory = talk.write(tmp_path / "trace")
    found = trace.read(directory)
    told = trace.story(found)
    assert [it.text for it in told.turns] == ["Good night.", "Good morning."]
    assert told.turns[1].opened - told.turns[0].opened == pytest.approx(later, abs=1)
    trace.timeline(directory, tmp_path / "night.html")
    assert (tmp_path / "night.html").stat().st_size < 8 * 2**20
