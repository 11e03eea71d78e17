"""`read` takes what a recorder wrote, and what a killed one left, and refuses everything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rxvoice.errors import ConfigError
from rxvoice.trace import Trace, read

HEADER = json.dumps({"schema": 1, "rxvoice": "0.1.0", "started": "2026-11-26T12:00:00Z"})
BLOCK = '{"k": "block", "a": 1, "t": 0.5, "s": 512, "d": 0.25, "src": 0, "at": 0, "n": 512}'


def write(directory: Path, *lines: str | bytes, end: bytes = b"\n") -> Path:
    data = [it if isinstance(it, bytes) else it.encode() for it in lines]
    (directory / "trace.jsonl").write_bytes(b"\n".join(data) + end)
    return directory


def refused(directory: Path, *lines: str | bytes) -> str:
    with pytest.raises(ConfigError) as told:
        read(write(directory, *lines))
    return str(told.value)


def test_the_lines_are_read_with_their_fields(tmp_path: Path) -> None:
    trace = read(write(tmp_path, HEADER, BLOCK, '{"k": "finish", "how": "completed", "t": 2}'))
    assert trace.header["rxvoice"] == "0.1.0"
    block, finish = trace.lines
    assert (block.kind, block.action, block.samples, block.at) == ("block", 1, 512, 0.75)
    assert block.fields == {"src": 0, "at": 0, "n": 512}
    assert (finish.kind, trace.finish, trace.duration, trace.torn) == ("finish", "completed", 2, 0)
    assert read(tmp_path / "trace.jsonl").lines == trace.lines


def test_a_field_of_another_type_is_not_taken_for_one(tmp_path: Path) -> None:
    line = '{"k": "out", "t": 0, "v": 3, "n": -1, "e": ["x"], "x": true}'
    (it,) = read(write(tmp_path, HEADER, line)).lines
    assert (it.table("v"), it.count("n"), it.text("e"), it.number("x", 7)) == ({}, 0, "", 7)


@pytest.mark.parametrize(
    "torn", [b'{"k": "blo', b"\0\0\0\0", b'{"k": "x", "t": 1.', "é".encode()[:1]]
)
def test_a_last_line_that_was_not_written_whole_is_left_out(tmp_path: Path, torn: bytes) -> None:
    trace = read(write(tmp_path, HEADER, BLOCK, torn, end=b""))
    assert [it.kind for it in trace.lines] == ["block"]
    assert (trace.torn, trace.finish) == (True, None)


def test_a_whole_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    trace = read(write(tmp_path, HEADER, BLOCK, end=b""))
    assert (len(trace.lines), trace.torn) == (1, False)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ('{"schema": 2, "rxvoice": "9.0"}', "has schema 2, written by rxvoice 9.0; this rxvoice"),
        ('{"rxvoice": "0.1.0"}', "has no header"),
        ('{"schema": true}', "has no header"),
        ('{"schema": 1, "command": 3}', "a command that is no object"),
        ('{"sche', "line 1 of the trace"),
        ("[1]", "must be an object, got '[1]'"),
        ("", "is empty"),
    ],
)
def test_another_header_is_refused(tmp_path: Path, first: str, told: str) -> None:
    assert told in refused(tmp_path, first)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[" * 100_000, "levels"),
        ('{"k": ' + "[" * 40 + "]" * 40 + "}", "levels"),
        ('{"k": "vad", "p": NaN}', "NaN is not a number"),
        ('{"k": "vad", "t": Infinity}', "Infinity is not a number"),
        ('{"k": "vad", "t": 1e400}', "\"t\" must be seconds from 0, got 'inf'"),
        ('{"k": "vad", "t": -1}', '"t" must be seconds'),
        ('{"k": "vad", "d": "1"}', '"d" must be seconds'),
        ('{"k": "vad", "a": 1.5}', '"a" must be a whole number'),
        ('{"k": "vad", "s": 99999999999999999999}', '"s" must be a whole number'),
        ('{"k": "vad", "n": ' + "9" * 5000 + "}", "is not JSON"),
        ('{"k": 3}', "\"k\" must be a text, got '3'"),
        ('"block"', "must be an object"),
        (b'{"k": "\xff"}', "not text in UTF-8"),
        ('{"k": "vad",}', "is not JSON"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(tmp_path: Path, line: str | bytes, told: str) -> None:
    message = refused(tmp_path, HEADER, BLOCK, line, BLOCK)
    assert told in message
    assert "line 3 of the trace" in message


def test_a_line_without_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxvoice.trace._reading._LONGEST", 1024 * 1024)
    assert "has more than 1 MiB" in refused(tmp_path, HEADER, b" " * (1024 * 1024 + 1))


def test_there_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*it must be a directory with a trace"):
        read(tmp_path / "none")
    with pytest.raises(ConfigError, match="without a null character"):
        read("a\0b")


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "trace"
    inside.mkdir()
    (tmp_path / "elsewhere").write_text("secret")
    (inside / "trace.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leads out of the trace"):
        read(inside)
    (inside / "trace.jsonl").unlink()
    trace = read(write(inside, HEADER))
    (inside / "voice.flac").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leads out of the trace"):
        trace.voice()
    for number in (0, -1, 10_000):
        with pytest.raises(ConfigError, match="counted from 1 to 9999"):
            trace.voice(number)
    with pytest.raises(ConfigError, match="leads out"):
        trace.sound("../elsewhere")


# Sound


def tone(samples: int) -> Any:
    return (np.sin(np.arange(samples) / 20) * 8000).astype(np.int16)


def killed(path: Path, samples: Any) -> None:
    """Write FLAC as a process does that is killed: without a length."""
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="FLAC") as file:
        file.write(samples)
        file.flush()
        left = path.read_bytes()
    path.write_bytes(left)


def empty(tmp_path: Path) -> Trace:
    return read(write(tmp_path, HEADER))


def test_sound_is_on_the_grid_of_16_bits(tmp_path: Path) -> None:
    stored = tone(20_000)
    soundfile.write(tmp_path / "microphone.flac", stored, 16_000, "PCM_16")
    sound = empty(tmp_path).microphone
    assert (len(sound), sound.rate, sound.why_short) == (20_000, 16_000, None)
    samples = sound.samples(100, 300)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, stored[100:300] / 32768)
    assert len(sound.samples(19_990, 30_000)) == 10


def test_what_a_killed_process_left_is_read_to_its_last_frame(tmp_path: Path) -> None:
    stored = tone(160_000)
    killed(tmp_path / "microphone.flac", stored)
    sound = empty(tmp_path).microphone
    assert len(stored) - 4096 <= len(sound) < len(stored)
    assert np.array_equal(sound.pcm16, stored[: len(sound)])


def test_a_torn_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    stored = tone(160_000)
    path = tmp_path / "voice-2.flac"
    soundfile.write(path, stored, 16_000, "PCM_16")
    os.truncate(path, path.stat().st_size // 2)
    sound = empty(tmp_path).voice(2)
    assert 60_000 < len(sound) < 90_000
    assert np.array_equal(sound.pcm16, stored[: len(sound)])
    assert sound.why_short


@pytest.mark.parametrize("data", [None, b"", b"fLaC", b"nonsense " * 100])
def test_missing_sound_is_empty(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "speaker.flac").write_bytes(data)
    sound = empty(tmp_path).sound("speaker")
    assert (len(sound), sound.rate, len(sound.samples())) == (0, 0, 0)
    assert sound.why_short


def test_sound_that_is_longer_than_any_conversation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxvoice.trace._sound._MOST", 10_000)
    soundfile.write(tmp_path / "microphone.flac", tone(20_000), 16_000, "PCM_16")
    with pytest.raises(ConfigError, match="more than 10000 samples"):
        len(empty(tmp_path).microphone)
