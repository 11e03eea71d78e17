"""Wake words: misses in synthetic voices, and false accepts on an hour of other speech.

The other speech is Debian's human telephone prompts, if they are installed, and our guides as flite
reads them. Each word is alone once, and once has a question right behind it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

import numpy as np

from benchmarks._measure import Result
from benchmarks._wake_speech import (
    RATE,
    SPOKEN,
    VOICES,
    in_a_room,
    prompts,
    prose,
    say,
    spots,
)
from rxvoice import offline

HOUR_S = 3600


def measure() -> Iterator[Result]:
    detectors = {word: offline.wake_word(word) for word in SPOKEN}
    for word, detector in detectors.items():
        said = missed = 0
        for (voice, stretch), after in (
            (v, a) for v in VOICES for a in (".", ", what time is it?")
        ):
            spoken = say(SPOKEN[word] + after, voice, stretch)
            if spoken is not None:
                said += 1
                missed += spots(detector, in_a_room(spoken)) == 0
        yield Result(f"{word}: misses", missed, "of words", f"{said} spoken", missed / said)

    listening = {word: detector.fresh() for word, detector in detectors.items()}
    told, humans, took = dict.fromkeys(listening, 0), 0, 0.0
    total = 0
    pause = np.zeros(RATE // 2, np.float32)
    for is_human, speech in chain(
        ((True, it) for it in prompts()), ((False, it) for it in prose())
    ):
        if total >= HOUR_S * RATE:
            break
        samples = np.concatenate([speech, pause])
        total += len(samples)
        humans += len(samples) if is_human else 0
        began = time.perf_counter()
        for word, detector in listening.items():
            for n in range(0, len(samples), 512):
                told[word] += detector.spot(samples[n : n + 512]) is not None
        took += time.perf_counter() - began
    hours = total / RATE / HOUR_S
    of = f"{hours:.2f} h, {humans / RATE / 60:.0f} min human"
    for word, count in told.items():
        yield Result(f"{word}: false accepts", count / hours, "an hour", of, count)
    chunk_ms = took / len(told) / (total / 512) * 1000
    yield Result("offline.wake_word: a chunk of 32 ms", chunk_ms, "ms", "real time", chunk_ms / 32)
