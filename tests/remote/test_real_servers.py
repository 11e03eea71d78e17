"""The adapters against mlx_lm.server and mlx-audio's, which run small models."""

from __future__ import annotations

import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rxvoice.offline
from rxvoice import remote
from rxvoice._audio.samples import Samples
from rxvoice.remote import RemoteError
from tests.remote.servers import Process, process, wav

pytestmark = pytest.mark.models

DEMO = Path(rxvoice.offline.__path__[0]) / "demo-llm"
MOON = "How far away is the moon?"
MODELS = Path(__file__).parent.parent / "mlx"
# By path: tests/mlx may be taken for a part of the package mlx.
tiny_stt = SimpleNamespace(**runpy.run_path(str(MODELS / "tiny_stt.py")))
tiny_tts = SimpleNamespace(**runpy.run_path(str(MODELS / "tiny_tts.py")))


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    command = [sys.executable, "-m", "mlx_lm", "server", "--host", "127.0.0.1", "--port", "{port}"]
    folder = tmp_path_factory.mktemp("language")
    with process([*command, "--model", str(DEMO)], folder, "Starting httpd") as running:
        yield running


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    for module in ("fastapi", "uvicorn", "multipart", "webrtcvad"):
        pytest.importorskip(module, reason="needs pip install 'mlx-audio[server]'")
    launcher = str(Path(__file__).with_name("audio_server.py"))
    command = [sys.executable, launcher, "--host", "127.0.0.1", "--port", "{port}"]
    folder = tmp_path_factory.mktemp("audio")
    with process(command, folder, "Uvicorn running") as running:
        yield running


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("requests", reason="mlx-audio's pocket_tts imports requests")
    return tiny_tts.pocket(tmp_path_factory.mktemp("tts") / "pocket")


@pytest.fixture(scope="module")
def moonshine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_stt.moonshine(tmp_path_factory.mktemp("stt") / "moonshine")


def test_the_language_model_answers_word_by_word_as_it_does_here(language: Process) -> None:
    bot = remote.llm(str(DEMO), base_url=language.base_url, max_tokens=80)
    here = rxvoice.offline.llm()
    for question in (MOON, "Thank you, goodbye."):
        pieces = list(bot.respond(question))
        assert sum(map(bool, pieces)) > 5
        assert "".join(pieces) == "".join(here.respond(question))
    assert bot.messages == here.messages
    assert "three hundred and eighty four thousand" in bot.messages[1]["content"]


def test_closing_the_answer_makes_the_language_model_stop(language: Process) -> None:
    from transformers import AutoTokenizer

    end: int = AutoTokenizer.from_pretrained(DEMO).eos_token_id
    endless = {"logit_bias": {str(end): -1000}}
    bot = remote.llm(
        str(DEMO), base_url=language.base_url, max_tokens=1_000_000, extra_body=endless
    )
    answer = bot.respond(MOON)
    given = "".join(next(answer) for _ in range(40))
    assert "Error" not in language.written()
    answer.close()
    # It sees that nobody is there, in the middle of a million tokens.
    language.wait_for_line("BrokenPipeError|ConnectionResetError", 60)
    assert bot.messages[1:] == [{"role": "assistant", "content": given}]
    bot.heard("The moon is about")
    again = remote.llm(str(DEMO), base_url=language.base_url, max_tokens=80)
    assert "".join(again.respond(MOON)).startswith("The moon is about three hundred")


def test_a_language_model_that_is_not_there_is_an_error(language: Process, tmp_path: Path) -> None:
    bot = remote.llm(str(tmp_path / "none"), base_url=language.base_url, retries=0)
    with pytest.raises(RemoteError, match=r"none' at http.* refused with 404 Not Found \(.*none"):
        list(bot.respond("hi"))
    other = remote.llm(str(DEMO), base_url=language.base_url.replace("v1", "v2"), retries=0)
    with pytest.raises(RemoteError, match=r"refused with 404 .* base_url ends .* in /v1"):
        list(other.respond("hi"))


def voice(audio: Process, model: Path, **options: Any) -> remote.RemoteTts:
    # The likeliest sound, which is the same each time.
    options = {"voice": "ann", "sample_rate": 1600, "extra_body": {"temperature": 0}, **options}
    return remote.tts(str(model), base_url=audio.base_url, **options)


def joined(pieces: list[Samples]) -> Samples:
    return np.concatenate(pieces)


@pytest.mark.parametrize("response_format", ["pcm", "wav"])
def test_the_voice_streams_what_it_says_here(
    audio: Process, pocket: Path, response_format: str
) -> None:
    import mlx_audio.tts

    model: Any = mlx_audio.tts.load(pocket)
    [result] = model.generate("Hi.", voice="ann", temperature=0)
    speech = voice(audio, pocket, response_format=response_format, streaming_interval=0.4)
    pieces = list(speech.synthesize_stream("Hi."))
    assert len(pieces) > 5
    assert np.abs(joined(pieces)).max() > 0.05
    assert joined(pieces).shape == result.audio.shape
    assert np.allclose(joined(pieces), np.array(result.audio), atol=2e-4)  # of 16 bits


def test_without_an_interval_the_voice_gives_the_same_as_one(audio: Process, pocket: Path) -> None:
    whole = joined(list(voice(audio, pocket, streaming_interval=None).synthesize_stream("Hi.")))
    parts = joined(list(voice(audio, pocket).synthesize_stream("Hi.")))
    assert np.array_equal(whole, parts)


def test_a_voice_at_another_rate_is_told_from_its_wav(audio: Process, pocket: Path) -> None:
    speech = voice(audio, pocket, response_format="wav", sample_rate=24_000)
    with pytest.raises(RemoteError, match=r"speaks at 1600 Hz, .* pass sample_rate=1600"):
        list(speech.synthesize_stream("Hi."))


def test_a_voice_that_is_not_there_is_an_error(
    audio: Process, pocket: Path, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match=r"refused with 500 .*Local path not found"):
        list(voice(audio, tmp_path / "none", retries=0).synthesize_stream("Hi."))
    # The server finds out only after it has said that all is well.
    with pytest.raises(RemoteError, match="broke off its answer"):
        list(voice(audio, pocket, voice="zoe").synthesize_stream("Hi."))


@pytest.mark.slow
def test_the_recogniser_writes_what_it_does_here(
    audio: Process, moonshine: Path, tmp_path: Path
) -> None:
    import mlx_audio.stt
    from mlx_audio import audio_io

    rng = np.random.default_rng(0)
    sounds = [(rng.standard_normal(n) * 0.1).astype(np.float32) for n in (16_000, 24_000)]
    ears = remote.stt(str(moonshine), base_url=audio.base_url, extra_body={"max_tokens": 20})
    texts = [ears.transcribe_turn(sound) for sound in sounds]
    model: Any = mlx_audio.stt.load(moonshine)
    for sound, text in zip(sounds, texts, strict=True):
        # As the server passes it on.
        sent = wav(np.rint(sound * 32768).astype("<i2").tobytes(), rate=16_000)
        samples, rate = audio_io.read(io.BytesIO(sent))
        audio_io.write(tmp_path / "turn.wav", samples, rate, format="wav")
        assert text
        assert text == model.generate(str(tmp_path / "turn.wav"), max_tokens=20).text.strip()
    assert texts[0] != texts[1]
