"""`sinks.memory`: speech is kept in memory."""

from __future__ import annotations

import numpy as np
import pytest
import reactivex as rx
import soxr
from numpy.typing import NDArray

from rxvoice import Reply, Speech, Transcript, Turn, sinks
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled

REPLY = Reply(Transcript(Turn.of(np.zeros(512, np.float32)), "hello"), "Hi.")


def sine(n: int, rate: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / rate)).astype(np.float32)


class Foreign:
    """An array that is not numpy's, as ``mx.array`` is not."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self._samples = samples
        self.shape = samples.shape

    def __getitem__(self, at: slice) -> Foreign:
        return Foreign(self._samples[at])

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NDArray[np.float32]:
        return self._samples


def test_it_keeps_what_is_written_in_pieces_and_joined() -> None:
    sink = sinks.memory()
    pieces = [np.array([0.1, 0.2], np.float32), np.array([0.3], np.float32)]
    assert [sink.write_samples(piece) for piece in pieces] == [2, 1]
    np.testing.assert_array_equal(sink.samples, np.concatenate(pieces))
    assert sink.samples.dtype == np.float32
    for kept, piece in zip(sink.pieces, pieces, strict=True):
        np.testing.assert_array_equal(kept, piece)


def test_it_keeps_a_copy_that_grows() -> None:
    sink = sinks.memory()
    piece = np.full(10_000, 0.5, np.float32)
    sink.write_samples(piece)
    before = sink.samples
    piece[:] = 0.25
    for _ in range(5):
        sink.write_samples(piece)
    assert len(before) == 10_000
    assert before.min() == before.max() == 0.5
    np.testing.assert_array_equal(sink.samples, np.repeat([0.5, 0.25], [10_000, 50_000]))
    assert not sink.samples.flags.writeable


def test_growing_leaves_room_so_that_not_every_piece_copies_all() -> None:
    sink = sinks.memory()
    sink.write_samples(np.zeros(100_000, np.float32))
    sink.write_samples(np.zeros(1, np.float32))
    before = sink.samples
    for _ in range(100):
        sink.write_samples(np.zeros(900, np.float32))
    assert np.shares_memory(before, sink.samples)


def test_as_an_observer_it_keeps_all_speech_and_counts_one_flush() -> None:
    sink = sinks.memory()
    samples = sine(1000, 22_050)
    spoken = [Speech(REPLY, samples[i : i + 300], 22_050) for i in range(0, 1000, 300)]
    assert sink.sample_rate is None
    rx.from_iterable(spoken).subscribe(sink)
    np.testing.assert_array_equal(sink.samples, samples)
    assert sink.sample_rate == 22_050
    assert sink.flushes == 1
    assert len(sink.pieces) == 4


def test_foreign_arrays_are_taken() -> None:
    sink = sinks.memory()
    samples = sine(1000, 24_000)
    rx.of(Speech(REPLY, Foreign(samples), 24_000)).subscribe(sink)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(sink.samples, samples)


@pytest.mark.parametrize("pieces", [1, 7])
def test_another_rate_is_resampled_as_one_signal_to_its_own(pieces: int) -> None:
    sink = sinks.memory(sample_rate=16_000)
    sink.set_sample_rate(24_000)
    signal = sine(24_000, 24_000)
    for piece in np.array_split(signal, pieces):
        assert sink.write_samples(piece) == len(piece)
    sink.flush()
    assert sink.sample_rate == 16_000
    np.testing.assert_allclose(sink.samples, soxr.resample(signal, 24_000, 16_000), atol=1e-4)


def test_a_later_rate_is_resampled_to_the_first() -> None:
    sink = sinks.memory()
    sink.set_sample_rate(16_000)
    sink.write_samples(sine(16_000, 16_000))
    sink.set_sample_rate(48_000)
    sink.write_samples(sine(48_000, 48_000))
    sink.set_sample_rate(16_000)
    sink.write_samples(sine(16_000, 16_000))
    assert sink.sample_rate == 16_000
    assert len(sink.samples) == 48_000
    for second in np.split(sink.samples, 3):
        np.testing.assert_allclose(second[500:-500], sine(16_000, 16_000)[500:-500], atol=2e-3)


def test_stop_keeps_what_was_taken_and_takes_no_more() -> None:
    sink = sinks.memory(sample_rate=16_000)
    sink.set_sample_rate(48_000)
    sink.write_samples(np.zeros(48_000, np.float32))
    sink.stop()
    sink.stop()
    assert len(sink.samples) == 16_000
    with pytest.raises(SinkStalled, match="the memory sink has been stopped: make a new one"):
        sink.write_samples(np.zeros(1, np.float32))


def test_nothing_is_playing_and_nothing_unheard() -> None:
    sink = sinks.memory()
    sink.write_samples(np.ones(3, np.float32))
    assert not sink.is_running
    assert sink.clear().shape == (0,)
    assert sink.clear().dtype == np.float32
    assert len(sink.samples) == 3


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((1, 4), np.float32), r"got shape \(1, 4\)"),
        (np.array([0, np.nan], np.float32), "got nan at index 1"),
        (np.array([9000, -9000], np.int16), "divide integer audio by its full scale"),
    ],
)
def test_what_is_not_audio_is_refused(samples: NDArray[np.float32], message: str) -> None:
    sink = sinks.memory()
    with pytest.raises(AudioFormatError, match=message):
        sink.write_samples(samples)
    assert len(sink.samples) == 0


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="the memory sink sample_rate must be at least 1 Hz"):
        sinks.memory(sample_rate=0)
    with pytest.raises(ConfigError, match="must be a whole number of Hz, got 24000"):
        sinks.memory().set_sample_rate(24_000.0)  # pyright: ignore[reportArgumentType]
