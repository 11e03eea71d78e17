"""`rxvoice run --trace` is killed: its trace is drawn and runs again, its reply can be heard."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import trace
from rxvoice.cli import main

pytestmark = [
    pytest.mark.models,
    pytest.mark.slow,
    pytest.mark.skipif(not THOROUGH, reason="runs real models"),
]

RECORDING = Path(rxv.__file__).parent / "data" / "demo.wav"


@pytest.mark.parametrize("seed", range(2))
def test_it_was_killed_while_it_ran(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "rxvoice", "run", str(RECORDING)]
    files = ["-o", "reply.wav", "--trace", "trace", "--transcript", "talk.jsonl"]
    lines = random.Random(seed).randint(2, 6)
    with subprocess.Popen([*command, *files], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(lines)]
        running.kill()
    assert all(said), said
    assert len(trace.read("talk.jsonl").lines) >= 1
    found = trace.read("trace")
    assert found.finish is None
    if Path("reply.wav").exists():
        soundfile.read("reply.wav")
    assert main(["timeline", "trace", "-o", "timeline.svg"]) == 0
    assert Path("timeline.svg").stat().st_size > 1_000
    capsys.readouterr()
    assert main(["replay", "trace"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("the same ")
    # The next run writes where it wants to: what is there is complete, or stays beside it.
    assert main(["run", str(RECORDING), "-o", "reply.wav", "--trace", "again"]) == 0
    assert trace.read("again").finish == "completed"
