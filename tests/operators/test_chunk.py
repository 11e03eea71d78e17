from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.testing.check import check_operator


def ramp(n: int, first: int = 0) -> Any:
    return (np.arange(first, first + n) / 4096).astype(np.float32)


def run(blocks: list[Any], size: int = 4, **options: Any) -> tuple[list[AudioChunk], list[Any]]:
    """What comes of the blocks, and how it ended."""
    source: Subject[Any] = Subject()
    chunks: list[AudioChunk] = []
    end: list[Any] = []
    source.pipe(vox.chunk(size, **options)).subscribe(
        chunks.append, end.append, lambda: end.append("completed")
    )
    for block in blocks:
        source.on_next(block)
    source.on_completed()
    return chunks, end


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.chunk(4),
        elements=[ramp(3), ramp(10), ramp(0), ramp(5)],
        name="chunk",
        events="pass",
    )


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 7, 8, 9, 4096])
@pytest.mark.parametrize("block", [1, 3, 4, 5, 4096])
def test_no_sample_is_lost_or_moved_whatever_the_sizes(length: int, block: int) -> None:
    audio = ramp(length)
    chunks, end = run([audio[i : i + block] for i in range(0, length, block)])
    assert end == ["completed"]
    assert np.array_equal(np.concatenate([audio[:0], *(c.samples for c in chunks)]), audio)
    full, tail = divmod(length, 4)
    assert [len(c.samples) for c in chunks] == [4] * full + [tail] * bool(tail)
    assert [c.partial for c in chunks] == [False] * full + [True] * bool(tail)
    assert [c.start for c in chunks] == list(range(0, length, 4))


def test_a_chunk_comes_as_soon_as_it_is_full() -> None:
    source: Subject[Any] = Subject()
    seen: list[int] = []
    source.pipe(vox.chunk(4)).subscribe(lambda c: seen.append(c.start))
    for block, wanted in ((3, []), (1, [0]), (11, [0, 4, 8]), (0, [0, 4, 8]), (1, [0, 4, 8, 12])):
        source.on_next(ramp(block))
        assert seen == wanted


def test_a_chunk_of_one_sample() -> None:
    chunks, _ = run([ramp(3)], size=1)
    assert [c.samples.tolist() for c in chunks] == [[v] for v in ramp(3).tolist()]


def test_the_source_may_reuse_its_block() -> None:
    block = np.empty(4, np.float32)
    source: Subject[Any] = Subject()
    chunks: list[AudioChunk] = []
    source.pipe(vox.chunk(4)).subscribe(chunks.append)
    for n in range(3):
        block[:] = n / 8
        source.on_next(block)
    block[:] = 0.9
    assert [c.samples.tolist() for c in chunks] == [[n / 8] * 4 for n in range(3)]
    assert not any(np.shares_memory(c.samples, block) for c in chunks)


def test_chunks_are_read_only_and_apart() -> None:
    chunks, _ = run([ramp(10)])
    for c in chunks:
        with pytest.raises(ValueError, match="read-only"):
            c.samples[0] = 1
    assert not np.shares_memory(chunks[0].samples, chunks[1].samples)


def test_read_only_and_strided_blocks_are_welcome() -> None:
    stereo = np.stack([ramp(8), -ramp(8)], axis=1)
    left = stereo[:, 0]
    left.flags.writeable = False
    chunks, end = run([left])
    assert end == ["completed"]
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), ramp(8))


def test_chunks_of_chunks_count_anew() -> None:
    given = [AudioChunk(ramp(6), 8000, start=100), AudioChunk(ramp(3), 8000, partial=True)]
    chunks, _ = run(given, sample_rate=8000)
    assert [(c.start, len(c.samples), c.sample_rate) for c in chunks] == [
        (0, 4, 8000),
        (4, 4, 8000),
        (8, 1, 8000),
    ]
    assert [c.partial for c in chunks] == [False, False, True]


