"""Silero for many streams at once: what it computes, when it answers, and what it leaves."""

import asyncio
import gc
import random
import weakref
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from reactivex import Subject
from reactivex.testing import TestScheduler

import rxvoice as rxv
from benchmarks import _silero_models as models
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice._silero import Silero, gather
from rxvoice._silero.network import LAYOUTS, Network, Pass
from rxvoice._silero.together import Remembered, Together
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import Notice
from rxvoice.stage_error import StageError

RATES = (16_000, 8_000)


def network(rate: int) -> Network:
    layout = LAYOUTS[rate]
    branch = f"vad_{layout.branch}."
    weights = models.random_weights(0)
    return Network(layout, {name: weights[branch + name] for name in layout.shapes})


def sounds(size: int, count: int, seed: int = 0) -> list[rxv.Samples]:
    rng = np.random.default_rng(seed)
    loudness = rng.choice([0.0, 1e-4, 0.05, 1.0], (count, 1))
    return list((rng.uniform(-1, 1, (count, size)) * loudness).astype(np.float32))


# What it computes.


@pytest.mark.parametrize("rate", RATES)
def test_any_streams_together_are_what_each_is_alone(rate: int) -> None:
    """Streams that begin and pause at any time, in batches of any size and order."""
    net, rng = network(rate), random.Random(1)
    together = Together(net, 7)
    streams = [Remembered(net.layout) for _ in range(12)]
    alone = [Pass(net) for _ in range(12)]
    most = 0.0
    for _ in range(60):
        chosen = rng.sample(range(12), rng.randint(1, 7))
        chunks = sounds(net.layout.chunk_size, len(chosen), rng.randrange(1000))
        got = together.probabilities([streams[at] for at in chosen], chunks)
        wanted = [alone[at].probability(it) for at, it in zip(chosen, chunks, strict=True)]
        most = max(most, *(abs(a - b) for a, b in zip(got, wanted, strict=True)))
    assert most < 1e-5


def test_the_demo_is_judged_as_alone() -> None:
    audio, _ = sf.read(f"{rxv.__path__[0]}/data/demo.wav", dtype="float32")
    chunks = [audio[at : at + 512] for at in range(0, len(audio) - 512, 512)]
    net = offline.silero()._weights.network()
    together = Together(net, 32)
    streams, alone = [Remembered(net.layout) for _ in range(3)], [Pass(net) for _ in range(3)]
    spoken = 0
    for at in range(2, len(chunks)):
        now = [chunks[at - lag] for lag in range(3)]
        got = together.probabilities(streams, now)
        assert got == pytest.approx(
            [one.probability(it) for one, it in zip(alone, now, strict=True)], abs=1e-5
        )
        spoken += got[0] > 0.5
    assert spoken > 50


# In a pipe, in virtual time.


def chunk(at: int, samples: Any, **more: Any) -> AudioChunk:
    return AudioChunk(samples, 16_000, start=512 * at, **more)


class Seen(list[tuple[float, Any]]):
    """What one stream gave, with its time."""


