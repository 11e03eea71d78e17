"""How soon the user interrupts while a model writes, and how much work is thrown away.

The time counts from the last sample of the first chunk of speech to silence, which is a paused sink
here. A real language model writes as fast as it can; the voice and the recogniser are stubs. The
``VoicePipeline`` of mlx-audio runs with the same models: it clears its sink, and its detector waits
for the text call in progress, which is the whole reply.

A second measure runs in virtual time: how much of a reply was written and spoken but never heard,
with models of known speed, with and without ``rxv.paced``.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import reactivex as rx
from reactivex import Observable, Subject, abc
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

import rxvoice as rxv
from benchmarks._measure import CHUNK_MS, SILENCE, SPEECH, Result, loud, median
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice.testing import FakeSpeaker, marbles

TIMES = 24
ANSWERS = 6
QUESTION = "How far away is the moon?"
CONFIRMED_BY = 6  # chunks of 32 ms are more than 180 ms
SOUND = np.zeros(24_000, np.float32)
ENOUGH_S = 60.0

TOKEN_MS = 20.0
PIECE_S, PIECE_MS = 0.32, 80.0  # a quarter of real time
REPLY = "The moon is far away and its light takes a second to reach us. " * 12


class Loudspeaker(rxv.sinks.Sink):
    """A sink whose sound never ends. It keeps the time of the last pause."""

    def __init__(self) -> None:
        self.position = self.taken = 0
        self.played: Subject[int] = Subject()
        self.heard = threading.Event()
        self.paused = threading.Event()
        self.paused_at = 0.0

    @property
    def is_running(self) -> bool:
        return True

    def write_samples(self, samples: Any, /) -> int:
        self.taken += len(samples)
        self.position = max(self.position, self.taken - len(SOUND) // 2)
        self.played.on_next(self.position)
        self.heard.set()
        return len(samples)

    def pause(self) -> None:
        """In the middle of a piece."""
        self.paused_at = time.perf_counter()
        self.paused.set()

    def resume(self) -> None:
        """As it is."""

    def flush(self) -> None:
        """As it is."""

    def clear(self) -> rxv.Samples:
        unheard = self.taken - self.position
        self.taken = self.position
        return np.zeros(unheard, np.float32)

    def stop(self) -> None:
        """As it is."""


class Writer:
    """Several answers of the demo's model in one reply, and whether the model is writing."""

    def __init__(self) -> None:
        self._llm = offline.llm()
        self.writing = threading.Event()
        self.spent: list[float] = []

    def respond(self, text: str, /) -> Generator[str]:
        begin = time.perf_counter()
        for _ in range(ANSWERS):
            for piece in self._llm.respond(QUESTION):
                self.writing.set()
                yield piece
            self._llm.reset()
            yield " "
        self.spent.append(1000 * (time.perf_counter() - begin))

    def endless(self, text: str, /) -> Generator[str]:
        """Write the same text until the reply is closed."""
        try:
            while True:
                yield from self.respond(text)
        finally:
            self._llm.reset()


def chunks(push: Callable[[rxv.Samples], None], block: rxv.Samples, n: int) -> float:
    """Push this many chunks like a microphone, and return the time of the last."""
    pushed = 0.0
    for _ in range(n):
        time.sleep(CHUNK_MS / 1000)
        pushed = time.perf_counter()
        push(block)
    return pushed


def ours() -> list[float]:
    """Milliseconds for each interruption: the user asks again and again, over the reply."""
    spent: list[float] = []
    dice = random.Random(1)
    writer, sink = Writer(), Loudspeaker()
    microphone: Subject[rxv.Samples] = Subject()
    with rxv.mlx.MlxScheduler() as models:
        conversation = microphone.pipe(
            vox.handoff(max_ms=10_000, overflow="fail"),
            vox.chunk(512),
            vox.vad(loud),
            vox.turn_window(rxv.silence(64)),
            vox.converse(
                vox.transcribe(lambda audio: QUESTION, worker=models.listening),
                vox.respond(writer.endless, worker=models.text),
                vox.synthesize(lambda text: SOUND, worker=models.speech),
                sink=sink,
                own_words=False,  # the user asks what the assistant has said
            ),
        )
        ready = threading.Event()
        live = rx.defer(lambda _: (ready.set(), conversation)[1])
        life = rxv.live(live).subscribe(on_error=print)
        ready.wait(ENOUGH_S)
        models.schedule(lambda *_: None)
        chunks(microphone.on_next, SPEECH, 4)
        for _ in range(TIMES):
            sink.heard.clear()
            chunks(microphone.on_next, SILENCE, 3)
            if not sink.heard.wait(ENOUGH_S):
                raise TimeoutError("the reply was never spoken")
            time.sleep(dice.random() * 0.2)
            sink.paused.clear()
            pushed = chunks(microphone.on_next, SPEECH, 1)
            if not sink.paused.wait(ENOUGH_S):
                raise TimeoutError("the reply was never paused")
            spent.append(1000 * (sink.paused_at - pushed))
            chunks(microphone.on_next, SPEECH, CONFIRMED_BY)
        life.dispose()
    return spent


class Recognition:
    """The session of one turn: it knows the text when the turn ends."""

    def __init__(self) -> None:
        self.closed = self.done = False

    def feed(self, samples: rxv.Samples) -> None:
        """Take it."""

    def step(self, max_decode_tokens: int = 6) -> list[str]:
        self.done = self.closed
        return [QUESTION] if self.closed else []

    def close(self) -> None:
        self.closed = True


