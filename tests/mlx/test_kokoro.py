"""Kokoro: its voices and languages, what it needs, and that nothing is fetched while it speaks."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import reactivex
from huggingface_hub import constants

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx import MlxScheduler, Progress, _kokoro, load
from rxvoice.mlx._kokoro_phonemes import LANGUAGES, phonemes
from rxvoice.mlx.tts import Tts, tts
from tests.mlx import tiny_tts
from tests.mlx.fake_hub import FakeHub, serving

pytestmark = pytest.mark.models

VOICES = "prince-canuma/Kokoro-82M"
ALL = "".join(map(chr, range(0x20, 0x3000)))


@pytest.fixture(scope="module")
def kokoro(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    pytest.importorskip("espeakng_loader")
    with tiny_tts.narrow_kokoro():
        yield tiny_tts.kokoro(tmp_path_factory.mktemp("tts") / "kokoro")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub]:
    with serving(tmp_path / "cache", monkeypatch) as hub:
        yield hub


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was read, and the letter of the language."""
    seen: list[tuple[str, str]] = []

    def keep(text: str, letter: str, *rest: Any) -> Iterator[str]:
        seen.append((text, letter))
        return phonemes(text, letter, *rest)

    monkeypatch.setattr(_kokoro, "phonemes", keep)
    return seen


def spoken(voice: Tts, text: str = "Hello there.") -> np.ndarray:
    voice.load()  # new weights are drawn before they are read, and move the seed on
    mx.random.seed(3)
    return np.concatenate([np.array(it) for it in voice.synthesize_stream(text)])


# How texts are read


@pytest.mark.parametrize(
    ("letter", "text", "sounds"),
    [
        ("a", "Ask rxvoice.", "ˈæsk ˌɑɹˈɛksvˈYs."),
        ("a", "A bottle of water, Mr. Jones?", "ə bˈɑTᵊl ʌv wˈɔTəɹ, mˈɪstəɹ ʤˈOnz?"),
        (
            "a",
            "The mountain is 3.5 miles high; go...",
            "ðə mˈWntɪn ɪz θɹˈi pYnt fˈIv mˈIlz hˈI; ɡˈO…",
        ),
        ("a", "She edited the event.", "ʃi ˈɛdɪTᵻd ðɪ əvˈɛnt."),
        ("b", "No water in the house!", "nˈQ wˈɔːtəɹ ɪnðə hˈWs!"),
        ("e", "¿Qué tal? Llueve.", "kˈe tˈal? ʎuˈeβe."),
        ("f", "Bonjour, un weekend.", "bɔ̃ʒˈuʁ, œ̃ wiːkˈɛnd."),
        ("i", "Ciao, la pizza.", "ʧˈao, la pˈiʦːa."),
        ("p", "Olá, não.", "olˈa, nˈɐ̃ʊ̃."),
        ("h", "नमस्ते।", "nəmˈʌsteː."),
    ],
)
def test_how_a_text_is_read(letter: str, text: str, sounds: str) -> None:
    assert [*phonemes(text, letter, ALL, 510)] == [sounds]


def test_a_long_text_is_read_in_parts_that_the_model_takes() -> None:
    text = "One, two, three. " * 40 + "away " * 150
    parts = [*phonemes(text, "a", ALL, 510)]
    assert len(parts) > 3
    assert max(map(len, parts)) <= 510
    assert all(it.endswith(".") for it in parts[:-3])
    assert sum(it.count("əwˈA") for it in parts) == 150


def test_what_the_model_does_not_know_is_left_out() -> None:
    assert [*phonemes("Hello, you!", "a", "hlˈju", 510)] == ["hlˈ ju"]
    assert [*phonemes(" ", "a", ALL, 510)] == []


# Voices and languages


