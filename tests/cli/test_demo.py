"""`rxvoice demo`: the conversation that README shows, and the recorded user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from reactivex.testing import TestScheduler
from thorough import THOROUGH

import rxvoice.cli.demo
from rxvoice import events
from rxvoice.chunks import AudioChunk
from rxvoice.cli._actor import Actor
from rxvoice.turn import Turn

ROOT = Path(__file__).parents[2]
QUICK = """
import rxvoice.cli.demo as demo
from cli.run_kit import chosen
demo.choose, demo.warm_up = chosen, lambda *_, **__: None
from rxvoice.cli import main
raise SystemExit(main())
"""
RECORDING = Path(rxvoice.cli.demo.__file__).parent.parent / "data" / "user.wav"
RATE = 16_000


def shown_in_the_readme() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    return readme.partition("$ rxvoice demo\n")[2].partition("```")[0]


def unmeasured(told: str) -> str:
    """Without what differs from run to run: moments, and how much of a reply was heard."""
    told = " ".join(told.split())
    told = re.sub(r"\d+\.\d+ s ", "N s ", told)
    told = re.sub(r"(ended|transcript|token|audio|heard) \d+", r"\1 N", told)
    return re.sub(r"assistant [^()]*\(interrupted\)", "assistant (interrupted)", told)


def demo(*program: str, cwd: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, *program],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.models
@pytest.mark.slow(50)
def test_it_is_the_conversation_that_the_readme_shows(tmp_path: Path) -> None:
    running = demo("-m", "rxvoice", "demo", cwd=tmp_path)
    told, wrong = running.communicate()
    assert running.returncode == 0, told + wrong
    assert unmeasured(told) == unmeasured(shown_in_the_readme())

    both, rate = soundfile.read(tmp_path / "out" / "conversation.wav", dtype="float32")
    user, assistant = (np.abs(side) > 0.02 for side in both.T)
    blocks = range(0, len(both) - rate // 10, rate // 10)
    speaks = [
        (user[at : at + rate // 10].any(), assistant[at : at + rate // 10].any()) for at in blocks
    ]
    # Both at once: the cough, and the interruption until the assistant stops.
    assert 4 <= sum(a and b for a, b in speaks) <= 30
    assert sum(a for a, _ in speaks) > 60
    assert sum(b for _, b in speaks) > 120


def test_ctrl_c_ends_it_with_130_and_keeps_the_sound(tmp_path: Path) -> None:
    program = ("-m", "rxvoice") if THOROUGH else ("-c", QUICK)
    running = demo(*program, "demo", "--out", "here", cwd=tmp_path)
    assert running.stdout is not None
    assert any("you" in line for line in running.stdout)
    running.send_signal(signal.SIGINT)
    rest, wrong = running.communicate()
    assert running.returncode == 130, rest + wrong
    assert "Traceback" not in wrong
    assert soundfile.info(tmp_path / "here" / "conversation.wav").duration > 1


class Stage:
    """The actor in virtual time: when each part is said, in blocks of 32 ms."""

    def __init__(self, path: Path) -> None:
        self.actor = Actor(path)
        self.clock = TestScheduler()
        self.samples: list[np.ndarray] = []
        self.notices: list[str] = []
        self.completed = False
        self.actor.microphone.subscribe(
            self._hear, on_completed=self._complete, scheduler=self.clock
        )

    def _hear(self, it: AudioChunk | events.Event) -> None:
        if isinstance(it, AudioChunk):
            self.samples.append(it.samples)
        else:
            assert isinstance(it, events.Notice)
            self.notices.append(it.message)

    def _complete(self) -> None:
        self.completed = True

    def advance(self, seconds: float) -> None:
        self.clock.advance_by(seconds)

    def loud(self) -> int:
        """How many blocks were said so far."""
        return sum(np.abs(it).max() > 0.1 for it in self.samples)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A user who asks, coughs over the reply, asks again and interrupts."""
    said = 0.3 * np.ones(RATE)
    soundfile.write(tmp_path / "u.wav", np.concatenate([np.zeros(RATE), said, said]), RATE)
    told = [
        ("one", "quiet", 1.0),
        ("", "reply", 1.0),
        ("two", "quiet", 1.0),
        ("three", "reply", 1.0),
    ]
    parts = [
        {"text": text, "cue": cue, "after_s": s, "start_s": 1.0, "end_s": 2.0, "voice": "a tone"}
        for text, cue, s in told
    ]
    (tmp_path / "u.json").write_text(json.dumps({"parts": parts}), "utf-8")
    return Stage(tmp_path / "u.wav")


def turn(number: int) -> Turn:
    return Turn.of(np.zeros(512, np.float32), id=number)


PART = 31  # blocks of a second, whole ones


def test_a_part_waits_for_its_cue(stage: Stage) -> None:
    first, second, third = turn(1), turn(2), turn(3)
    stage.advance(0.9)
    assert stage.loud() == 0
    stage.advance(5)
    assert stage.loud() == PART  # and then it waits for the reply
    stage.actor.on_event(events.Speaking(first))
    stage.advance(0.9)
    assert (stage.loud(), stage.notices) == (PART, [])
    stage.advance(1.5)
    assert (stage.loud(), stage.notices) == (2 * PART, ["(the user coughs)"])
    cough = turn(9)
    stage.actor.on_event(events.Candidate(cough))
    stage.actor.on_event(events.Dropped(cough, "no_words"))
    stage.advance(3)
    assert stage.loud() == 2 * PART  # the reply goes on
    stage.actor.on_event(events.Finished(first, "reply"))
    stage.advance(2)
    assert stage.loud() == 3 * PART
    stage.actor.on_event(events.Speaking(second))
    stage.advance(2.5)
    assert stage.loud() == 4 * PART  # said over the reply
    stage.actor.on_event(events.Interrupted(second, ""))
    stage.advance(2)
    assert not stage.completed  # the last reply is to come
    stage.actor.on_event(events.Finished(third, "reply"))
    stage.advance(2)
    assert stage.completed


def test_a_user_whom_nobody_answers_goes_on(stage: Stage) -> None:
    stage.advance(300)
    assert stage.completed
    assert stage.loud() == 4 * PART
