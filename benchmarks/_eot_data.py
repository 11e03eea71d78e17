"""Turns with pauses, for `benchmarks.eot`: read from a directory, or made of human prompts."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soxr

import rxvoice as rxv
from benchmarks._eot_score import PATIENCE_MS, RATE, Example

_SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
_SAID = (
    "I would like to book a table for four people",
    "could you tell me what the weather is like in Vienna",
    "my number is the one that I gave you last week",
    "please turn off the lights in the kitchen and the hall",
    "what I mean is that the train leaves before the meeting ends",
    "remind me to call my sister when I am home",
    "is there a shop near the station that opens on Sunday",
    "I think we should go there by car and come back by bus",
)

# How long people pause within a turn, in ms: the share of pauses that are longer. It is what the
# silence-only baseline of eot-bench publishes for English: its false cut-offs at each latency.
LONGER = ((1.0, 100), (0.556, 300), (0.217, 600), (0.10, 1000), (0.05, 1600), (0.001, 3500))
ALIKE = 0.3
"""How much of the variance of pauses is between people, and not within one: an assumption."""
SPEAKERS = 10
_FRAME = RATE // 100
_GAP_FRAMES = 6  # shorter than 60 ms may be the stop of a consonant
_ROOM = 3e-4


def read(directory: Path) -> Iterator[Example]:
    """Read the rows of all ``*.jsonl`` files: id, language, audio, silence_spans.

    ``audio`` is the path of a file, or an object with ``path``, relative to the directory;
    ``silence_spans`` a list of objects with ``start`` and ``end`` in seconds. Other fields are
    ignored, except for ``speaker``, if it is there.

    Raises:
        ValueError: a row lacks a field, or has no silence.
    """
    for file in sorted(directory.glob("*.jsonl")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            row: dict[str, Any] = json.loads(line)
            if missing := {"id", "language", "audio", "silence_spans"} - set(row):
                raise ValueError(f"{file}:{number}: no {', '.join(sorted(missing))}")
            silences = [(float(it["start"]), float(it["end"])) for it in row["silence_spans"]]
            if not silences:
                raise ValueError(f"{file}:{number}: silence_spans is empty")
            audio: Any = row["audio"]
            path = directory / (audio if isinstance(audio, str) else audio["path"])
            blocks: list[rxv.Samples] = []
            rxv.sources.wav(path, block_ms=1000).subscribe(
                lambda chunk, blocks=blocks: blocks.append(chunk.samples), _raise
            )
            yield Example(
                str(row["id"]),
                with_silence(np.concatenate(blocks), silences[-1][0]),
                silences,
                str(row.get("speaker", "")),
                str(row["language"]),
            )


def made(turns: int = 150, seed: int = 1) -> list[Example]:
    """Make turns: a sentence that is cut at one or two gaps between words, with a pause in each.

    Each sentence is used as often as it takes.
    """
    sounds = [
        (name, sound, gaps)
        for name, sound in (_prompts() if _has_prompts() else _synthesized())
        if (gaps := word_gaps(sound))
    ]
    random = Random(seed)
    random.shuffle(sounds)
    tempers = [random.gauss() for _ in range(SPEAKERS)]
    cuts: list[list[int]] = []
    ranked: list[float] = []
    for number in range(turns):
        gaps = sounds[number % len(sounds)][2]
        cuts.append(sorted(random.sample(gaps, min(len(gaps), random.choice((1, 2))))))
        own = ALIKE**0.5 * tempers[number % SPEAKERS]
        ranked += [own + (1 - ALIKE) ** 0.5 * random.gauss() for _ in cuts[-1]]
    durations = iter(pauses_ms(ranked))
    found: list[Example] = []
    for number, cut in enumerate(cuts):
        name, sound, _ = sounds[number % len(sounds)]
        audio, silences = hesitating(sound, cut, [next(durations) for _ in cut])
        found.append(Example(f"{name} {number}", audio, silences, f"speaker {number % SPEAKERS}"))
    return found


def pauses_ms(ranked: Sequence[float]) -> list[int]:
    """Durations in the order of these numbers, whose distribution is that of `LONGER`."""
    shares, limits = zip(*reversed(LONGER), strict=True)
    order = np.argsort(np.argsort(-np.asarray(ranked)))
    wanted = np.log((order + 0.5) / len(ranked))
    return [round(float(it)) for it in np.interp(wanted, np.log(shares), limits)]


def word_gaps(sound: rxv.Samples) -> list[int]:
    """The sample in the middle of each gap of 60 ms or more, not within 300 ms of the ends."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = np.sqrt(np.mean(frames**2, axis=1))
    quiet = level < 0.03 * float(level.max(initial=0))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    least, most = 30, len(frames) - 30
    return [
        int(begin + end) // 2 * _FRAME
        for begin, end in edges.reshape(-1, 2)
        if end - begin >= _GAP_FRAMES and begin >= least and end <= most
    ]