def test_what_does_not_fill_a_chunk_is_dropped_on_an_error() -> None:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    error = RuntimeError("unplugged")
    source.pipe(vox.chunk(4)).subscribe(seen.append, seen.append)
    source.on_next(ramp(6))
    source.on_error(error)
    assert [type(one) for one in seen] == [AudioChunk, RuntimeError]
    assert seen[1] is error


def with_peak(value: float) -> Any:
    samples = np.zeros(512, np.float32)
    samples[7] = value
    return samples


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (with_peak(np.nan), "wanted finite samples in [-1, 1], got nan at index 7"),
        (with_peak(np.inf), "wanted finite samples in [-1, 1], got inf at index 7"),
        (with_peak(-np.inf), "wanted finite samples in [-1, 1], got -inf at index 7"),
        pytest.param(
            with_peak(1e30),
            "wanted finite samples in [-1, 1], got a peak of 1e+30",
        ),
        (
            np.zeros(4, np.int16),
            "wanted float32 samples in [-1, 1], got int16: "
            "convert with samples.astype(np.float32) / 32768",
        ),
        (
            np.zeros(4, np.int32),
            "wanted float32 samples in [-1, 1], got int32: "
            "convert with samples.astype(np.float32) / 2147483648",
        ),
        (
            np.zeros(4),
            "wanted float32 samples in [-1, 1], got float64: "
            "convert with samples.astype(np.float32)",
        ),
        (
            np.zeros((4, 2), np.float32),
            "wanted mono samples of shape (n,), got shape (4, 2): "
            "mix to mono first, as samples.mean(axis=1)",
        ),
        (
            np.zeros((1, 1, 4), np.float32),
            "wanted mono samples of shape (n,), got shape (1, 1, 4): pass one-dimensional blocks",
        ),
        (
            np.array(0.5, np.float32),
            "wanted mono samples of shape (n,), got shape (): pass one-dimensional blocks",
        ),
        (
            [0.1, 0.2],
            "wanted a numpy array of float32 samples, got list: "
            "convert it with np.asarray(samples, np.float32)",
        ),
        (
            None,
            "wanted a numpy array of float32 samples, got NoneType: "
            "convert it with np.asarray(samples, np.float32)",
        ),
        (
            np.full(512, 12000, np.float32),
            "wanted samples in [-1, 1], got a peak of 12000: "
            "divide integer audio by its full scale (32768 for 16 bits)",
        ),
        (
            AudioChunk(np.zeros(4, np.float32), 44_100),
            "wanted audio at 16000 Hz, got a chunk at 44100 Hz: "
            "resample it first, or use chunk(4, sample_rate=44100)",
        ),
        (
            AudioChunk(np.zeros(4)),  # type: ignore[arg-type]
            "wanted float32 samples in [-1, 1], got float64: "
            "convert with samples.astype(np.float32)",
        ),
    ],
    ids=[
        "nan",
        "inf",
        "-inf",
        "overflow",
        "int16",
        "int32",
        "float64",
        "stereo",
        "3-D",
        "0-d",
        "list",
        "None",
        "unscaled",
        "rate",
        "chunk of float64",
    ],
)
def test_bad_data_is_an_error_that_says_what_to_do(block: Any, message: str) -> None:
    chunks, end = run([ramp(5), block, ramp(9)])
    assert len(chunks) == 1
    assert [type(e) for e in end] == [AudioFormatError]
    assert str(end[0]) == message


def test_a_slight_overshoot_is_audio() -> None:
    _, end = run([np.full(512, 1.5, np.float32)])
    assert end == ["completed"]


