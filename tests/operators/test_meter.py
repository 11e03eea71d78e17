from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Level, Notice
from rxvoice.testing.check import check_operator

RATE = 1000  # a sample a millisecond


def chunk(*values: float, rate: int = RATE) -> AudioChunk:
    return AudioChunk(np.array(values, np.float32), rate)


def levels(elements: list[Any], every_ms: int) -> list[Any]:
    """What comes beside the elements, after how many of them; they must come as they are."""
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.meter(every_ms)).subscribe(seen.append)
    told: list[Any] = []
    for n, element in enumerate(elements, 1):
        seen.clear()
        source.on_next(element)
        assert seen[0] is element
        told += [(n, level) for level in seen[1:]]
    return told


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.meter(6),
        elements=[chunk(0.5, 0.5, 0.5, 0.5), Notice("x"), *[chunk(0.25, 0, 0, 0.25)] * 3],
        name="meter",
    )


def test_the_level_is_of_all_that_came_since_the_last() -> None:
    elements = [chunk(0.5, -0.5), chunk(0, 0), chunk(0, 0), chunk(0.25, -1)]
    assert levels(elements, 4) == [
        (2, Level(pytest.approx(np.sqrt(0.125)), 0.5, 4)),
        (4, Level(pytest.approx(np.sqrt((1 + 0.0625) / 4)), 1.0, 4)),
    ]


def test_chunks_are_measured_whole() -> None:
    told = levels([chunk(*[0.5] * 3)] * 6, 4)
    assert told == [(n, Level(pytest.approx(0.5), 0.5, 6)) for n in (2, 4, 6)]


def test_a_chunk_as_long_as_the_time_gives_one_level_each() -> None:
    assert [n for n, _ in levels([chunk(*[0.5] * 9)] * 3, 4)] == [1, 2, 3]


def test_only_audio_counts() -> None:
    told = levels([chunk(0.5, 0.5), Notice("x"), "text", chunk(), chunk(0.5, 0.5)], 4)
    assert [n for n, _ in told] == [5]


def test_another_rate_begins_anew() -> None:
    told = levels([chunk(1, 1, 1), chunk(0.5, 0.5, rate=500), chunk(0.5, 0.5)], 4)
    assert told == [(2, Level(0.5, 0.5, 4))]


@pytest.mark.parametrize("every_ms", [0, -1, 2.5, None, True, "100"])
def test_bad_arguments(every_ms: Any) -> None:
    with pytest.raises(ConfigError, match=r"meter every_ms must be .* got"):
        vox.meter(every_ms)


@pytest.mark.parametrize(("rate", "whole"), [(1000, 1000), (1001, 1001)])
def test_the_time_is_over_with_its_last_sample(rate: int, whole: int) -> None:
    almost = AudioChunk(np.full(whole - 1, 0.5, np.float32), rate)
    assert levels([almost, chunk(0.5, rate=rate)], 1000) == [(2, Level(0.5, 0.5, 1000))]
