"""The delay from a block of the microphone to its judged chunk, while a language model writes.

rxvoice runs the chunks on the conversation thread and the model on its own thread. It is compared
with one shared worker for both, as in the ``VoicePipeline`` of mlx-audio.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from benchmarks import _silero_models as models
from benchmarks._measure import CHUNK_MS, Result, median
from benchmarks.silero import speech, weights
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice.mlx import MlxScheduler

CHUNKS = 120


def latencies(detector: rxv.Silero, *, shared: bool) -> list[float]:
    """Milliseconds for each chunk, at the pace of a microphone."""
    spent: list[float] = []
    stop = threading.Event()
    with MlxScheduler() as worker:
        llm = offline.llm()

        def answer(*_: object) -> None:
            # The shared worker of a loop without steps writes a whole answer at a time.
            for _ in llm.respond("How far away is the moon?"):
                if stop.is_set():
                    break
            llm.reset()
            if not stop.is_set():
                worker.schedule(answer)

        conversation = worker.listening if shared else EventLoopScheduler()
        microphone: Subject[rxv.Samples] = Subject()
        came = threading.Event()
        microphone.pipe(vox.chunk(512), vox.vad(detector)).subscribe(lambda _: came.set())
        worker.schedule(answer)
        for block in speech()[:CHUNKS]:
            due = time.perf_counter() + CHUNK_MS / 1000
            came.clear()
            begin = time.perf_counter()
            conversation.schedule(lambda *_, block=block: microphone.on_next(block))
            came.wait()
            spent.append(1000 * (time.perf_counter() - begin))
            time.sleep(max(0.0, due - time.perf_counter()))
        stop.set()
        if isinstance(conversation, EventLoopScheduler):
            conversation.dispose()
    return spent


def measure() -> list[Result]:
    """Measure both ways with the same speech and the same model."""
    with TemporaryDirectory() as scratch:
        detector = rxv.silero(models.write(Path(scratch), weights()))
        detector.load()
        apart = latencies(detector, shared=False)
        shared = latencies(detector, shared=True)
    results: list[Result] = []
    for name, of in (("p50", median), ("p99", lambda v: float(np.percentile(v, 99)))):
        ours, theirs = of(apart), of(shared)
        against = f"one shared worker: {theirs:.2f}"
        results.append(
            Result(
                f"block to judged chunk beside a model, {name}", ours, "ms", against, ours / theirs
            )
        )
    return results
