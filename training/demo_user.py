"""Make the user of the demo: what is said, what is coughed, and when.

    apt-get install flite
    python training/demo_user.py
    python training/demo_user.py --check

It writes rxvoice/data/user.wav (16 kHz, mono, 16 bits), which begins with the sound of a room, and
rxvoice/data/user.json, which lists the parts as `rxvoice.cli._actor.UserPart` has them. The same
versions of flite and numpy give the same bytes. The check transcribes each part with 21 borders
around it, as a turn may have them, and exits with 1 unless all are transcribed right.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import soundfile as sf
from demo_recording import DATA, RATE, SPEECH_RMS, room, spoken

ROOM_S = 2.0
TAIL_S = 0.06
"""Of the room, in each part: a voice does not end at its last loud sample."""
VOICE = "slt"
BLOCK = 512

# What is said, the cue, and how many seconds after it. Without a text it is a cough. Whisper
# understands each of these with any border around it: see --check.
PARTS = (
    ("Tell me about yourself.", "quiet", 0.8),
    ("", "reply", 1.5),
    ("How far is the moon?", "quiet", 1.0),
    ("What is the capital of Mongolia?", "quiet", 1.0),
    ("What can you talk about?", "quiet", 1.0),
    ("What is 12 times 7?", "reply", 2.0),
    ("Thank you, goodbye.", "quiet", 1.0),
)


def cough() -> np.ndarray:
    """Three bursts of breath with a little voice, with the resonances of a throat."""
    rng = np.random.default_rng(3)
    gaps = [np.zeros(int(RATE * s)) for s in (0.06, 0.05)]
    bursts = [_burst(rng, 0.2, 0.45), _burst(rng, 0.28, 1.5), _burst(rng, 0.2, 0.6)]
    made = np.concatenate([bursts[0], gaps[0], bursts[1], gaps[1], bursts[2]])
    return made * SPEECH_RMS / np.sqrt(np.mean(made**2))


def _burst(rng: np.random.Generator, seconds: float, voiced: float) -> np.ndarray:
    n = int(seconds * RATE)
    time = np.arange(n) / RATE
    phase = 2 * np.pi * np.cumsum(110 * (1 - 0.3 * time / seconds)) / RATE
    pulses = sum(np.cos(k * phase) / np.sqrt(k) for k in range(1, 25))
    spectrum = np.fft.rfft(rng.standard_normal(n) + voiced * pulses)
    hz = np.fft.rfftfreq(n, 1 / RATE)
    throat = sum(
        gain / (1 + ((hz - centre) / width) ** 2)
        for centre, width, gain in ((550, 200, 1.0), (1300, 300, 0.7), (2600, 500, 0.4))
    )
    sound = np.fft.irfft(spectrum * throat, n)
    return sound * np.minimum(1, time / 0.008) * np.exp(-2.5 * time / seconds)


def make() -> None:
    pieces = [np.zeros(int(ROOM_S * RATE))]
    told: list[dict[str, object]] = []
    tail = np.zeros(int(TAIL_S * RATE))
    at = len(pieces[0])
    for text, cue, after_s in PARTS:
        sound = np.concatenate([spoken(text, VOICE, 1.0) if text else cough(), tail])
        pieces.append(sound)
        told.append(
            {
                "text": text,
                "cue": cue,
                "after_s": after_s,
                "start_s": round(at / RATE, 4),
                "end_s": round((at + len(sound)) / RATE, 4),
                "voice": f"flite {VOICE}" if text else "a cough",
            }
        )
        at += len(sound)
    audio = np.concatenate(pieces)
    pcm = np.round(np.clip(audio + room(len(audio)), -1, 1) * 32767).astype(np.int16)
    sf.write(DATA / "user.wav", pcm, RATE, subtype="PCM_16")
    (DATA / "user.json").write_text(json.dumps({"parts": told}, indent=2) + "\n", "utf-8")
    print(f"{DATA / 'user.wav'}: {len(pcm) / RATE:.1f} s, {len(told)} parts")


def check() -> bool:
    """Whether each part is transcribed right, whatever of the room is around it."""
    from rxvoice import offline
    from rxvoice._text.words import words

    audio, _ = sf.read(DATA / "user.wav", dtype="float32")
    parts = json.loads((DATA / "user.json").read_text("utf-8"))["parts"]
    quiet, behind, ears = audio[: int(ROOM_S * RATE)], audio[: 6 * BLOCK], offline.stt()
    right = True
    for part in parts:
        if not part["text"]:
            continue
        said = audio[int(part["start_s"] * RATE) : int(part["end_s"] * RATE)]
        heard = [
            ears.transcribe_turn(np.concatenate([quiet[at : at + n * BLOCK], said, behind]))
            for n in range(6, 13)
            for at in (0, 17 * BLOCK, 40 * BLOCK)
        ]
        wrong = [it for it in heard if words(it) != words(part["text"])]
        print(f"  {part['text']!r}: {len(wrong)} of {len(heard)} wrong {wrong[:2] or ''}")
        right = right and not wrong
    return right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="listen to it instead of making it")
    if not parser.parse_args().check:
        make()
    elif not check():
        sys.exit(1)