class Streams:
    """Several streams of chunks through `vad`, in virtual time, each chunk 32 ms long."""

    def __init__(self, detector: Any, count: int) -> None:
        self.scheduler = TestScheduler()
        self.sources: list[Subject[Any]] = [Subject() for _ in range(count)]
        self.seen: list[Seen] = [Seen() for _ in range(count)]
        self.ends: list[list[Any]] = [[] for _ in range(count)]
        self.lives = [
            source.pipe(vox.vad(detector)).subscribe(
                lambda it, seen=seen: seen.append((self.scheduler.clock, it)),
                ends.append,
                lambda ends=ends: ends.append("completed"),
                scheduler=self.scheduler,
            )
            for source, seen, ends in zip(self.sources, self.seen, self.ends, strict=True)
        ]

    def at(self, seconds: float, index: int, element: Any) -> None:
        self.scheduler.schedule_absolute(seconds, lambda *_: self.sources[index].on_next(element))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many chunks each evaluation had."""
    sizes: list[int] = []
    real = Together.probabilities

    def watched(self: Together, streams: Any, chunks: Any) -> list[float]:
        sizes.append(len(streams))
        return real(self, streams, chunks)

    monkeypatch.setattr(Together, "probabilities", watched)
    return sizes


def test_chunks_that_come_close_together_are_evaluated_at_once(evaluated: list[int]) -> None:
    chunks = sounds(512, 40)
    streams = Streams(offline.silero(gather_ms=8), 8)
    for at in range(5):
        for index in range(8):
            streams.at(0.1 + 0.032 * at + 0.0009 * index, index, chunk(at, chunks[8 * at + index]))
    streams.scheduler.start()
    assert evaluated[-4:] == [8] * 4  # once all listen; the first few are not waited for
    for index, seen in enumerate(streams.seen):
        one = offline.silero()
        for at, (time, it) in enumerate(seen):
            came = 0.1 + 0.032 * at + 0.0009 * index
            assert came <= time <= came + 0.008 + 1e-6
            assert it.start == 512 * at
            assert it.probability == pytest.approx(one.probability(it.samples), abs=1e-5)
        assert len(seen) == 5


def test_few_streams_do_not_wait(evaluated: list[int]) -> None:
    streams = Streams(offline.silero(gather_ms=8), gather.FEW - 1)
    for index in range(gather.FEW - 1):
        streams.at(0.1, index, chunk(0, np.zeros(512, np.float32)))
    streams.scheduler.start()
    assert [[time for time, _ in seen] for seen in streams.seen] == [[0.1]] * (gather.FEW - 1)
    assert evaluated == [1] * (gather.FEW - 1)


def test_a_full_gathering_does_not_wait(evaluated: list[int]) -> None:
    count = gather.MOST + 5
    streams = Streams(offline.silero(gather_ms=8), count)
    for at in (0, 1):
        for index in range(count):
            streams.at(0.1 + 0.032 * at, index, chunk(at, np.zeros(512, np.float32)))
    streams.scheduler.start()
    assert evaluated[-2:] == [gather.MOST, 5]
    times = [seen[1][0] for seen in streams.seen]
    assert times == pytest.approx([0.132] * gather.MOST + [0.14] * 5)


def many(count: int = 6) -> Streams:
    """Streams that all listen."""
    streams = Streams(offline.silero(gather_ms=8), count)
    for index in range(count):
        streams.at(0.01, index, chunk(0, np.zeros(512, np.float32)))
    streams.scheduler.advance_to(0.05)
    for seen in streams.seen:
        assert len(seen) == 1
        seen.clear()
    return streams


def test_a_burst_of_one_stream_keeps_its_order(evaluated: list[int]) -> None:
    streams = many()
    del evaluated[:]
    chunks = sounds(512, 5)
    notice = Notice("something was dropped")
    tail = chunk(6, np.zeros(100, np.float32), partial=True)
    for at, samples in enumerate(chunks, 1):
        streams.at(0.1, 0, chunk(at, samples))
        if at == 2:
            streams.at(0.1, 0, notice)
    streams.at(0.1, 1, chunk(1, chunks[0]))
    streams.at(0.1, 0, tail)
    streams.scheduler.start()
    assert evaluated == [2, 1, 1, 1, 1]
    elements = [it for _, it in streams.seen[0]]
    assert [getattr(it, "start", it) for it in elements] == [
        512, 1024, notice, 1536, 2048, 2560, 3072,
    ]  # fmt: skip
    one = offline.silero()
    one.probability(np.zeros(512, np.float32))
    judged = [it.probability for it in elements if it is not notice and not it.partial]
    assert judged == pytest.approx([one.probability(it) for it in chunks], abs=1e-5)


@pytest.mark.parametrize("how", ["completed", "error", "misfit", "misplaced"])
def test_the_end_comes_after_what_waited(how: str) -> None:
    streams = many()
    error = RuntimeError("unplugged")
    streams.sources[0].on_next(chunk(1, np.zeros(512, np.float32)))
    streams.sources[1].on_next(chunk(1, np.zeros(512, np.float32)))
    assert streams.seen[0] == []
    if how == "completed":
        streams.sources[0].on_completed()
    elif how == "error":
        streams.sources[0].on_error(error)
    elif how == "misfit":
        streams.sources[0].on_next(chunk(2, np.zeros(100, np.float32)))
    else:
        streams.sources[0].on_next("text")
    assert [it.start for _, it in streams.seen[0]] == [512]
    [end] = streams.ends[0]
    wanted = {"completed": str, "error": RuntimeError, "misfit": AudioFormatError}
    assert isinstance(end, wanted.get(how, ConfigError))
    streams.scheduler.start()
    assert [len(seen) for seen in streams.seen] == [1, 1, 0, 0, 0, 0]


def test_one_that_is_disposed_gets_nothing_more_and_the_others_do() -> None:
    streams = many()
    for index in range(3):
        streams.sources[index].on_next(chunk(1, np.zeros(512, np.float32)))
    streams.lives[1].dispose()
    streams.scheduler.start()
    assert [len(seen) for seen in streams.seen] == [1, 0, 1, 0, 0, 0]
    # With one less than `FEW` left, none waits.
    for life in streams.lives[3:]:
        life.dispose()
    streams.sources[0].on_next(chunk(2, np.zeros(512, np.float32)))
    assert len(streams.seen[0]) == 2


def test_what_a_subscriber_raises_costs_no_other_stream_its_chunk() -> None:
    streams = many()

    def broken(_: object) -> None:
        raise RuntimeError("the app's")

    streams.seen[1].append = broken  # type: ignore[method-assign]
    for index in range(3):
        streams.sources[index].on_next(chunk(1, np.zeros(512, np.float32)))
    with pytest.raises(RuntimeError, match="the app's"):
        streams.scheduler.start()
    assert [len(seen) for seen in streams.seen] == [1, 0, 1, 0, 0, 0]
    streams.scheduler.start()


def test_bad_samples_are_a_failure_of_their_chunk_in_order() -> None:
    streams = many()
    bad = np.zeros(512, np.float64)
    for at, samples in enumerate((np.zeros(512, np.float32), bad, np.zeros(512, np.float32)), 1):
        element = chunk(at, np.zeros(512, np.float32))
        if samples is bad:
            object.__setattr__(element, "samples", bad)
        streams.at(0.1, 0, element)
    streams.scheduler.start()
    kinds = [type(it).__name__ for _, it in streams.seen[0]]
    assert kinds == ["AudioChunk", "Notice", "AudioChunk", "AudioChunk"]
    [notice] = [it for _, it in streams.seen[0] if isinstance(it, Notice)]
    assert isinstance(notice.detail, StageError)
    assert "float64" in notice.message


def test_a_failed_evaluation_fails_the_chunks_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = many()

    def broken(*_: object) -> list[float]:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(Together, "probabilities", broken)
        for index in range(6):
            streams.at(0.1, index, chunk(1, np.zeros(512, np.float32)))
        streams.scheduler.advance_to(0.2)
    for seen in streams.seen:
        assert [type(it) for _, it in seen] == [Notice, AudioChunk]
        seen.clear()
    for index in range(6):
        streams.at(0.3, index, chunk(2, np.zeros(512, np.float32)))
    streams.scheduler.start()
    assert [len(seen) for seen in streams.seen] == [1] * 6


# On an event loop.


def test_on_a_loop_sessions_of_one_family_are_gathered(evaluated: list[int]) -> None:
    async def talk() -> list[list[float]]:
        family = offline.silero(gather_ms=8)
        sources: list[Subject[Any]] = [Subject() for _ in range(10)]
        seen: list[list[float]] = [[] for _ in range(10)]
        over = asyncio.Event()

        def take(index: int, it: Any) -> None:
            seen[index].append(it.probability)
            if all(len(it) == 4 for it in seen):
                over.set()

        for index, source in enumerate(sources):
            source.pipe(vox.vad(family.fresh())).subscribe(
                lambda it, index=index: take(index, it), print
            )
        for at in range(4):
            for source, samples in zip(sources, sounds(512, 10, at), strict=True):
                source.on_next(chunk(at, samples))
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await over.wait()
        for source in sources:
            source.on_completed()
        assert [it.streams for it in family._weights.gatherings._places.values()] == [0]  # type: ignore[union-attr]
        return seen

    seen = asyncio.run(talk())
    for index, probabilities in enumerate(seen):
        one = offline.silero()
        wanted = [one.probability(sounds(512, 10, at)[index]) for at in range(4)]
        assert probabilities == pytest.approx(wanted, abs=1e-5)
    assert max(evaluated) == 10


def test_without_a_loop_each_chunk_is_evaluated_at_once(evaluated: list[int]) -> None:
    family = offline.silero(gather_ms=8)
    sources: list[Subject[Any]] = [Subject() for _ in range(6)]
    seen: list[Any] = []
    for source in sources:
        source.pipe(vox.vad(family)).subscribe(seen.append, print)
    for source in sources:
        source.on_next(chunk(0, np.zeros(512, np.float32)))
    assert len(seen) == 6
    assert evaluated == [1] * 6


def test_nothing_holds_a_loop_that_is_gone() -> None:
    family = offline.silero(gather_ms=8)
    gone: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def one() -> None:
        gone.append(weakref.ref(asyncio.get_running_loop()))
        source: Subject[Any] = Subject()
        source.pipe(vox.vad(family)).subscribe(print, print)
        source.on_next(chunk(0, np.zeros(512, np.float32)))

    asyncio.run(one())
    gc.collect()
    assert gone[0]() is None
    assert len(family._weights.gatherings._places) == 0  # type: ignore[union-attr]


def test_a_detector_that_gathers_can_be_asked_directly() -> None:
    gathers, plain = offline.silero(gather_ms=8), offline.silero()
    for samples in sounds(512, 5):
        assert gathers.probability(samples) == plain.probability(samples)
    assert plain.gathered(None) is None
    assert isinstance(gathers.fresh(), Silero)


@pytest.mark.parametrize("gather_ms", [-1, 33, float("nan"), "8"])
def test_a_wait_out_of_range_raises_at_once(gather_ms: Any) -> None:
    with pytest.raises(ConfigError, match="gather_ms must be"):
        offline.silero(gather_ms=gather_ms)
    with pytest.raises(ConfigError, match="gather_ms must be"):
        rxv.silero(gather_ms=gather_ms)
