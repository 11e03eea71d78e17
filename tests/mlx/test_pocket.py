"""pocket_tts: its voices, and files of other repositories, which `load` fetches."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import shutil
import socket
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from huggingface_hub import constants

from rxvoice.errors import ConfigError
from rxvoice.mlx import Progress, load
from rxvoice.mlx.tts import Tts, tts
from tests.mlx import tiny_tts
from tests.mlx.fake_hub import FakeHub, serving

pytestmark = pytest.mark.models

KYUTAI = "kyutai/pocket-tts-without-voice-cloning"


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("requests", reason="mlx-audio's pocket_tts imports requests")
    return tiny_tts.pocket(tmp_path_factory.mktemp("tts") / "pocket")


@pytest.fixture(scope="module")
def bare(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is published: without voices, and with the tokenizer in another repository."""
    folder = tmp_path_factory.mktemp("tts") / "bare"
    shutil.copytree(pocket, folder, ignore=shutil.ignore_patterns("voices", "tokenizer*"))
    config: Any = json.loads((folder / "config.json").read_text())
    table = config["flow_lm"]["lookup_table"]
    table["tokenizer_path"] = f"hf://{KYUTAI}/tokenizer.json@{'ab' * 20}"
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def hub(pocket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    with serving(tmp_path / "cache", monkeypatch) as hub:
        ann, bob = ((pocket / "voices" / f"{it}.safetensors").read_bytes() for it in ("ann", "bob"))
        hub.models[KYUTAI] = {
            "tokenizer.json": (pocket / "tokenizer.json").read_bytes(),
            "embeddings/alba.safetensors": ann,
            "embeddings/jean.safetensors": bob,
        }
        yield hub


def spoken(voice: Tts) -> np.ndarray:
    """The first piece of its speech."""
    voice.load()
    mx.random.seed(3)
    with closing(voice.synthesize_stream("Hi.")) as pieces:
        return np.array(next(pieces))


@pytest.mark.parametrize("name", ["abla", "no-such.wav", ""])
def test_a_mistyped_voice_is_an_error_with_those_there_are(pocket: Path, name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"has no voice {name!r}: use one of ann, bob, alba, mari"
    ):
        tts(pocket, voice=name).load()


def test_a_voice_of_its_own(pocket: Path) -> None:
    ann, bob = spoken(tts(pocket, voice="ann")), spoken(tts(pocket, voice="Bob"))
    assert np.abs(ann - bob).max() > 1e-3
    assert np.array_equal(spoken(tts(pocket)), ann)  # its first
    file = pocket / "voices" / "bob.safetensors"
    assert np.array_equal(spoken(tts(pocket, voice=str(file))), bob)


@pytest.mark.parametrize(
    ("voice", "file"),
    [
        (None, "alba"),
        ("Jean", "jean"),
        (f"hf://{KYUTAI}/embeddings/jean.safetensors", "jean"),
    ],
)
def test_its_voice_and_tokenizer_are_fetched_by_load(
    pocket: Path,
    bare: Path,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    voice: str | None,
    file: str,
) -> None:
    hub.add("tiny/pocket", bare)
    told: list[Progress] = []
    part = tts("tiny/pocket", voice=voice)
    (loaded,) = load(part, progress=told.append)
    assert loaded.streams is True
    others = hub.fetched()[2:]
    assert others == ["tokenizer.json", f"embeddings/{file}.safetensors"]
    assert list(dict.fromkeys(it.file for it in told if it.model == KYUTAI)) == others

    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    heard = spoken(part)
    again = tts("tiny/pocket", voice=voice)
    load(again)
    assert np.array_equal(spoken(again), heard)
    own = tts(pocket, voice="ann" if file == "alba" else "bob")
    assert np.array_equal(heard, spoken(own))
    assert hub.asked == []


def test_a_recording_needs_no_other_voice(bare: Path, hub: FakeHub, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "me.wav", np.sin(np.arange(1600)) / 4, 1600)
    load(tts(bare, ref_audio=tmp_path / "me.wav"))
    assert hub.fetched() == ["tokenizer.json"]


def test_a_file_that_its_repository_has_not(bare: Path, hub: FakeHub) -> None:
    del hub.models[KYUTAI]["embeddings/jean.safetensors"]
    with pytest.raises(ConfigError, match=f"'{KYUTAI}' has no 'embeddings/jean.safetensors'"):
        load(tts(bare, voice="jean"))