@pytest.mark.parametrize(
    ("options", "letter", "file"),
    [
        ({}, "a", "af_heart"),
        ({"voice": "af_bella"}, "a", "af_bella"),
        ({"voice": "bf_emma"}, "b", "bf_emma"),
        ({"voice": "ff_siwis"}, "f", "ff_siwis"),
        ({"language": "fr"}, "f", "ff_siwis"),
        ({"language": "en-GB"}, "b", "bf_emma"),
        ({"language": "es"}, "e", "af_bella"),
        ({"voice": "af_heart", "language": "b"}, "b", "af_heart"),
    ],
)
def test_the_language_follows_the_voice_and_the_voice_the_language(
    kokoro: Path,
    read: list[tuple[str, str]],
    options: dict[str, Any],
    letter: str,
    file: str,
) -> None:
    voice = tts(kokoro, **options)
    assert len(spoken(voice)) > 0
    assert read == [("Hello there.", letter)]
    pack = mx.load(str(kokoro / "voices" / f"{file}.safetensors"))["voice"]  # type: ignore[index]
    assert mx.array_equal(voice._model._pack, pack)  # type: ignore[union-attr]


def test_voices_are_mixed_and_may_be_files(kokoro: Path, tmp_path: Path) -> None:
    shutil.copy(kokoro / "voices" / "af_heart.safetensors", tmp_path / "mine.safetensors")
    heart, bella = spoken(tts(kokoro)), spoken(tts(kokoro, voice="af_bella"))
    mixed = spoken(tts(kokoro, voice="af_heart,af_bella"))
    assert not any(len(mixed) == len(it) and np.allclose(mixed, it) for it in (heart, bella))
    mine = tts(kokoro, voice=str(tmp_path / "mine.safetensors"))
    assert np.array_equal(spoken(mine), heart)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"voice": "af_hart"},
            "has no voice 'af_hart': use one of af_bella, af_heart, bf_emma, ff_s",
        ),
        ({"voice": "af_heart,x"}, "has no voice 'x'"),
        (
            {"language": "de"},
            r"has no language 'de': use one of en-us \(a\), en-gb \(b\), es \(e\)",
        ),
        ({"voice": "jf_alpha"}, "cannot read Japanese .*, which 'jf_alpha' speaks: use a language"),
        ({"language": "zh"}, "cannot read Chinese .*, got 'zh': use a language of en-us, en-gb"),
        (
            {"temperature": 0.5},
            "has no option temperature.* are voice, language, speed, and no oth",
        ),
        ({"voice": "config.json"}, "has no voice 'config.json'"),
    ],
)
def test_what_there_is_not_is_told_when_it_is_loaded(
    kokoro: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tts(kokoro, **options).load()


def test_a_file_that_is_no_voice(kokoro: Path) -> None:
    with pytest.raises(ConfigError, match=r"is none of Kokoro's: it needs an array 'voice'"):
        tts(kokoro, voice=str(kokoro / "model.safetensors")).load()


# Speech


def test_it_gives_what_its_own_network_gives(kokoro: Path) -> None:
    voice = tts(kokoro, voice="bf_emma", speed=0.8)
    assert voice.sample_rate == 24_000
    heard = spoken(voice, "Hello, you!")
    (sounds,) = phonemes("Hello, you!", "b", voice._model._model.vocab, 510)  # type: ignore
    network: Any = voice._model._model  # type: ignore[union-attr]
    pack: Any = mx.load(str(kokoro / "voices" / "bf_emma.safetensors"))
    mx.random.seed(3)
    own = network(sounds, pack["voice"][len(sounds) - 1], 0.8)[0]
    assert np.array_equal(heard, np.array(own))
    assert len(heard) > len(spoken(tts(kokoro, voice="bf_emma", speed=2), "Hello, you!"))


def test_a_long_sentence_is_spoken_clause_by_clause(
    kokoro: Path, read: list[tuple[str, str]]
) -> None:
    voice = tts(kokoro)
    assert voice.streams is None
    clauses = [
        "When the sun is low, its light goes a long way through the air,",
        "and most of the blue is lost on the way,",
        "so that what is left for us to see is red.",
    ]
    pieces = voice.synthesize_stream(" ".join(clauses))
    for number in range(1, 4):
        next(pieces)
        assert [text for text, _ in read] == clauses[:number]
    assert [*pieces] == []
    assert voice.streams is False


def test_conversations_share_it_at_different_speeds(kokoro: Path) -> None:
    voice = tts(kokoro)
    voice.load()
    text = "One two three four five six seven eight, nine ten eleven twelve thirteen fourteen, yes."
    samples, overs, events = [0, 0], [Event(), Event()], list[object]()

    def follow(index: int, own: Tts) -> None:
        def take(it: object) -> None:
            if isinstance(it, rxv.Speech):
                samples[index] += len(it.samples)
            else:
                events.append(it)

        turn = rxv.Turn.of(np.zeros(16, np.float32))
        reply = rxv.Reply(rxv.Transcript(turn, "Hm?"), text, final=True)
        speech = reactivex.of(reply).pipe(vox.synthesize(own, worker=models.speech))
        speech.subscribe(take, events.append, overs[index].set)

    with MlxScheduler() as models:
        models.speech.schedule(lambda *_: (follow(0, voice), follow(1, voice.at_speed(2))))
        assert all(it.wait(60) for it in overs)
    assert events == []
    assert samples[0] > samples[1] > 0


def test_it_prints_nothing_and_needs_no_misaki(
    kokoro: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "misaki", None)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("ran a program"))
    voice = tts(kokoro)
    (loaded,) = load(voice)
    assert loaded.streams is False
    assert len(spoken(voice)) > 0
    assert capfd.readouterr().out == ""