def test_the_remedy_for_unsigned_audio_gives_silence_for_silence() -> None:
    silence = np.full(4, 128, np.uint8)
    _, end = run([silence])
    remedy = str(end[0]).partition("convert with ")[2]
    assert np.array_equal(eval(remedy, {"np": np, "samples": silence}), np.zeros(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "chunk size must be at least 1 samples, got 0"),
        ({"size": -512}, "chunk size must be at least 1 samples, got -512"),
        ({"size": 512.0}, "chunk size must be a whole number of samples, got 512.0"),
        ({"size": "512"}, "chunk size must be a whole number of samples, got '512'"),
        ({"size": True}, "chunk size must be a whole number of samples, got True"),
        ({"size": None}, "chunk size must be a whole number of samples, got None"),
        ({"sample_rate": 0}, "chunk sample_rate must be at least 1 Hz, got 0"),
        ({"sample_rate": 16e3}, "chunk sample_rate must be a whole number of Hz, got 16000.0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.chunk(**arguments)
    assert str(raised.value) == message


def test_a_numpy_integer_is_a_whole_number() -> None:
    chunks, _ = run([ramp(8)], size=np.int64(4))  # type: ignore[arg-type]
    assert [len(c.samples) for c in chunks] == [4, 4]


def test_a_numpy_bool_is_not() -> None:
    with pytest.raises(ConfigError):
        vox.chunk(np.True_)  # type: ignore[arg-type]


# Times. Blocks at 4 Hz, so that a sample lasts a quarter of a second.


def timed(*blocks: tuple[int, float | None]) -> list[AudioChunk]:
    """Blocks of so many samples, the first of each captured at this time."""
    return [AudioChunk(np.zeros(n, np.float32), 4, time=time) for n, time in blocks]


@pytest.mark.parametrize(
    ("blocks", "times"),
    [
        # As they come: no block is cut.
        ([(4, 10.0), (4, 11.5)], [10.0, 11.5]),
        # Small ones: a chunk has the time of its first sample.
        ([(2, 10.0), (2, 10.5), (2, 20.0), (2, 20.5)], [10.0, 20.0]),
        ([(3, 10.0), (3, 20.0), (2, 30.0)], [10.0, 20.25]),
        # A large one: counted on.
        ([(9, 10.0)], [10.0, 11.0, 12.0]),
        ([(1, 9.0), (9, 10.0)], [9.0, 10.75, 11.75]),
        # One of just the size, while some samples are held.
        ([(1, 9.0), (4, 10.0), (3, 30.0)], [9.0, 10.75]),
        ([(3, 10.0), (5, 20.0), (4, 40.0)], [10.0, 20.25, 40.0]),
        # The clock stepped: the newest word of it counts for what follows.
        ([(2, 10.0), (6, 50.0), (2, 90.0)], [10.0, 50.5, 90.0]),
        # Not known.
        ([(4, None), (6, None)], [None, None, None]),
        ([(2, None), (4, 20.0), (2, None)], [None, 20.5]),
        ([(2, 10.0), (4, None), (2, 30.0)], [10.0, None]),
        # Nothing in a block has no time of its own to give.
        ([(0, 5.0), (2, 10.0), (0, 99.0), (2, 20.0)], [10.0]),
        # Zero is a time.
        ([(2, 0.0), (4, 0.5)], [0.0, 1.0]),
        # The tail.
        ([(6, 10.0)], [10.0, 11.0]),
        ([(4, 10.0), (1, 20.0)], [10.0, 20.0]),
    ],
)
def test_a_chunk_has_the_time_of_its_first_sample(
    blocks: list[tuple[int, float | None]], times: list[float | None]
) -> None:
    chunks, end = run(timed(*blocks), 4, sample_rate=4)
    assert [chunk.time for chunk in chunks] == times
    assert end == ["completed"]


def test_plain_arrays_have_no_time_also_after_what_had_one() -> None:
    blocks: list[Any] = [*timed((2, 10.0)), np.zeros(6, np.float32), *timed((4, 30.0))]
    chunks, _ = run(blocks, 4, sample_rate=4)
    assert [chunk.time for chunk in chunks] == [10.0, None, 30.0]
