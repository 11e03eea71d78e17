"""For `benchmarks.gpu`: the user listens, speaks and interrupts while the model writes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import mlx.core as mx
import numpy as np
from reactivex import Observable, Subject, abc, defer
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from benchmarks import _silero_models as models
from benchmarks._measure import CHUNK_MS, SILENCE, SIZE, SPEECH, loud
from benchmarks.interruption import ENOUGH_S, SOUND, Loudspeaker, chunks
from rxvoice import operators as vox
from rxvoice.events import Notice
from rxvoice.mlx import Llm, MlxScheduler

WORDS_AFTER = 6  # chunks of 32 ms are more than the 180 ms that `converse` wants
VOICE_MS = 3 * CHUNK_MS


class Endless:
    """Answers one question again and again, until the reply is closed."""

    def __init__(self, llm: Llm, question: str) -> None:
        self._llm, self._question = llm, question
        self.began = threading.Event()
        self.began_at = 0.0

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Write. Sets `began` with the first text, once in each call."""
        silent = True
        while True:
            self._llm.reset()
            with closing(self._llm.respond(self._question)) as pieces:
                for piece in pieces:
                    if piece and silent:
                        silent = False
                        self.began_at = time.perf_counter()
                        self.began.set()
                    yield piece
            yield " "


@dataclass
class Heard:
    """Milliseconds, of each chunk or step.

    Args:
        judged: from a chunk's arrival until it is judged.
        gaps: from one judged chunk to the next; 32 when all is well.
        waits: from the time that a step of the voice is ready until it begins.
    """

    judged: list[float] = field(default_factory=list[float])
    gaps: list[float] = field(default_factory=list[float])
    waits: list[float] = field(default_factory=list[float])


def listening(worker: MlxScheduler, endless: Endless | None, count: int) -> Heard:
    """Judge chunks at the pace of a microphone, and give the voice a step for every third.

    Args:
        endless: writes on the model thread meanwhile; None: nothing does.
    """
    heard = Heard()
    over, ended = threading.Event(), threading.Event()
    square = mx.random.normal((256, 256))
    mx.eval(square)
    with TemporaryDirectory() as scratch:
        detector = rxv.silero(models.write(Path(scratch), models.random_weights(0)))
        detector.load()
    microphone: Subject[rxv.Samples] = Subject()
    came = threading.Event()
    microphone.pipe(vox.chunk(SIZE), vox.vad(detector)).subscribe(lambda _: came.set())
    writing = None if endless is None else endless.respond("")

    def write(*_: object) -> None:
        if over.is_set() or writing is None:
            if writing is not None:
                writing.close()
            ended.set()
            return
        next(writing)
        worker.text.schedule(write)

    def voice(ready: float) -> None:
        def step(*_: object) -> None:
            heard.waits.append(1000 * (time.perf_counter() - ready))
            mx.eval(square @ square)

        worker.speech.schedule(step)

    worker.text.schedule(write)
    noise = np.random.default_rng(0).normal(0, 0.1, (count, SIZE)).astype(np.float32)
    conversation = EventLoopScheduler()
    last = 0.0
    if endless is not None and not endless.began.wait(ENOUGH_S):
        raise TimeoutError("the model never began to write")
    for n, block in enumerate(noise):
        due = time.perf_counter() + CHUNK_MS / 1000
        came.clear()
        begin = time.perf_counter()
        conversation.schedule(lambda *_, block=block: microphone.on_next(block))
        if n % 3 == 0:
            voice(begin)
        if not came.wait(ENOUGH_S):
            raise TimeoutError("a chunk was never judged")
        now = time.perf_counter()
        heard.judged.append(1000 * (now - begin))
        if last:
            heard.gaps.append(1000 * (now - last))
        last = now
        time.sleep(max(0.0, due - time.perf_counter()))
    over.set()
    ended.wait(ENOUGH_S)
    conversation.dispose()
    return heard


