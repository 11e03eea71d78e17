"""What rxvoice does for mlx-audio's Whisper: its tokenizer's times, and short windows."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import rxvoice as rxv
from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError
from tests.mlx import tiny_stt

pytestmark = pytest.mark.models


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    return tiny_stt.whisper(tmp_path / "whisper")


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["rxvoice.mlx.stt"], "on_cpu", lambda: True)


def sound(seconds: float) -> Samples:
    size = int(seconds * 16_000)
    return np.random.default_rng(0).normal(0, 0.1, size).astype(np.float32)


def without(folder: Path, *, times_only: bool) -> None:
    """Take the tokens of times from the tokenizer, and another one if not `times_only`."""
    path = folder / "tokenizer.json"
    tokenizer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    gone = "<|0123456789" if times_only else "<|0123456789n"
    tokenizer["added_tokens"] = [
        it
        for it in tokenizer["added_tokens"]
        if not (it["content"].startswith("<|") and it["content"][2] in gone[2:])
    ]
    path.write_text(json.dumps(tokenizer), "utf-8")


def test_a_tokenizer_without_times_is_repaired(whisper: Path) -> None:
    wanted = rxv.mlx.stt(whisper, language="en").recognise_turn(sound(2))
    without(whisper, times_only=True)
    stt = rxv.mlx.stt(whisper, language="en")
    assert stt.recognise_turn(sound(2)) == wanted
    model: Any = stt._model
    times = model.get_tokenizer().hf_tokenizer.convert_tokens_to_ids(["<|0.00|>", "<|30.00|>"])
    assert times == [model.dims.n_vocab - 1501, model.dims.n_vocab - 1]


def test_a_tokenizer_that_lacks_more_is_refused(whisper: Path) -> None:
    without(whisper, times_only=False)
    said = re.escape("a tokenizer without the tokens of times, <|0.00|> to <|30.00|>")
    with pytest.raises(ConfigError, match=said):
        rxv.mlx.stt(whisper, language="en").load()


@pytest.mark.usefixtures("on_a_cpu")
@pytest.mark.parametrize(
    ("seconds", "frames"), [(2, 1000), (9, 1000), (9.5, 1500), (14, 1500), (20, 3000), (31, 3000)]
)
def test_a_turn_gets_the_shortest_window_that_takes_it(
    whisper: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, frames: int
) -> None:
    stt = rxv.mlx.stt(whisper, language="en")
    stt.load()
    model: Any = stt._model
    encoder, sizes = type(model.encoder), []
    real = encoder.__call__

    def encode(self: object, mel: mx.array) -> mx.array:
        sizes.append(mel.shape[1])
        return real(self, mel)

    monkeypatch.setattr(encoder, "__call__", encode)
    stt.transcribe_turn(sound(seconds))
    # The whole window may follow, where the text is doubtful.
    assert sizes[0] == frames
    assert set(sizes) <= {frames, 3000}
    # The model itself, and mlx-audio's module, are as before.
    assert model.dims.n_audio_ctx == model.encoder._positional_embedding.shape[0] == 1500
    mel, frames = model._prepare_audio(mx.zeros(16_000))
    assert (mel.shape[0], frames) == (3100, 100)


@pytest.mark.usefixtures("on_a_cpu")
def test_the_times_of_a_short_window_are_in_seconds(whisper: Path) -> None:
    found = rxv.mlx.stt(whisper, language="en").recognise_turn(sound(4))
    assert found.words
    assert all(0 <= start <= end <= 30 for _, start, end, *_ in found.words)


def test_on_metal_the_window_stays_whole(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["rxvoice.mlx.stt"], "on_cpu", lambda: False)
    stt = rxv.mlx.stt(whisper, language="en")
    stt.load()
    assert stt._windows is None
    assert stt.transcribe_turn(sound(2))
