"""What a live session costs on stub models: the share of one core, in real time.

A pipe of all operators on the threads of ``live`` runs against the ``VoicePipeline`` of mlx-audio:
the same paced frames, the same stubs, each in a process of its own. Neither opens a device. The
scheduler of ``VoicePipeline`` is replaced by one that runs work at once, since it asks for a GPU.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from benchmarks._measure import CHUNK_MS, Result, conversation, loud
from rxvoice import operators as vox

SECONDS = 20
ANSWER = "It is late, go to bed now and sleep very well. Tomorrow is another day for you and me."
PIECE = np.zeros(2_400, np.float32)
PIECES = 20


class Recognition:
    """The session of one turn: it knows the text when the turn ends."""

    def __init__(self) -> None:
        self.closed = self.done = False

    def feed(self, samples: rxv.Samples) -> None:
        pass

    def step(self, max_decode_tokens: int = 6) -> list[str]:
        self.done = self.closed
        return ["what time is it"] if self.closed else []

    def close(self) -> None:
        self.closed = True


class Recogniser:
    """A recogniser for both: rxvoice calls ``session``, mlx-audio ``create_streaming_session``."""

    def session(self) -> Recognition:
        return Recognition()

    def transcribe_turn(self, audio: rxv.Samples) -> str:
        return "what time is it"

    def create_streaming_session(self, **_: object) -> Recognition:
        return Recognition()


def paced(push: Callable[[rxv.Samples], None], stop: threading.Event) -> None:
    """Push the frames at the pace of a microphone, on this thread."""
    began = time.monotonic()
    for n, block in enumerate(conversation(SECONDS), 1):
        if stop.wait(max(0.0, began + n * CHUNK_MS / 1000 - time.monotonic())):
            return
        push(block)


def spent(seconds: float, replies: int) -> None:
    """Print the CPU time of this process."""
    print(time.process_time() - seconds, replies)


def microphone() -> Observable[rxv.AudioChunk]:
    """A source of the paced frames, on a thread of its own."""

    def subscribe(
        observer: abc.ObserverBase[rxv.AudioChunk], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        stop = threading.Event()
        start = 0

        def push(block: rxv.Samples) -> None:
            nonlocal start
            observer.on_next(rxv.AudioChunk(block, start=start, time=time.monotonic()))
            start += len(block)

        def run() -> None:
            paced(push, stop)
            observer.on_completed()

        threading.Thread(target=run, daemon=True).start()
        return Disposable(stop.set)

    return Observable(subscribe)


def synthesize(text: str) -> Iterator[rxv.Samples]:
    """Half of the pieces, for each of the two sentences."""
    for _ in range(PIECES // 2):
        yield PIECE


def ours() -> None:
    """The session, with an app that takes its events on another thread."""
    models, app, over = rxv.mlx.MlxScheduler(), EventLoopScheduler(), threading.Event()
    sink = rxv.sinks.null()
    judged = microphone().pipe(
        vox.handoff(max_ms=2_000, overflow="drop_oldest"),
        vox.meter(),
        vox.chunk(512),
        vox.vad(loud),
        vox.barge_in(playing=lambda: True),
        vox.preroll(250),
    )
    session = judged.pipe(
        vox.turn_window(rxv.silence(600)),
        vox.converse(
            vox.transcribe(Recogniser(), worker=models.listening),
            vox.respond(lambda text: iter(ANSWER.split(" ")), worker=models.text),
            vox.synthesize(synthesize, worker=models.speech),
            sink=sink,
        ),
        vox.metrics(sink=sink),
    )
    replies = 0

    def count(event: object) -> None:
        nonlocal replies
        replies += isinstance(event, rxv.events.TurnMetrics)

    before = time.process_time()
    rxv.live(session, deliver_on=app).subscribe(count, print, over.set)
    over.wait()
    spent(before, replies)
    models.shutdown()
    app.dispose()


def theirs() -> None:
    """The class of mlx-audio, with the paced frames in place of a device."""
    from benchmarks._voice_pipeline import talking

    replies = 0
    over = asyncio.Event()

    class Device:
        def __init__(self, *, callback: Callable[..., None], **_: object) -> None:
            self._push = lambda block: callback(np.int16(block[:, None] * 32_767), 512, None, None)
            self._stop = threading.Event()

        def start(self) -> None:
            loop = asyncio.get_running_loop()

            def run() -> None:
                paced(self._push, self._stop)
                loop.call_soon_threadsafe(over.set)

            threading.Thread(target=run, daemon=True).start()

        def stop(self) -> None:
            self._stop.set()

        def close(self) -> None:
            pass

    def generate(transcript: str, context: object) -> str:
        nonlocal replies
        replies += 1
        return ANSWER

    async def run() -> None:
        async with talking(
            Device, recogniser=Recogniser(), generate=generate, pieces=lambda: [PIECE] * PIECES
        ):
            before = time.process_time()
            await over.wait()
            spent(before, replies)

    asyncio.run(run())


def share(side: str) -> float:
    """The share of one core, in percent."""
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.live", side], capture_output=True, check=True, text=True
    )
    seconds, replies = shown.stdout.split()
    turns = int(SECONDS * 1000 / CHUNK_MS) // 100
    if int(replies) < turns:
        raise RuntimeError(f"{side} answered {replies} of {turns} turns: {shown.stdout}")
    return 100 * float(seconds) / SECONDS


def measure() -> list[Result]:
    """Measure one after the other."""
    mine, other = share("ours"), share("theirs")
    return [
        Result(
            "a live session on stub models, of one core",
            mine,
            "%",
            f"VoicePipeline: {other:.2f}",
            mine / other,
        )
    ]


if __name__ == "__main__":
    {"ours": ours, "theirs": theirs}[sys.argv[1]]()
