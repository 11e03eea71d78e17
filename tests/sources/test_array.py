"""`sources.array`: audio in memory as a microphone would give it."""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
import pytest
import reactivex as rx
import soxr
from numpy.typing import NDArray
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler, HistoricalScheduler, ImmediateScheduler
from reactivex.testing import TestScheduler

from rxvoice import AudioChunk, sources
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled


def sine(n: int, rate: int, level: float = 0.5) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * 440 * np.arange(n) / rate)


def heard(source: Observable[AudioChunk]) -> list[AudioChunk]:
    got: list[AudioChunk] = []
    source.subscribe(got.append)
    return got


def joined(chunks: list[AudioChunk]) -> NDArray[np.float32]:
    return np.concatenate([np.empty(0, np.float32), *(chunk.samples for chunk in chunks)])


def test_blocks_hold_every_sample_and_say_where_they_start() -> None:
    audio = np.linspace(-1, 1, 1300, dtype=np.float32)
    chunks = heard(sources.array(audio, 16_000))
    assert [len(chunk.samples) for chunk in chunks] == [512, 512, 276]
    assert [chunk.start for chunk in chunks] == [0, 512, 1024]
    assert {chunk.sample_rate for chunk in chunks} == {16_000}
    assert all(chunk.samples.dtype == np.float32 for chunk in chunks)
    assert not any(chunk.samples.flags.writeable for chunk in chunks)
    np.testing.assert_array_equal(joined(chunks), audio)


def test_borders_do_not_drift_where_a_block_is_no_whole_number_of_samples() -> None:
    chunks = heard(sources.array(np.zeros(22_050, np.float32), 22_050, sample_rate=22_050))
    assert {len(chunk.samples) for chunk in chunks[:-1]} == {705, 706}
    assert [chunk.start for chunk in chunks] == [i * 32 * 22_050 // 1000 for i in range(32)]


@pytest.mark.parametrize(
    ("dtype", "full_scale"),
    [("f4", 1), ("f8", 1), ("i2", 2**15), ("i4", 2**31), (">i2", 2**15), (">f4", 1)],
)
def test_every_type_is_scaled_by_its_full_scale(dtype: str, full_scale: int) -> None:
    audio = np.array([0, 0.5, -1, 0.25])
    [chunk] = heard(sources.array((audio * full_scale).astype(dtype), 16_000))
    np.testing.assert_array_equal(chunk.samples, audio.astype(np.float32))


def test_channels_are_mixed_by_their_mean() -> None:
    stereo = np.array([[32767, -32767], [16384, 0], [-32768, -32768]], np.int16)
    [chunk] = heard(sources.array(stereo, 16_000))
    np.testing.assert_allclose(chunk.samples, [0, 0.25, -1])


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_sine_of_any_rate_comes_out_as_that_sine(rate: int, channels: int) -> None:
    audio = np.repeat(sine(rate, rate)[:, None], channels, axis=1)
    out = joined(heard(sources.array(audio, rate)))
    assert len(out) == 16_000
    inner = slice(500, -500)
    np.testing.assert_allclose(out[inner], sine(16_000, 16_000)[inner], atol=2e-3)
    np.testing.assert_allclose(
        out, soxr.resample(audio.mean(axis=1).astype(np.float32), rate, 16_000), atol=1e-4
    )


@pytest.mark.parametrize("n", [0, 1, 2, 5, 100, 44_101, 200_000])
def test_nothing_is_cut_at_the_end_by_resampling(n: int) -> None:
    out = joined(heard(sources.array(np.ones(n, np.float32), 44_100)))
    assert abs(len(out) - n * 16_000 / 44_100) <= 1


def test_the_array_may_be_used_again_and_so_may_the_source() -> None:
    audio = np.ones(600, np.float32)
    source = sources.array(audio, 16_000)
    audio[:] = 0
    assert joined(heard(source)).min() == 1
    assert heard(source) == heard(source)


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_no_samples_complete_at_once(shape: tuple[int, ...]) -> None:
    log: list[object] = []
    sources.array(np.zeros(shape, np.float32), 8_000).subscribe(
        log.append, log.append, lambda: log.append("completed")
    )
    assert log == ["completed"]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.array([0, 0.1, np.nan]), r"got nan at 2"),
        (np.array([[0, 0], [0, -np.inf]], np.float32), r"got -inf at \(1, 1\)"),
        (np.float32(0.5), r"got \(\)"),
        (np.zeros((2, 2, 2), np.float32), r"got \(2, 2, 2\)"),
        (np.zeros((5, 0), np.float32), r"got \(5, 0\)"),
        (np.zeros((2, 16_000), np.float32), r"16000 channels: pass samples\.T"),
        (np.zeros(4, bool), "got bool, which is not audio"),
        (np.zeros(4, complex), "got complex128, which is not audio"),
        (np.array(["a"]), "got <U1, which is not audio"),
        (np.zeros(4, np.int64), "got int64: divide it by its full scale"),
        (np.zeros(4, np.uint8), r"got uint8: convert it with \(samples"),
        (np.zeros(4, np.float16), r"got float16: convert it with samples\.astype"),
        (np.full(4, 20_000.0), "divide integer audio by its full scale"),
        (np.full(4, 1e300), "wanted finite samples"),
    ],
)
def test_samples_that_are_not_audio_are_refused_when_it_is_built(
    samples: NDArray[np.float32], message: str
) -> None:
    with pytest.raises(AudioFormatError, match=message):
        sources.array(samples, 16_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0}, "array rate must be at least 1 Hz, got 0"),
        ({"rate": 44_100.5}, "array rate must be a whole number of Hz, got 44100.5"),
        ({"sample_rate": -1}, "array sample_rate must be at least 1 Hz, got -1"),
        ({"block_ms": 0}, "array block_ms must be at least 1 ms, got 0"),
        ({"block_ms": True}, "array block_ms must be a whole number of ms, got True"),
        ({"sample_rate": 300}, None),
        ({"sample_rate": 300, "block_ms": 3}, "array block_ms must be at least 4 ms"),
    ],
)
def test_arguments_out_of_range_are_refused_when_it_is_built(
    arguments: dict[str, int], message: str | None
) -> None:
    def build() -> Observable[AudioChunk]:
        return sources.array(np.zeros(10, np.float32), **{"rate": 16_000, **arguments})

    if message is None:
        build()
    else:
        with pytest.raises(ConfigError, match=message):
            build()


