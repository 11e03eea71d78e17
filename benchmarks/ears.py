"""When the texts of `offline.stt` come, at the pace of a microphone.

The first partial text is compared with the text of the whole turn, for which a recogniser of whole
turns lets wait. The final text, which is decoded while the silence is judged, is compared with a
decode that begins when the turn has ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile as sf

import rxvoice
import rxvoice as rxv
from benchmarks._measure import SIZE, Result, median
from rxvoice import offline
from rxvoice.offline.stt import default_backend

RATE = 16_000
SILENCE_S = 0.8
TIMES = 3
DATA = Path(rxvoice.__file__).parent / "data"


def turns() -> Iterator[rxv.Samples]:
    """The four turns of the demo, some times, each with a pre-roll and the silence that ends it."""
    audio, _ = sf.read(DATA / "demo.wav", dtype="float32")
    for turn in json.loads((DATA / "demo.json").read_text("utf-8"))["turns"] * TIMES:
        speech = audio[int(turn["start_s"] * RATE) - 4_000 : int(turn["end_s"] * RATE)]
        room = np.random.default_rng(0).normal(0, 3e-4, int(SILENCE_S * RATE))
        yield np.concatenate((speech, room.astype(np.float32)))


def spoken(stt: offline.WhisperStt, turn: rxv.Samples) -> tuple[float, float, float] | None:
    """Seconds from the first word to the first partial text, to the end, and on to the final text.

    None for a turn that is over before two decodes agree on a word.
    """
    session, first = stt.session(), None
    began = time.perf_counter()
    for at in range(0, len(turn), SIZE):
        time.sleep(max(0.0, began + (at + SIZE) / RATE - time.perf_counter()))
        session.feed(turn[at : at + SIZE])
        if session.step() is not None and first is None:
            first = time.perf_counter() - began
    over = time.perf_counter()
    session.close()
    found = session.wait()
    last = time.perf_counter() - over
    if first is None:
        return None
    word = found.words[0][2]
    return first - word, over - began - word, last


def measure() -> list[Result]:
    """Measure the backend of this machine, and MLX if that is another one."""
    results: list[Result] = []
    for backend in dict.fromkeys((default_backend(), "mlx")):
        if backend == "faster-whisper" and find_spec("faster_whisper") is None:
            continue
        stt = offline.stt(backend=backend)
        stt.load()
        stt.warm_up()
        seen = [it for turn in turns() if (it := spoken(stt, turn)) is not None]
        whole: list[float] = []
        for turn in turns():
            began = time.perf_counter()
            stt.transcribe_turn(turn)
            whole.append(time.perf_counter() - began)
        first, rest, last = (1000 * median(it) for it in zip(*seen, strict=True))
        decode = 1000 * median(whole)
        # MLX is for Apple silicon; on a CPU it is slower than a conversation can bear.
        is_own = backend == default_backend()
        results += [
            Result(
                f"first word to first partial text, {backend}, p50",
                first,
                "ms",
                f"text of whole turn: {rest + decode:.0f}",
                first / (rest + decode),
                1000 if is_own else None,
                "value",
            ),
            Result(
                f"end of turn to final text, {backend}, p50",
                last,
                "ms",
                f"decode begun then: {decode:.0f}",
                last / decode,
                0.5 if is_own else None,
            ),
        ]
    return results
