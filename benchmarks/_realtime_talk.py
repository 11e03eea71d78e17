"""What the clients of the Realtime benchmarks say: a sentence, and the silence of the reply."""

from __future__ import annotations

import json
import wave
from base64 import b64encode
from functools import cache
from pathlib import Path

import numpy as np
import soxr

import rxvoice as rxv
from benchmarks._sessions import Talk

FRAME_MS = 100
CLEAR = '{"type":"input_audio_buffer.clear"}'
CLEARED = '"input_audio_buffer.cleared"'
"""The message that drops sound, and what is in the answer, which comes once all was heard."""
_RATE = 24_000
_FROM_S, _FOR_S = 4.25, 1.6
"""Where the demonstration's recording has a sentence."""
_REPLY_S = 2.4


@cache
def said() -> Talk:
    """A sentence that Silero takes for speech, and 2.4 s for the reply to it."""
    with wave.open(str(Path(rxv.__file__).parent / "data" / "demo.wav")) as file:
        rate = file.getframerate()
        file.setpos(int(_FROM_S * rate))
        sound = np.frombuffer(file.readframes(int(_FOR_S * rate)), "<i2")
    spoken = soxr.resample(sound, rate, _RATE)
    sound = np.concatenate((spoken, np.zeros(int(_REPLY_S * _RATE), "<i2")))
    size = _RATE * FRAME_MS // 1000
    frames = [append(sound[at : at + size].tobytes()) for at in range(0, len(sound), size)]
    return Talk(frames, FRAME_MS, slice(8, 38))


def silence() -> Talk:
    """What a microphone hears while nobody speaks."""
    hiss = np.random.default_rng(0).normal(0, 30, _RATE).astype("<i2")
    size = _RATE * FRAME_MS // 1000
    frames = [append(hiss[at : at + size].tobytes()) for at in range(0, len(hiss), size)]
    return Talk(frames, FRAME_MS, slice(None))


def append(sound: bytes) -> str:
    """The message of some sound at 24 kHz."""
    return json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(sound).decode()})