def test_it_feeds_chunk() -> None:
    audio = np.arange(1000, dtype=np.float32) / 1000
    chunks = heard(sources.array(audio, 16_000, block_ms=10).pipe(vox.chunk(512)))
    assert [(len(chunk.samples), chunk.partial) for chunk in chunks] == [(512, False), (488, True)]
    np.testing.assert_array_equal(joined(chunks), audio)


def test_answers_on_the_trampoline_come_between_the_blocks() -> None:
    order: list[str] = []

    def answer(chunk: AudioChunk) -> Observable[str]:
        order.append(f"block {chunk.start}")
        return rx.of(f"answer {chunk.start}")

    sources.array(np.zeros(1024, np.float32), 16_000).pipe(ops.flat_map(answer)).subscribe(
        order.append, on_completed=lambda: order.append("completed")
    )
    assert order == ["block 0", "answer 0", "block 512", "answer 512", "completed"]


def test_an_immediate_scheduler_does_not_nest() -> None:
    chunks: list[AudioChunk] = []
    sources.array(np.zeros(100_000, np.float32), 16_000, block_ms=1).subscribe(
        chunks.append, scheduler=ImmediateScheduler()
    )
    assert len(chunks) == 6250


def test_take_stops_it_at_once() -> None:
    blocks: list[int] = []
    got: list[int] = []
    sources.array(np.zeros(16_000, np.float32), 16_000).pipe(
        ops.do_action(lambda chunk: blocks.append(chunk.start)),
        ops.take(2),
        ops.map(lambda chunk: chunk.start),
    ).subscribe(got.append)
    assert blocks == got == [0, 512]


def test_without_realtime_a_given_scheduler_takes_a_block_an_action() -> None:
    scheduler = HistoricalScheduler()
    got: list[int] = []
    subscription = sources.array(np.zeros(2048, np.float32), 16_000).subscribe(
        lambda chunk: got.append(chunk.start), scheduler=scheduler
    )
    assert got == []
    scheduler.schedule(lambda *_: subscription.dispose())
    scheduler.start()
    assert got == [0]