# What it needs


def test_all_is_fetched_by_load_and_nothing_while_it_speaks(
    kokoro: Path, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(kokoro, bare, ignore=shutil.ignore_patterns("voices"))
    hub.add("tiny/kokoro", bare)
    tiny_tts.write_kokoro_voices(tmp_path / "more")
    hub.add(VOICES, tmp_path / "more")
    hub.models[VOICES]["kokoro-v1_0.pth"] = b"a pickle, which nobody wants"

    told: list[Progress] = []
    voice = tts("tiny/kokoro", voice="bf_emma")
    load(voice, progress=told.append)
    assert [it for it in hub.fetched() if "voices" in it] == [
        f"voices/{it}.safetensors" for it in tiny_tts.KOKORO_VOICES
    ]
    assert not any(it.endswith(".pth") for it in hub.fetched())
    of_voices = [it for it in told if it.model == VOICES]
    assert of_voices[-1].done == of_voices[-1].total > 0

    hub.asked.clear()
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    assert len(spoken(voice)) > 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = tts("tiny/kokoro", voice="ff_siwis")
    load(again)
    assert len(spoken(again)) > 0
    assert hub.asked == []


def test_voices_that_cannot_be_fetched(kokoro: Path, hub: FakeHub, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(kokoro, bare, ignore=shutil.ignore_patterns("voices"))
    hub.refused[VOICES] = (418, "")
    with pytest.raises(
        ConfigError, match=r"418 when it was asked for the repository that .*bare' n"
    ):
        load(tts(bare))
    hub.refused.clear()
    hub.models[VOICES] = {"README.md": b"moved"}
    with pytest.raises(ConfigError, match=r"has no 'voices/\*.safetensors', which the model needs"):
        load(tts(bare))


def test_without_espeak_it_is_refused_before_its_weights_are_fetched(
    kokoro: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("tiny/kokoro", kokoro)
    monkeypatch.setattr(_kokoro, "find_spec", lambda _: None)
    with pytest.raises(
        MissingDependency, match=r"espeakng-loader.*: pip install 'rxvoice\[kokoro\]'"
    ):
        load(tts("tiny/kokoro"))
    assert hub.fetched() == ["config.json"]
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[kokoro\]'"):
        tts(kokoro).load()


def test_a_config_without_a_type_is_known_by_the_models_name(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    with tiny_tts.narrow_kokoro():
        voice = tts(tiny_tts.kokoro(tmp_path / "my-kokoro", ["af_heart"], named=False))
        assert len(spoken(voice)) > 0


def test_every_language_has_a_voice_of_espeak() -> None:
    library = pytest.importorskip("rxvoice._espeak.library")
    names = {it.lower() for it in library.espeak_voices()}
    assert {it.split("-")[0] for it in LANGUAGES.values()} <= {it.split("-")[0] for it in names}
