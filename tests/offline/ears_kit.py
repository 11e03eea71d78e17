"""Sounds to test the ears with: the turns of the demo, and what is no speech."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
from thorough import some

import rxvoice
from rxvoice.offline import WhisperStt

__all__ = ["SAID", "made_up", "noises", "turns"]

RATE = 16_000
DATA = Path(rxvoice.__file__).parent / "data"
SAID = [
    "Hello, who are you?",
    "What can you talk about?",
    "How far away is the moon?",
    "Thank you, goodbye.",
]


def turns() -> list[np.ndarray]:
    audio, _ = sf.read(DATA / "demo.wav", dtype="float32")
    truth = json.loads((DATA / "demo.json").read_text())["turns"]
    assert [turn["text"] for turn in truth] == SAID
    return [
        audio[int(turn["start_s"] * RATE) - 4_000 : int(turn["end_s"] * RATE) + 12_800]
        for turn in truth
    ]


def noises() -> Iterator[tuple[str, np.ndarray]]:
    """Sounds that are no speech, of half a second to five."""
    rng = np.random.default_rng(7)

    def shaped(n: int, power: float) -> np.ndarray:
        tones = np.fft.rfft(rng.standard_normal(n)) / np.maximum(np.arange(n // 2 + 1), 20) ** power
        made = np.fft.irfft(tones, n)
        return made / made.std()

    for _ in range(6):
        n = RATE // 2 * int(rng.integers(1, 11))
        t = np.arange(n) / RATE
        room = shaped(n, 0.5) * 5e-4
        yield "silence", np.zeros(n)
        for power, name in ((0, "white noise"), (0.5, "pink noise"), (1, "brown noise")):
            yield name, shaped(n, power) * rng.choice([0.001, 0.01, 0.05])
        hum = sum(np.sin(6.283 * k * rng.choice([50, 60, 120]) * t) / k for k in range(1, 6))
        yield "hum", 0.1 * hum + room
        cough, clicks = room.copy(), room.copy()
        for _ in range(int(rng.integers(1, 4))):
            length = int(rng.integers(1_600, 5_000))
            at = int(rng.integers(0, n - length))
            fall = np.exp(-np.arange(length) / rng.uniform(500, 1_500))
            cough[at : at + length] += 0.2 * shaped(length, 0.3) * fall
            at = int(rng.integers(0, n - 200))
            clicks[at : at + 200] += 0.5 * rng.standard_normal(200) * np.exp(-np.arange(200) / 40)
        yield "cough", cough
        yield "clicks", clicks


def made_up(ears: WhisperStt, count: int = 42) -> list[tuple[str, str]]:
    """What the ears make up of so many of the 42 sounds that are no speech."""
    sounds = [(name, sound.clip(-1, 1).astype(np.float32)) for name, sound in noises()]
    assert len(sounds) == 42
    sounds = some(sounds, count)
    found = [(name, text) for name, it in sounds if (text := ears.transcribe_turn(it))]
    print(f"\nmade up of {len(sounds)} sounds: {found}")
    return found