def theirs() -> tuple[list[float], float]:
    """The same for mlx-audio, and how many milliseconds its text call takes."""
    from benchmarks._voice_pipeline import ITS, talking

    spent: list[float] = []
    writer = Writer()
    cleared, cleared_at = threading.Event(), 0.0

    def push(block: rxv.Samples) -> None:
        """Until there is a device."""

    class Device:
        def __init__(self, *, callback: Callable[..., None], **_: object) -> None:
            nonlocal push

            def pushed(block: rxv.Samples) -> None:
                callback(np.int16(block[:, None] * 32_767), 512, None, None)

            push = pushed

        def start(self) -> None:
            loop = asyncio.get_running_loop()
            user = threading.Thread(target=lambda: (ask(), loop.call_soon_threadsafe(over.set)))
            user.start()

        def stop(self) -> None:
            """As it is."""

        close = stop

    class Output(ITS.AudioOutputStream):
        def flush(self) -> dict[str, Any]:
            nonlocal cleared_at
            cleared_at = time.perf_counter()
            cleared.set()
            return super().flush()

    def ask() -> None:
        dice = random.Random(1)
        chunks(push, SPEECH, 4)
        for _ in range(TIMES):
            writer.writing.clear()
            chunks(push, SILENCE, 20)  # its default wants 600 ms
            if not writer.writing.wait(ENOUGH_S):
                raise TimeoutError("VoicePipeline never wrote a reply")
            time.sleep(dice.random() * 0.2)
            cleared.clear()
            pushed = chunks(push, SPEECH, 1)  # one chunk is enough: nothing is played yet
            chunks(push, SPEECH, CONFIRMED_BY - 1)
            if not cleared.wait(ENOUGH_S):
                raise TimeoutError("VoicePipeline was never interrupted")
            spent.append(1000 * (cleared_at - pushed))

    over = asyncio.Event()

    async def run() -> None:
        async with talking(
            Device,
            recogniser=SimpleNamespace(create_streaming_session=lambda **_: Recognition()),
            generate=lambda transcript, context: "".join(writer.respond(transcript)),
            pieces=lambda: [SOUND],
            output=Output,
        ):
            await over.wait()

    asyncio.run(run())
    return spent, median(writer.spent)


class Busy(PeriodicScheduler):
    """A worker in virtual time, whose steps all take the same time."""

    def __init__(self, clock: abc.SchedulerBase, ms: float) -> None:
        super().__init__()
        self._clock, self._ms = clock, ms
        self._free = clock.now

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        self._free = max(self._free, self._clock.now) + self.to_timedelta(self._ms / 1000)
        return self._clock.schedule_absolute(self._free, lambda *_: action(self, state))

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
        return self._clock.schedule_relative(duetime, lambda *_: self.schedule(action, state))

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> Any:
        return self._clock.schedule_absolute(duetime, lambda *_: self.schedule(action, state))


def wasted(after_ms: float, ahead_ms: int | None) -> tuple[int, float]:
    """Tokens and seconds of sound that were not heard, for an interruption at this time."""
    clock = marbles().scheduler
    speaker = FakeSpeaker(clock)
    tokens = samples = 0
    told: list[str] = []
    piece = np.zeros(int(PIECE_S * 24_000), np.float32)

    def write(text: str) -> Iterator[str]:
        nonlocal tokens
        for word in REPLY.split():
            tokens += 1
            yield word + " "

    def speak(text: str) -> Iterator[rxv.Samples]:
        nonlocal samples
        for _ in range(round(len(text) / 15 / PIECE_S)):  # 15 characters a second
            samples += len(piece)
            yield piece

    interrupts: Subject[str | None] = Subject()
    turn = rxv.Turn.of(np.zeros(512, np.float32))
    turns: Observable[rxv.Turn] = rx.merge(rx.of(turn), rx.never())

    def on_next(event: object) -> None:
        if isinstance(event, rxv.events.Speaking):
            clock.schedule_relative(after_ms / 1000, lambda *_: interrupts.on_next(None))
        elif isinstance(event, rxv.events.Interrupted):
            told.append(event.heard)

    def worker(ms: float) -> abc.SchedulerBase:
        busy = Busy(clock, ms)
        return busy if ahead_ms is None else rxv.paced(busy, speaker, ahead_ms=ahead_ms)

    turns.pipe(
        vox.converse(
            vox.transcribe(lambda audio: QUESTION),
            vox.respond(write, worker=worker(TOKEN_MS)),
            vox.synthesize(speak, worker=worker(PIECE_MS)),
            sink=speaker,
            interrupts=interrupts,
        ),
    ).subscribe(on_next, scheduler=clock)
    cast(Any, clock).start()
    (heard,) = told
    return tokens - len(heard.split()), (samples - len(speaker.heard)) / 24_000


def measure() -> list[Result]:
    """Measure one after the other."""
    results: list[Result] = []
    mine, (other, call_ms) = ours(), theirs()
    for name, of in (("p50", median), ("p99", lambda v: float(np.percentile(v, 99)))):
        against = f"VoicePipeline: {of(other):.0f}"
        label = f"first chunk of speech to silence, {call_ms:.0f} ms of writing, {name}"
        limit = 0.5 if name == "p50" else None
        results.append(Result(label, of(mine), "ms", against, of(mine) / of(other), limit))
    dice = random.Random(2)
    moments = [dice.random() * 15_000 for _ in range(40)]
    paced = [wasted(ms, 3_000) for ms in moments]
    free = [wasted(ms, None) for ms in moments]
    for n, (name, unit) in enumerate((("text", "words"), ("speech", "s"))):
        ours_mean = float(np.mean([made[n] for made in paced]))
        free_mean = float(np.mean([made[n] for made in free]))
        results.append(
            Result(
                f"{name} made and never heard per interruption, paced(ahead_ms=3_000)",
                ours_mean,
                unit,
                f"not paced: {free_mean:.3g}",
                ours_mean / free_mean,
                0.5 if unit == "s" else None,
            )
        )
    return results
