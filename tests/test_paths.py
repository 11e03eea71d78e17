"""What is no path is refused as such, everywhere: a number is not taken for an open file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.offline import wake_word
from rxvoice.recorder import StereoRecorder
from rxvoice.trace import export, read, timeline

TAKES_A_PATH: dict[str, Callable[[Any], object]] = {
    "source.wav": rxv.sources.wav,
    "sink.wav": rxv.sinks.wav,
    "record": vox.record,
    "StereoRecorder": StereoRecorder,
    "live": lambda it: rxv.live(rx.empty(), trace=it),
    "replay": lambda it: rxv.replay(it, rx.empty()),
    "testing.replay": rxv.testing.replay,
    "trace.read": read,
    "timeline": lambda it: timeline(it, "a.svg"),
    "timeline output": lambda it: timeline("trace", it),
    "export": lambda it: export(it, "csv"),
    "silero": rxv.silero,
    "wake_word": wake_word,
    "save": lambda it: rxv.Conversation().save(it),
    "load": rxv.Conversation.load,
    "convert": lambda it: rxv.mlx.convert(it, "made"),
    "convert to": lambda it: rxv.mlx.convert("model", it),
    "stt": rxv.mlx.stt,
    "llm": rxv.mlx.llm,
    "tts": rxv.mlx.tts,
}


@pytest.mark.parametrize("name", TAKES_A_PATH)
@pytest.mark.parametrize("value", [1, b"talk.wav", ["talk.wav"], object(), "talk\0.wav"])
def test_what_is_no_path(
    name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="must be a path") as caught:
        TAKES_A_PATH[name](value)
    assert f"got {value!r}" in str(caught.value)
    assert not os.listdir(tmp_path)
