"""A sound of a trace that is being written: what can be read of it at each moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rxvoice.trace import TraceSound
from rxvoice.trace._growing_sound import GrowingSound

RATE = 24_000


def counted(begin: int, end: int) -> Any:
    return (np.arange(begin, end) % 9_973).astype(np.int16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "voice.flac"


@pytest.mark.parametrize("sizes", [[1], [100, 7], [4_096], [4_097, 3], [20_000, 1, 1], [500] * 40])
def test_what_nothing_follows_can_be_read_to_its_last_sample(path: Path, sizes: list[int]) -> None:
    sound = GrowingSound(path, RATE)
    end = 0
    for size in sizes:
        sound.write(counted(end, end + size))
        end += size
        sound.rest()  # something was added since the last call: it may go on
    sound.rest()
    read = TraceSound(path)
    assert read.rate == RATE
    assert np.array_equal(read.pcm16, counted(0, end))
    # It goes on, and what was beside it is old.
    sound.write(counted(end, end + 9_000))
    read = TraceSound(path)
    assert len(read) >= end
    assert np.array_equal(read.pcm16, counted(0, len(read)))
    sound.close()
    assert np.array_equal(TraceSound(path).pcm16, counted(0, end + 9_000))
    assert [it.name for it in path.parent.iterdir()] == ["voice.flac"]


def test_a_sound_that_goes_on_writes_nothing_beside_it(path: Path) -> None:
    sound = GrowingSound(path, RATE)
    for n in range(40):
        sound.write(counted(500 * n, 500 * (n + 1)))
        sound.rest()
    assert [it.name for it in path.parent.iterdir()] == ["voice.flac"]
    sound.close()


@pytest.mark.parametrize(
    "rest", [b"", b"\0" * 7, b"\xff" * 300, (5_000).to_bytes(8, "little") + b"\1\2" * 9]
)
def test_a_rest_that_does_not_fit_is_left_out(path: Path, rest: bytes) -> None:
    sound = GrowingSound(path, RATE)
    sound.write(counted(0, 4_500))
    path.with_suffix(".rest").write_bytes(rest)
    assert np.array_equal(TraceSound(path).pcm16, counted(0, 4_096))
    sound.close()


def test_a_rest_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    sound = GrowingSound(path, RATE)
    sound.write(counted(0, 10))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(bytes(8) + b"\1\2" * 9)
    path.with_suffix(".rest").symlink_to(elsewhere)
    assert len(TraceSound(path)) == 0
    sound.close()
    assert elsewhere.exists()
