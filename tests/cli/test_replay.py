"""`--trace` and `rxvoice replay`: what a command recorded comes out again, without its models."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
import rxvoice.cli.run
from rxvoice import echo, sinks, sources
from rxvoice._boundary import recorded
from rxvoice.cli import main
from rxvoice.cli._keys import PushToTalk
from rxvoice.cli._parts import Chosen, Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._traced import command_of, settings_of_trace, traced
from rxvoice.cli._view import PlainView
from rxvoice.trace import read

LOUD, QUIET = np.full(8_000, 0.5, np.float32), np.zeros(16_000, np.float32)


def loud(samples: Any) -> bool:
    return bool(samples.max() > 0.1)


class Ears:
    """A recogniser that streams."""

    def __init__(self) -> None:
        self.chunks = 0
        self.done = False

    def session(self) -> Ears:
        return Ears()

    def feed(self, samples: Any) -> None:
        self.chunks += 1

    def step(self) -> str:
        self.done = self.closed
        return " ".join(["word"] * (1 + self.chunks // 8))

    closed = False

    def close(self) -> None:
        self.closed = True


class Mind:
    """A language model that remembers."""

    def __init__(self) -> None:
        self.history: list[str] = []

    def respond(self, text: str) -> list[str]:
        return ["You said: ", f"{text}. ", "That is all."]

    def heard(self, text: str) -> None:
        self.history.append(text)


def parts() -> Parts:
    return Parts(loud, Ears(), Mind(), lambda text: [np.full(480, 0.25, np.float32)] * 3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rxvoice.cli.run, "choose", lambda _: Chosen(parts(), "", "", ""))
    monkeypatch.setattr(rxvoice.cli.run, "warm_up", lambda _: None)
    monkeypatch.chdir(tmp_path)
    soundfile.write("two.wav", np.concatenate([LOUD, QUIET, QUIET] * 2), 16_000)
    return tmp_path


def run_traced(*options: str) -> None:
    assert main(["run", "two.wav", "-o", "reply.wav", "--trace", "monday", *options]) == 0


def talk_traced(directory: Path, controls: Controls, close_after: int = 0) -> list[Any]:
    """Hold the conversation of ``rxvoice talk`` on its threads, and record it."""
    settings = CommandSettings(trace=directory, push_to_talk=controls.button is not None)
    chosen, worker = parts(), EventLoopScheduler()
    listening = threading.Event()
    out: list[Any] = []

    def count(_: object) -> None:
        nonlocal close_after
        close_after -= 1
        if close_after == 0:
            threading.Thread(target=lambda: (controls.close(silence=True), listening.set())).start()
            listening.wait(10)

    if controls.button is not None:
        controls.press()
    sound = np.concatenate([LOUD, QUIET, LOUD, QUIET, LOUD])
    microphone = recorded("microphone", sources.array(sound, 16_000))
    with sinks.null(realtime=True) as speaker:
        pipe = conversation(
            microphone, chosen, echo.tap(speaker), settings,
            models=SimpleNamespace(listening=worker, text=worker, speech=worker),
            controls=controls,
        )  # fmt: skip
        live = rxv.live(pipe, **(traced(settings, "talk", chosen) or {}))
        live.run(lambda it: (out.append(it), count(it)))
    worker.dispose()
    return out


def test_a_recording_is_answered_again_without_its_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_traced()
    said = capsys.readouterr().out
    assert "wrote reply.wav and monday" in said
    assert main(["replay", "monday"]) == 0
    again = capsys.readouterr().out
    assert said.split("wrote")[0] in again
    assert "elements came out" in again
    assert "(0:05 in" in again


@pytest.mark.parametrize("button", [None, PushToTalk()], ids=["always", "push to talk"])
def test_a_conversation_of_talk_comes_out_again(
    button: PushToTalk | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = talk_traced(tmp_path / "trace", Controls(button))
    assert any(isinstance(it, rxv.events.Finished) for it in out)
    again = rxv.testing.replay(tmp_path / "trace")
    assert [repr(it) for it in again] == [repr(it) for it in out]
    assert main(["replay", str(tmp_path / "trace")]) == 0
    assert f"the same {len(out)} elements" in capsys.readouterr().out


def test_the_moment_when_talk_was_told_to_end_is_in_the_trace(tmp_path: Path) -> None:
    out = talk_traced(tmp_path / "trace", Controls(), close_after=12)
    closed = [it for it in read(tmp_path / "trace").of("call") if it.text("name") == "closing"]
    assert closed[0].fields["v"] is True
    assert [repr(it) for it in rxv.testing.replay(tmp_path / "trace")] == [repr(it) for it in out]


def test_a_difference_is_shown_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    run_traced()
    file = Path("monday/trace.jsonl")
    file.write_text(file.read_text("utf-8").replace('"max-turn-ms":30000', '"max-turn-ms":300'))
    capsys.readouterr()
    assert main(["replay", "monday"]) == 1
    said = capsys.readouterr().out
    assert "the replay differs from monday after" in said
    assert "expected  " in said
    with pytest.raises(rxv.errors.ReplayDiffers, match="differs"):
        rxv.testing.replay("monday")


def test_ctrl_c_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_traced()
    monkeypatch.setattr(PlainView, "show", lambda *_: signal.raise_signal(signal.SIGINT))
    capsys.readouterr()
    assert main(["replay", "monday"]) == 130
    assert "elements came out" not in capsys.readouterr().out


def test_the_settings_come_back_from_the_header() -> None:
    settings = CommandSettings(
        silence_ms=500, vad_start=0.6, microphone=3, llm="a/b", llm_url=("http://a/v1",),
        model_key="secret", system_prompt="Be brief.", push_to_talk=True,
    )  # fmt: skip
    command = json.loads(json.dumps(command_of(settings, "talk", parts())))
    assert "secret" not in str(command)
    found = settings_of_trace(command)
    assert found == CommandSettings(
        silence_ms=500, vad_start=0.6, microphone=3, llm="a/b", llm_url=("http://a/v1",),
        system_prompt="Be brief.", push_to_talk=True,
    )  # fmt: skip
    assert command["models"] == {
        "streams": True,
        "remembers": ["heard"],
        "sample_rate": 24_000,
        "revisions": {},
    }


def test_without_content_there_is_nothing_to_replay(capsys: pytest.CaptureFixture[str]) -> None:
    run_traced("--no-content")
    assert "word word" not in Path("monday/trace.jsonl").read_text("utf-8")
    assert [it.name for it in Path("monday").iterdir()] == ["trace.jsonl"]
    assert main(["replay", "monday"]) == 1
    assert "was recorded without content" in capsys.readouterr().err


def test_a_directory_with_something_in_it_is_refused_before_anything_is_opened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_traced()
    assert main(["run", "two.wav", "-o", "b.wav", "--trace", "monday"]) == 2
    assert "--trace wants a new directory" in capsys.readouterr().err
    assert main(["run", "two.wav", "-o", "b.wav", "--trace", "two.wav"]) == 2
    assert "is a file" in capsys.readouterr().err
    assert not Path("b.wav").exists()


def test_what_no_command_recorded_needs_its_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    run_traced()
    file = Path("monday/trace.jsonl")
    first, *rest = file.read_text("utf-8").splitlines()
    header = {**json.loads(first), "command": None}
    file.write_text("\n".join([json.dumps(header), *rest]) + "\n")
    assert main(["replay", "monday"]) == 1
    assert "give the pipe to rxv.replay(DIR, pipe)" in capsys.readouterr().err