def hesitating(
    sound: rxv.Samples, gaps: Iterable[int], durations: Iterable[int]
) -> tuple[rxv.Samples, list[tuple[float, float]]]:
    """Put silence of so many milliseconds at each gap, and after the end.

    Returns the audio and its silences in seconds.
    """
    parts: list[rxv.Samples] = []
    silences: list[tuple[float, float]] = []
    at = length = 0
    for gap, lasts in zip(gaps, durations, strict=True):
        silent = lasts * RATE // 1000
        parts += [sound[at:gap], np.zeros(silent, np.float32)]
        length += gap - at
        silences.append((length / RATE, (length + silent) / RATE))
        length += silent
        at = gap
    parts.append(sound[at:])
    end = (length + len(sound) - at) / RATE
    silences.append((end, end + PATIENCE_MS / 1000))
    audio = with_silence(np.concatenate(parts), end)
    room = _ROOM * np.random.default_rng(1).standard_normal(len(audio), np.float32)
    return (audio + room).astype(np.float32), silences


def with_silence(audio: rxv.Samples, end: float) -> rxv.Samples:
    """The audio, with silence added so that there is enough after `end`, in seconds."""
    wanted = round(end * RATE) + PATIENCE_MS * RATE // 1000
    return np.pad(audio, (0, max(0, wanted - len(audio)))).astype(np.float32)


def trimmed(sound: rxv.Samples) -> rxv.Samples:
    """The sound without the quiet at its ends."""
    loud = np.flatnonzero(np.abs(sound) > 0.02 * float(np.abs(sound).max(initial=0)))
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound


def _has_prompts() -> bool:
    return _SOUNDS.is_dir() and _TEXTS.is_file() and find_spec("G722") is not None


def _prompts() -> Iterator[tuple[str, rxv.Samples]]:
    """Single sentences of five words or more, spoken by a person."""
    for line in gzip.decompress(_TEXTS.read_bytes()).decode(errors="replace").splitlines():
        name, _, text = line.strip().partition(": ")
        path = _SOUNDS / f"{name}.g722"
        plain = not re.search(r"[\[\]\d;…]|[.?!].*\w|\.\.\.|tone", text)
        if plain and len(text.split()) >= 5 and path.is_file():
            decoder = import_module("G722").G722(16_000, 64_000)
            samples = np.asarray(decoder.decode(path.read_bytes()), np.float32) * np.float32(2**-15)
            yield name, trimmed(samples)


def _synthesized() -> Iterator[tuple[str, rxv.Samples]]:
    """Sentences in the offline voice, with a gap before every third word."""
    voice = rxv.offline.tts("espeak:en-us")
    for number, text in enumerate(_SAID):
        words = text.split()
        parts = [" ".join(words[at : at + 3]) for at in range(0, len(words), 3)]
        spoken = [_spoken(voice, part) for part in parts]
        gap = np.zeros(2 * _GAP_FRAMES * _FRAME, np.float32)
        yield f"said {number}", np.concatenate([it for part in spoken for it in (part, gap)][:-1])


def _spoken(voice: Any, text: str) -> rxv.Samples:
    pieces = voice.synthesize_stream(text)
    samples = np.concatenate([getattr(it, "samples", it) for it in pieces])
    resampled: Any = soxr.resample(samples, voice.sample_rate, RATE)
    return trimmed(resampled)


def _raise(error: Exception) -> None:
    raise error