def test_realtime_keeps_time_in_virtual_time() -> None:
    scheduler = TestScheduler()
    source = sources.array(np.zeros(1200, np.float32), 16_000, realtime=True)
    observed = scheduler.start(lambda: source.pipe(ops.map(lambda chunk: chunk.start)))
    assert [(m.value.kind, getattr(m.value, "value", None)) for m in observed.messages] == [
        ("N", 0),
        ("N", 512),
        ("N", 1024),
        ("C", None),
    ]
    assert [m.time - 200 for m in observed.messages] == pytest.approx([0.032, 0.064, 0.096, 0.096])


def test_realtime_catches_up_after_a_slow_subscriber() -> None:
    scheduler = HistoricalScheduler()
    began = scheduler.now
    times: list[int] = []

    def slow(chunk: AudioChunk) -> None:
        times.append((scheduler.now - began) // timedelta(milliseconds=1))
        if chunk.start == 0:
            scheduler.sleep(timedelta(milliseconds=20))

    sources.array(np.zeros(640, np.float32), 16_000, block_ms=10, realtime=True).subscribe(
        slow, scheduler=scheduler
    )
    scheduler.start()
    assert times == [10, 30, 30, 40]


def test_two_subscribers_at_once_each_hear_everything() -> None:
    scheduler = HistoricalScheduler()
    source = sources.array(np.zeros(1024, np.float32), 16_000, realtime=True)
    log: list[tuple[str, int]] = []
    for name in "ab":
        source.subscribe(
            lambda chunk, name=name: log.append((name, chunk.start)), scheduler=scheduler
        )
    scheduler.start()
    assert log == [("a", 0), ("b", 0), ("a", 512), ("b", 512)]


class Threads:
    """The threads that have come since."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def new(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in self._before]


def test_realtime_without_a_scheduler_has_one_thread_which_ends_with_it() -> None:
    ended = threading.Event()
    on: list[threading.Thread] = []
    source = sources.array(np.zeros(160, np.float32), 16_000, block_ms=2, realtime=True)
    source.subscribe(lambda _: on.append(threading.current_thread()), on_completed=ended.set)
    assert ended.wait(60)
    [thread] = set(on)
    assert len(on) == 5
    assert thread is not threading.current_thread()
    thread.join(60)
    assert not thread.is_alive()


def test_that_thread_ends_when_its_own_subscriber_has_enough() -> None:
    ended = threading.Event()
    on: list[threading.Thread] = []
    source = sources.array(np.zeros(16_000, np.float32), 16_000, block_ms=2, realtime=True)
    source.pipe(ops.take(1)).subscribe(
        lambda _: on.append(threading.current_thread()), on_completed=ended.set
    )
    assert ended.wait(60)
    on[0].join(10)
    assert not on[0].is_alive()


def test_that_thread_ends_at_once_when_another_one_disposes() -> None:
    threads = Threads()
    source = sources.array(np.zeros(16_000, np.float32), 16_000, block_ms=600_000, realtime=True)
    subscription = source.subscribe(lambda _: None)
    [thread] = threads.new()
    subscription.dispose()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("disposes", "error", "raised"),
    [
        (True, SinkStalled("the sink has been stopped"), []),
        (False, SinkStalled("the sink has been stopped"), [SinkStalled]),
        (True, ZeroDivisionError(), [ZeroDivisionError]),
    ],
)
def test_a_sink_may_be_stopped_when_the_subscription_has_ended(
    disposes: bool,
    error: Exception,
    raised: list[type[Exception]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing, stopped = threading.Event(), threading.Event()
    died: list[type[BaseException]] = []
    on: list[threading.Thread] = []
    monkeypatch.setattr(threading, "excepthook", lambda it: died.append(it.exc_type))

    def write(_: AudioChunk) -> None:
        on.append(threading.current_thread())
        writing.set()
        stopped.wait(60)
        raise error

    source = sources.array(np.zeros(16_000, np.float32), 16_000)
    subscription = source.subscribe(write, scheduler=EventLoopScheduler(exit_if_empty=True))
    assert writing.wait(60)
    if disposes:
        subscription.dispose()
    stopped.set()
    on[0].join(60)
    assert died == raised
    assert len(on) == 1
