"""Every sink takes the sound of a source as it takes speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import sinks, sources
from rxvoice.errors import ConfigError
from rxvoice.events import Level

SOUND = (np.arange(1100, dtype=np.float32) / 1100).astype(np.float32)


def test_a_source_is_written_whole_at_its_rate_and_ended() -> None:
    sink = sinks.memory()
    sources.array(SOUND, 8_000, sample_rate=8_000).subscribe(sink)
    assert sink.sample_rate == 8_000
    assert np.array_equal(sink.samples, SOUND)  # the tail, shorter than a block, too
    assert sink.flushes == 1
    with pytest.raises(rxv.SinkStalled):
        sink.write_samples(SOUND)


def test_a_file_is_copied(tmp_path: Path) -> None:
    sources.array(SOUND, 16_000).subscribe(sinks.wav(tmp_path / "a.wav"))
    sources.wav(tmp_path / "a.wav").subscribe(sink := sinks.memory())
    assert np.allclose(sink.samples, SOUND, atol=1 / 32_000)


def test_chunks_of_another_rate_are_resampled_as_one_signal() -> None:
    sink = sinks.memory(sample_rate=16_000)
    rx.of(rxv.AudioChunk(SOUND, 16_000), rxv.AudioChunk(SOUND, 8_000, 1100)).subscribe(sink)
    assert len(sink.samples) == 1100 + 2200


def test_events_among_the_chunks_pass() -> None:
    sink = sinks.null()
    rx.of(rxv.AudioChunk(SOUND), Level(0.1, 0.2, 100), rxv.AudioChunk(SOUND)).subscribe(sink)
    assert sink.written == 2200


def test_anything_else_is_named() -> None:
    sink = sinks.memory()
    with pytest.raises(ConfigError, match=r"^a sink takes Speech or AudioChunk, got str: "):
        sink.on_next("Hello.")  # type: ignore[arg-type]
