from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.testing.check import check_operator

RATE = 100  # a sample lasts 10 ms


def stream(pattern: str, size: int = 4, rate: int = RATE) -> list[AudioChunk]:
    """Chunks of rising samples: ``~`` speech, ``_`` not, ``.`` the partial tail."""
    made = []
    for n, char in enumerate(pattern):
        samples = (np.arange(n * size, (n + 1) * size) / 4096).astype(np.float32)
        made.append(AudioChunk(samples, rate, n * size, speech=char == "~"))
        if char == ".":
            made[-1] = replace(made[-1], samples=samples[:1], speech=None, partial=True)
    return made


def run(elements: list[AudioChunk], ms: float) -> list[AudioChunk]:
    source: Subject[AudioChunk] = Subject()
    seen: list[AudioChunk] = []
    source.pipe(vox.preroll(ms)).subscribe(seen.append)
    for element in elements:
        source.on_next(element)
    source.on_completed()
    return seen


def lead_ins(pattern: str, ms: float, **options: Any) -> dict[int, list[int]]:
    """For each chunk that has one, the numbers of the samples in its lead-in."""
    seen = run(stream(pattern, **options), ms)
    return {
        n: [round(v * 4096) for v in chunk.lead_in.tolist()]
        for n, chunk in enumerate(seen)
        if chunk.lead_in is not None
    }


def test_passes_the_battery() -> None:
    check_operator(lambda: vox.preroll(60), elements=stream("__~~_~"), name="preroll")


def test_only_the_first_chunk_of_a_run_has_one() -> None:
    assert lead_ins("__~~_~~__", 40) == {2: [4, 5, 6, 7], 5: [16, 17, 18, 19]}


@pytest.mark.parametrize(
    ("ms", "wanted"),
    [
        (0, []),
        (5, []),
        (9.9, []),
        (10, [7]),
        (19, [7]),
        (30, [5, 6, 7]),
        (40, [4, 5, 6, 7]),
        (50, [3, 4, 5, 6, 7]),
        (80, [*range(8)]),
        (90, [*range(8)]),
        (10_000, [*range(8)]),
    ],
)
def test_length(ms: float, wanted: list[int]) -> None:
    assert lead_ins("__~", ms) == {2: wanted}


def test_fractions_of_a_millisecond_count_where_the_rate_has_them() -> None:
    assert lead_ins("__~", 37.5, rate=80) == {2: [5, 6, 7]}
    assert lead_ins("__~", 62.5, rate=16_000, size=1000) == {2: [*range(1000, 2000)]}


def test_speech_at_once_has_an_empty_one() -> None:
    assert lead_ins("~_", 80) == {0: []}


def test_it_holds_speech_too_for_turn_window_to_trim() -> None:
    assert lead_ins("~~_~", 80)[3] == [*range(4, 12)]


def test_all_else_is_as_it_came() -> None:
    elements = stream("_~_.")
    seen = run(elements, 40)
    assert [came is given for came, given in zip(seen, elements, strict=True)] == [
        True,
        False,
        True,
        True,
    ]
    assert replace(seen[1], lead_in=None) == elements[1]


def test_it_is_read_only_and_no_view_of_a_chunk() -> None:
    elements = stream("_~")
    lead_in = run(elements, 40)[1].lead_in
    assert lead_in is not None
    assert not np.shares_memory(lead_in, elements[0].samples)
    with pytest.raises(ValueError, match="read-only"):
        lead_in[0] = 1


def test_it_is_read_only_when_it_is_empty() -> None:
    lead_in = run(stream("~"), 40)[0].lead_in
    assert lead_in is not None
    assert not lead_in.flags.writeable


def test_a_partial_chunk_neither_starts_nor_ends_a_run() -> None:
    assert lead_ins("_~.~", 40) == {1: [0, 1, 2, 3]}


@pytest.mark.parametrize("ms", [-1, float("nan"), float("inf"), None, "250", True])
def test_bad_arguments(ms: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.preroll(ms)
    assert str(raised.value) == f"preroll must be at least 0 ms, got {ms!r}"


def test_seconds_are_not_taken_for_milliseconds() -> None:
    with pytest.raises(ConfigError) as raised:
        vox.preroll(0.25)
    assert str(raised.value) == ("preroll must be in ms, got 0.25: did you mean 250 ms?")


def test_a_chunk_that_no_vad_has_judged_is_refused() -> None:
    source: Subject[AudioChunk] = Subject()
    seen: list[Any] = []
    source.pipe(vox.preroll()).subscribe(seen.append, seen.append)
    (tail,) = stream(".")
    source.on_next(tail)
    source.on_next(replace(tail, partial=False))
    source.on_next(tail)
    passed, error = seen
    assert passed is tail
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        "wanted chunks judged by vad(), got one with speech=None: put vad() before preroll()"
    )
    assert not source.observers


def test_it_keeps_no_more_than_it_may_give() -> None:
    source: Subject[AudioChunk] = Subject()
    source.pipe(vox.preroll(200)).subscribe()
    kept: list[weakref.ref[Samples]] = []
    for at in range(0, 5_000, 100):
        samples = np.zeros(100, np.float32)
        kept.append(weakref.ref(samples))
        source.on_next(AudioChunk(samples, 1000, at, speech=False))
        del samples
    assert sum(it() is not None for it in kept) == 2