class _Loudspeaker(Loudspeaker):
    """Keeps the time of the last `clear`, too."""

    def __init__(self) -> None:
        super().__init__()
        self.cleared = threading.Event()
        self.cleared_at = 0.0

    def clear(self) -> rxv.Samples:
        self.cleared_at = time.perf_counter()
        self.cleared.set()
        return super().clear()


class _Hearing:
    """A recogniser that knows the words after `WORDS_AFTER` chunks."""

    def session(self) -> _Hearing:
        return _Hearing()

    def __init__(self) -> None:
        self.done = self._closed = self._told = False
        self._heard = 0

    def feed(self, samples: rxv.Samples) -> None:
        self._heard += len(samples)

    def step(self) -> list[str]:
        self.done = self._closed
        if self._told or self._heard < WORDS_AFTER * SIZE:
            return []
        self._told = True
        return ["Stop it."]

    def close(self) -> None:
        self._closed = True


@dataclass
class Interrupted:
    """Milliseconds, of each interruption.

    Args:
        paused: from the first chunk of speech until the loudspeaker is paused.
        cleared: from the chunk with the words until the reply is given up and its sound dropped.
        next_text: from the end of the user's turn to the first text of the next reply.
    """

    paused: list[float] = field(default_factory=list[float])
    cleared: list[float] = field(default_factory=list[float])
    next_text: list[float] = field(default_factory=list[float])


def interrupting(worker: MlxScheduler, endless: Endless, times: int) -> Interrupted:
    """Speak over the reply, again and again, at any moment of its writing."""
    spent = Interrupted()
    dice = random.Random(1)
    sink = _Loudspeaker()
    microphone: Subject[rxv.Samples] = Subject()
    ready = threading.Event()
    failures: list[object] = []

    def begin(_: abc.SchedulerBase) -> Observable[rxv.Samples]:
        ready.set()  # all stages behind it have begun by then
        return microphone

    conversation = defer(begin).pipe(
        vox.handoff(max_ms=10_000, overflow="fail"),
        vox.chunk(SIZE),
        vox.vad(loud),
        vox.turn_window(rxv.silence(64)),
        vox.converse(
            vox.transcribe(_Hearing(), worker=worker.listening),
            vox.respond(endless, worker=worker.text, total_timeout_ms=None),
            vox.synthesize(lambda text: SOUND, worker=worker.speech),
            sink=sink,
            own_words=False,  # they are only noise here
        ),
    )

    def wait(event: threading.Event, what: str) -> None:
        if not event.wait(ENOUGH_S):
            raise TimeoutError(f"{what}; the conversation says {failures[-1:]}")

    def tell(event: object) -> None:
        if isinstance(event, rxv.events.TurnFailed):
            failures.append(event)

    life = rxv.live(conversation).subscribe(tell, failures.append)
    wait(ready, "the conversation never began")
    chunks(microphone.on_next, SPEECH, WORDS_AFTER + 1)
    for n in range(times + 1):
        sink.heard.clear()
        endless.began.clear()
        # The second silent chunk ends the turn.
        ended = chunks(microphone.on_next, SILENCE, 2)
        chunks(microphone.on_next, SILENCE, 1)
        wait(endless.began, "the model never began to write")
        wait(sink.heard, "the reply was never spoken")
        if n:  # the first one is no interruption
            spent.next_text.append(1000 * (endless.began_at - ended))
        if n == times:
            break
        time.sleep(dice.random() * 0.2)
        sink.paused.clear()
        sink.cleared.clear()
        pushed = chunks(microphone.on_next, SPEECH, 1)
        wait(sink.paused, "the reply was never paused")
        spent.paused.append(1000 * (sink.paused_at - pushed))
        pushed = chunks(microphone.on_next, SPEECH, WORDS_AFTER - 1)
        wait(sink.cleared, "the reply was never given up")
        spent.cleared.append(1000 * (sink.cleared_at - pushed))
    life.dispose()
    return spent
