"""`rxvoice serve --trace` records each session in a directory of its own."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serve.realtime_kit import fake_models
from serve.running import running, until

from rxvoice.trace import read

RATE = 24_000


def speak(client: Any) -> None:
    """A second of noise, and one of silence."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, RATE)
    sound = (np.concatenate([noise, np.zeros(RATE)]) * 32767).astype("<i2")
    for block in np.split(sound, 20):
        audio = b64encode(block.tobytes()).decode()
        client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


def recorded(folder: Path, **options: Any) -> list[Path]:
    with running(fake_models("Yes.", "No."), trace=folder, **options) as server:
        for _ in range(2):
            with server.talk() as client:
                until(client, "session.created")
                speak(client)
                until(client, "response.done")
    return sorted(folder.iterdir())


def test_each_session_has_a_trace(tmp_path: Path) -> None:
    found = recorded(tmp_path / "traces")
    assert len(found) == 2
    for directory in found:
        trace = read(directory)
        assert "-sess_" in directory.name
        assert trace.finish == "disposed"
        assert not [*trace.of("elsewhere")]
        asked = {line.text("stage") for line in trace.of("ask")}
        assert asked == {"transcribe", "respond", "synthesize"}
        out = {line.text("e") for line in trace.of("out")}
        assert {"TurnOpened", "Transcribed", "ReplyStarted", "Speech"} <= out
        assert np.abs(trace.microphone.samples()[:20_000]).argmax() + 16_000 > 15_000


def test_without_content_nothing_that_was_said_is_written(tmp_path: Path) -> None:
    found = recorded(tmp_path / "traces", trace_content=False)
    for directory in found:
        assert [it.name for it in directory.iterdir()] == ["trace.jsonl"]
        text = (directory / "trace.jsonl").read_text()
        assert "hello" not in text
        assert "Yes" not in text
        assert "No." not in text
        assert {"chars": 5} in [
            line.fields.get("v", {}).get("text") for line in read(directory).of("out")
        ]


def test_a_trace_that_cannot_be_written_ends_no_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "rxvoice")
    (tmp_path / "file").write_text("")
    with running(fake_models("Yes."), trace=tmp_path / "file") as server, server.talk() as client:
        until(client, "session.created")
        speak(client)
        until(client, "response.done")
    assert "a session is not recorded" in caplog.text
