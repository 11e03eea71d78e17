from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soxr
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import Notice
from rxvoice.testing.check import check_operator


def signal(n: int, rate: int, hz: float = 220) -> Any:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(n) / rate)).astype(np.float32)


def chunks(samples: Any, size: int, rate: int, *, start: int = 0, time: Any = None) -> list[Any]:
    return [
        AudioChunk(
            samples[at : at + size],
            rate,
            start + at,
            speech=True,
            time=None if time is None else time + at / rate,
        )
        for at in range(0, len(samples), size)
    ]


def run(elements: list[Any], rate: int, *, end: bool = True) -> tuple[list[Any], list[Any]]:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    ended: list[Any] = []
    source.pipe(vox.resample(rate)).subscribe(
        seen.append, ended.append, lambda: ended.append("completed")
    )
    for element in elements:
        source.on_next(element)
    if end:
        source.on_completed()
    return seen, ended


def joined(seen: list[Any]) -> Any:
    return np.concatenate([chunk.samples for chunk in seen])


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_passes_the_battery(rate: int) -> None:
    elements = chunks(signal(4096, 16_000), 700, 16_000)
    check_operator(lambda: vox.resample(rate), elements=elements, name="resample")


@pytest.mark.parametrize(("given", "wanted"), [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000)])
@pytest.mark.parametrize("size", [160, 512, 5000])
def test_joined_it_is_the_whole_signal_resampled(given: int, wanted: int, size: int) -> None:
    whole = signal(given, given)
    seen, ended = run(chunks(whole, size, given), wanted)
    assert ended == ["completed"]
    once = soxr.resample(whole, given, wanted)
    assert np.allclose(joined(seen), once, atol=1e-5)
    assert {chunk.sample_rate for chunk in seen} == {wanted}
    assert seen[0].start == 0
    assert all(b.start == a.start + len(a.samples) for a, b in pairwise(seen))


def test_start_and_time_are_true() -> None:
    seen, _ = run(chunks(signal(48_000, 48_000), 480, 48_000, start=9600, time=100.0), 16_000)
    assert seen[0].start == 3200
    assert seen[0].time == pytest.approx(100.0)
    for chunk in seen:
        assert chunk.time == pytest.approx(100 + (chunk.start - 3200) / 16_000)


def test_time_follows_the_device_s_clock() -> None:
    elements = chunks(signal(9600, 48_000), 4800, 48_000, time=100.0)
    elements[1] = AudioChunk(elements[1].samples, 48_000, 4800, time=100.25)  # 150 ms late
    seen, _ = run(elements, 16_000)
    last = seen[-1]
    assert last.time == pytest.approx(100.15 + last.start / 16_000)


def test_without_a_time_there_is_none() -> None:
    seen, _ = run(chunks(signal(4800, 48_000), 480, 48_000), 16_000)
    assert {chunk.time for chunk in seen} == {None}


def test_a_hole_stays_one_and_what_is_on_its_sides_is_complete() -> None:
    first = chunks(signal(4800, 48_000), 480, 48_000)
    second = chunks(signal(4800, 48_000, 330), 480, 48_000, start=9600)
    seen, _ = run([*first, *second], 16_000)
    before = [chunk for chunk in seen if chunk.start < 1600]
    after = [chunk for chunk in seen if chunk.start >= 1600]
    assert after[0].start == 3200
    for part, whole in ((before, first), (after, second)):
        once = soxr.resample(joined(whole), 48_000, 16_000)
        assert np.allclose(joined(part), once, atol=1e-5)


def test_another_rate_in_the_middle() -> None:
    first = chunks(signal(4800, 48_000), 480, 48_000)
    second = chunks(signal(800, 8_000), 80, 8_000, start=800)
    seen, _ = run([*first, *second], 16_000)
    assert len(joined(seen)) == 3200
    assert all(b.start == a.start + len(a.samples) for a, b in pairwise(seen))


def test_what_has_the_rate_is_the_same_object() -> None:
    elements = chunks(signal(1000, 16_000), 100, 16_000)
    seen, _ = run([*elements, Notice("x")], 16_000)
    assert all(a is b for a, b in zip(seen, elements, strict=False))
    assert len(seen) == 11


def test_notes_on_the_chunks_are_dropped_and_events_pass() -> None:
    notice = Notice("x")
    seen, _ = run([notice, *chunks(signal(4800, 48_000), 4800, 48_000)], 16_000)
    assert seen[0] is notice
    assert {chunk.speech for chunk in seen[1:]} == {None}


def test_bad_samples() -> None:
    bad = AudioChunk(np.zeros(10), 48_000)  # type: ignore[arg-type]
    for rate in (16_000, 48_000):
        seen, ended = run([bad, bad], rate)
        assert seen == []
        assert [type(e) for e in ended] == [AudioFormatError]


@pytest.mark.parametrize("rate", [0, -1, 16e3, None, True])
def test_bad_arguments(rate: Any) -> None:
    with pytest.raises(ConfigError, match=r"resample rate must be .* got"):
        vox.resample(rate)


def test_each_rate_is_converted_by_itself_though_the_sound_goes_on() -> None:
    given = [
        AudioChunk(np.zeros(4800, np.float32), 48_000, 0),
        AudioChunk(np.zeros(2400, np.float32), 24_000, 4800),
    ]
    seen, _ = run(given, 16_000)
    assert len(joined(seen)) == 3200
    assert not any(it.samples.flags.writeable for it in seen)
