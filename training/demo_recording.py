"""Make the recorded conversation of the demo: what a user says, with the room around it.

    apt-get install flite
    python training/demo_recording.py
    python training/demo_recording.py --check

It writes rxvoice/data/demo.wav (16 kHz, mono, 16 bits) and rxvoice/data/demo.json, which lists the
true turns with text, start_s, end_s and voice. The same versions of flite and numpy give the same
bytes. The check transcribes the recording with the offline parts. A turn ends after 800 ms without
speech. The check exits with 1 unless every turn is transcribed right.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16_000
LEAD_IN_S = 0.8
PAUSE_S = 2.2
SPEECH_RMS = 0.1
ROOM_RMS = 5e-4  # -66 dBFS
SEED = 1

# Text, flite's voice, its duration_stretch. Whisper tiny.en transcribes each of these right.
TURNS = (
    ("Hello, who are you?", "kal16", 0.9),
    ("What can you talk about?", "rms", 1.0),
    ("How far away is the moon?", "slt", 1.0),
    ("Thank you, goodbye.", "slt", 1.0),
)

DATA = Path(__file__).parents[1] / "rxvoice" / "data"

END_SILENCE_MS = 800
PREROLL_CHUNKS = 8
SPEECH = 0.35
STILL_SPEECH = 0.2


def spoken(text: str, voice: str, stretch: float) -> np.ndarray:
    """The voice of flite, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        how = ["-voice", voice, "--setf", f"duration_stretch={stretch}"]
        subprocess.run(["flite", *how, "-t", text, str(path)], check=True)
        samples, rate = sf.read(path, dtype="float64")
    if rate != RATE:
        sys.exit(f"flite's voice {voice} is of {rate} Hz, wanted {RATE}")
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    return samples * SPEECH_RMS / np.sqrt(np.mean(samples**2))


def room(n: int) -> np.ndarray:
    """Noise that falls with frequency, like that of a quiet room."""
    white = np.fft.rfft(np.random.default_rng(SEED).standard_normal(n))
    tint = 1 / np.maximum(np.fft.rfftfreq(n, 1 / RATE), 60.0)
    noise = np.fft.irfft(white * tint, n)
    return noise * ROOM_RMS / np.sqrt(np.mean(noise**2))


def make() -> None:
    silence = np.zeros(int(PAUSE_S * RATE))
    pieces = [np.zeros(int(LEAD_IN_S * RATE))]
    truth: list[dict[str, object]] = []
    at = len(pieces[0])
    for text, voice, stretch in TURNS:
        samples = spoken(text, voice, stretch)
        start, end = at, at + len(samples)
        truth.append(
            {
                "text": text,
                "start_s": round(start / RATE, 3),
                "end_s": round(end / RATE, 3),
                "voice": f"flite {voice}",
            }
        )
        pieces += [samples, silence]
        at = end + len(silence)
    audio = np.concatenate(pieces)
    audio += room(len(audio))
    pcm = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
    DATA.mkdir(exist_ok=True)
    sf.write(DATA / "demo.wav", pcm, RATE, subtype="PCM_16")
    (DATA / "demo.json").write_text(json.dumps({"turns": truth}, indent=2) + "\n", "utf-8")
    print(f"{DATA / 'demo.wav'}: {len(pcm) / RATE:.1f} s, {len(truth)} turns")


def turns(audio: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """Start and end in seconds and samples of each turn, as the conversation cuts them."""
    from rxvoice import offline

    detector = offline.silero()
    size = detector.chunk_size
    found: list[tuple[float, float, np.ndarray]] = []
    start = end = -1
    for at in range(0, len(audio) - size + 1, size):
        probability = detector.probability(audio[at : at + size])
        if probability >= (STILL_SPEECH if end == at else SPEECH):
            start = max(0, at - PREROLL_CHUNKS * size) if start < 0 else start
            end = at + size
        elif start >= 0 and at + size - end >= END_SILENCE_MS * RATE // 1000:
            found.append((start / RATE, end / RATE, audio[start : at + size]))
            start = end = -1
    return found


def plain(text: str) -> str:
    return "".join(it for it in text.lower() if it.isalpha() or it == " ")


def check() -> bool:
    from rxvoice import offline

    audio, rate = sf.read(DATA / "demo.wav", dtype="float32")
    truth = json.loads((DATA / "demo.json").read_text("utf-8"))["turns"]
    found = turns(audio)
    print(f"{len(audio) / rate:.1f} s at {rate} Hz, {len(found)} turns of {len(truth)}")
    right = len(found) == len(truth)
    recogniser = offline.stt()
    for turn, (start, end, samples) in zip(truth, found, strict=False):
        wanted, heard = plain(turn["text"]), plain(recogniser.transcribe_turn(samples))
        verdict = "right" if heard == wanted else f"WRONG, wanted {wanted!r}"
        print(f"  {start:5.2f}-{end:5.2f} s {heard!r} {verdict}")
        right = right and heard == wanted
    noise = room(2 * RATE).astype(np.float32)
    print(f"  room noise {recogniser.transcribe_turn(noise)!r}")
    return right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="listen to it instead of making it")
    if not parser.parse_args().check:
        make()
    elif not check():
        sys.exit(1)
