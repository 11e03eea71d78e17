"""The demo's recogniser: the recording through the real pipe, noise, and its size."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

import rxvoice as rxv
from rxvoice import offline, sources
from rxvoice import operators as vox
from rxvoice.mlx.stt import Stt
from rxvoice.offline.demo_stt import demo_phrases, demo_stt

PACKAGE = Path(rxv.__path__[0])
RATE = 16_000


def spoken(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


@pytest.fixture(scope="module")
def recogniser() -> Stt:
    return demo_stt()


@pytest.mark.models
@pytest.mark.parametrize("silence_ms", [800, 1600])
def test_it_hears_the_recording_right_through_the_pipe(recogniser: Stt, silence_ms: int) -> None:
    got: list[Any] = []
    errors: list[Exception] = []
    sources.wav(PACKAGE / "data" / "demo.wav").pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(silence_ms)),
        vox.transcribe(recogniser),
    ).subscribe(got.append, errors.append)
    assert errors == []
    truth = json.loads((PACKAGE / "data" / "demo.json").read_text("utf-8"))["turns"]
    heard = [transcript.text for transcript in got if transcript.final]
    assert heard == [spoken(turn["text"]) for turn in truth]


@pytest.mark.models
@pytest.mark.parametrize("rms", [1e-4, 1e-3, 1e-2])
def test_it_hears_nothing_in_noise(recogniser: Stt, rms: float) -> None:
    noise = np.random.default_rng(3).standard_normal(3 * RATE) * rms
    assert recogniser.transcribe_turn(noise.astype(np.float32)) == ""
    assert recogniser.transcribe_turn(np.zeros(RATE, np.float32)) == ""


@pytest.mark.models
@pytest.mark.parametrize("voice", ["en-us+klatt3", "en+Denis"])
def test_it_hears_voices_that_it_was_not_trained_on(recogniser: Stt, voice: str) -> None:
    talker = offline.tts(f"espeak:{voice}")
    room = np.random.default_rng(5)
    right = 0
    for phrase in demo_phrases():
        said = np.concatenate(list(talker.synthesize_stream(phrase)))
        said = soxr.resample(said, talker.sample_rate, RATE)
        turn = np.concatenate([np.zeros(RATE // 4), said, np.zeros(RATE)])
        turn += room.standard_normal(len(turn)) * 1e-3
        right += recogniser.transcribe_turn(turn.astype(np.float32)) == spoken(phrase)
    assert right >= 0.8 * len(demo_phrases())


@pytest.mark.models
@pytest.mark.parametrize("voice", ["en-us+klatt3", "en+Denis"])
def test_it_hears_nothing_in_most_foreign_sentences(recogniser: Stt, voice: str) -> None:
    sentences = Path(__file__).parents[2] / "training" / "demo_stt.json"
    foreign = json.loads(sentences.read_text("utf-8"))["held_out"]
    talker = offline.tts(f"espeak:{voice}")
    room = np.random.default_rng(5)
    nothing = 0
    for sentence in foreign:
        said = np.concatenate(list(talker.synthesize_stream(sentence)))
        said = soxr.resample(said, talker.sample_rate, RATE)
        turn = np.concatenate([np.zeros(RATE // 4), said, np.zeros(RATE)])
        turn += room.standard_normal(len(turn)) * 1e-3
        nothing += recogniser.transcribe_turn(turn.astype(np.float32)) == ""
    assert nothing >= 0.75 * len(foreign)


def test_what_it_knows_is_what_the_language_model_knows() -> None:
    known = demo_phrases()
    assert len(known) >= 20
    assert len(set(known)) == len(known)
    assert set(known) <= set(offline.phrases())


def test_it_is_small() -> None:
    folder = PACKAGE / "offline" / "demo-stt"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2_000_000
