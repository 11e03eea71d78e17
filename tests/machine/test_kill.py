"""`kill -9` at any moment of writing: what was passed on before can be opened, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from machine.dying import BLOCK, BLOCKS, OLD, WHAT, block, conversation, saved
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import trace
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice.trace import _writer
from rxvoice.trace._described import described

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

SEEDS = range(60 if THOROUGH else 4)
ENCODED = 4_096
"""Samples that FLAC encodes at once."""
ALL = np.concatenate([to_pcm16(block(n)) for n in range(BLOCKS)])


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What programs left that were killed."""
    directory = tmp_path_factory.mktemp("killed")
    program = str(Path(__file__).parent / "dying.py")
    command = [sys.executable, program, str(directory), *map(str, SEEDS)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    lived = [line for line in ran.stdout.splitlines() if not line.endswith(" -9")]
    # How many steps a trace takes depends on its thread: now and then it is complete before.
    assert not [line for line in lived if not line.startswith("trace ")]
    assert len(lived) <= len(SEEDS) // 3
    return directory


def left(killed: Path, what: str, seed: int) -> tuple[Path, int]:
    """The file that was being written, and what it was told to have. An old one is as it was."""
    directory = killed / what / str(seed)
    path, beside = directory / what, directory / f"{Path(what).stem}.partial{Path(what).suffix}"
    told = (directory / "told").read_text().split()
    if seed % 2:
        if path.read_bytes() != OLD:
            # It was complete, and had taken the old one's place.
            assert not beside.exists()
            return path, int(told[-1])
        return beside, int(told[-1]) if told else 0
    assert not beside.exists()
    return path, int(told[-1]) if told else 0


def write_again(path: Path, what: str) -> None:
    """The next run does not find anything in its way."""
    target = path.with_name(what)
    before = {it: it.read_bytes() for it in path.parent.iterdir() if it != target}
    WHAT[what](target, lambda _: None)
    assert {it: it.read_bytes() for it in path.parent.iterdir() if it != target} == before


def heard(path: Path) -> Any:
    """What rxvoice reads of a recording."""
    blocks: list[Any] = []
    rxv.sources.wav(path).subscribe(blocks.append)
    return to_pcm16(np.concatenate([np.empty(0, np.float32), *(it.samples for it in blocks)]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", ["record.wav", "sink.wav"])
def test_a_wav_has_each_block_that_was_passed_on(killed: Path, what: str, seed: int) -> None:
    path, told = left(killed, what, seed)
    if path.exists() and path.stat().st_size:
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 16_000
        assert BLOCK * told <= len(samples) <= BLOCK * (told + 1)
        assert np.array_equal(samples, ALL[: len(samples)])
        # rxvoice reads what follows a header of no length, too.
        found = heard(path)
        assert len(samples) <= len(found) <= BLOCK * (told + 1)
        assert np.array_equal(found, ALL[: len(found)])
    else:
        assert not told
    write_again(path, what)
    assert np.array_equal(soundfile.read(path.with_name(what), dtype="int16")[0], ALL)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_sides_have_what_was_passed_on(killed: Path, seed: int) -> None:
    path, told = left(killed, "stereo.wav", seed)
    if path.exists() and path.stat().st_size:
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 16_000
        assert BLOCK * told <= len(samples) <= BLOCK * (told + 1)
        assert np.array_equal(samples[:, 0], ALL[: len(samples)])
        whole = samples[: BLOCK * told, 1]
        assert np.array_equal(whole, -ALL[: len(whole)])
    else:
        assert not told
    write_again(path, "stereo.wav")
    samples, _ = soundfile.read(path.with_name("stereo.wav"), dtype="int16")
    assert np.array_equal(samples, np.stack([ALL, -ALL], axis=1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flac_lacks_what_its_encoder_held(killed: Path, seed: int) -> None:
    path, told = left(killed, "sink.flac", seed)
    kept = trace.TraceSound(path).pcm16
    assert len(kept) > BLOCK * told - 2 * ENCODED
    assert np.array_equal(kept, ALL[: len(kept)])
    if path.exists() and len(kept):
        assert np.array_equal(heard(path), kept)
    write_again(path, "sink.flac")
    assert np.array_equal(soundfile.read(path.with_name("sink.flac"), dtype="int16")[0], ALL)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_transcript_has_each_event_that_was_told(killed: Path, seed: int) -> None:
    path, told = left(killed, "transcript.jsonl", seed)
    if path.exists() and b"\n" in path.read_bytes():
        found = trace.read(path)
        assert told <= len(found.lines) <= told + 1
        names = [it.table("v")["message"].split()[1] for it in found.lines]
        assert names == [str(n) for n in range(len(names))]
    else:
        assert not told
    write_again(path, "transcript.jsonl")
    assert len(trace.read(path.with_name("transcript.jsonl")).lines) == BLOCKS


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_is_the_old_one_or_the_new_one(killed: Path, seed: int) -> None:
    path = killed / "history.json" / str(seed) / "history.json"
    said = path.with_name("told").read_text().split()
    told = int(said[-1]) if said else 0
    if not told and (not path.exists() or path.read_bytes() == OLD):
        assert path.exists() == bool(seed % 2)
    else:
        assert rxv.Conversation.load(path) in (saved(told), saved(told + 1))
    write_again(path, "history.json")
    assert rxv.Conversation.load(path) == saved(8)


def sounding(found: trace.Trace) -> Any:
    """Whether the sound that a line tells of is there."""

    def is_there(line: trace.TraceLine) -> bool:
        if line.kind == "block":
            return line.samples + line.count("n") <= len(found.microphone)
        place = line.table("v")
        return "voice" not in place or place["at"] + place["n"] <= len(found.voice(place["voice"]))

    return is_there


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trace_has_what_its_writer_was_given(killed: Path, seed: int, tmp_path: Path) -> None:
    directory = killed / "trace" / str(seed) / "trace"
    told = (directory.parent / "told").read_text().splitlines()
    written: dict[str, int] = json.loads(told[-1]) if told else {}
    found = trace.read(directory)
    assert 1 + len(found.lines) >= written.pop("lines", 0)  # with the header
    before: dict[str, int] = json.loads(told[-2]) if len(told) > 1 else {}
    for name, count in written.items():
        # What nothing followed for a moment is there to its last sample.
        least = count if before.get(name) == count else count - 2 * ENCODED
        assert len(found.sound(name)) >= least, name
    # It runs again, and can be looked at.
    out: list[Any] = []
    ends: list[Any] = []
    rxv.replay(directory, conversation()).subscribe(out.append, ends.append)
    assert ends == []
    whole = [dict(it.fields) for it in found.of("out")]
    assert [described(it) for it in out] == whole[: len(out)]
    assert len(out) >= sum(it.kind == "out" for it in takewhile(sounding(found), found.lines))
    if found.duration:
        trace.timeline(directory, tmp_path / "timeline.svg")
        assert (tmp_path / "timeline.svg").stat().st_size > 1_000
    else:
        with pytest.raises(rxv.ConfigError, match=r"the conversation has 0\.0 s"):
            trace.timeline(directory, tmp_path / "timeline.svg")
    # The next run takes a new directory, as always.
    with pytest.raises(rxv.ConfigError, match="must be new or empty"):
        rxv.live(conversation(), trace=directory).run()


def test_a_trace_is_written_four_times_a_second() -> None:
    """So that a killed process loses no more of the lines; of the sound, what FLAC holds."""
    assert _writer._EVERY_S <= 0.25
