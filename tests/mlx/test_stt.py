"""The recogniser over mlx-audio, driven with small models of random weights."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import runpy
import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import mlx.core as mx
import mlx_audio.stt
import numpy as np
import pytest
import reactivex

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._audio.samples import Samples
from rxvoice.errors import AudioFormatError, ConfigError, RxvoiceError
from rxvoice.mlx.stt import Stt, SttSession, stt

# By path: tests/mlx would be taken for a part of the package mlx.
tiny_stt = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny_stt.py"))))

RATE = 16_000


def sound(seconds: float = 2.0) -> Samples:
    """A sweep that comes and goes, in noise."""
    n = int(seconds * RATE)
    at = np.arange(n)
    noise = np.random.default_rng(0).standard_normal(n) * 0.1 * np.abs(np.sin(at / 3000))
    return (noise + 0.3 * np.sin(at**2 / 4e5)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def moonshine(folders: Path) -> Path:
    return tiny_stt.moonshine(folders / "m")


@pytest.fixture(scope="module")
def whisper(folders: Path) -> Path:
    return tiny_stt.whisper(folders / "w")


@pytest.fixture(scope="module")
def nemotron(folders: Path) -> Path:
    return tiny_stt.nemotron(folders / "n")


@pytest.fixture(scope="module")
def voxtral(folders: Path) -> Path:
    return tiny_stt.voxtral_realtime(folders / "v")


Pieces: TypeAlias = list[str | rxv.Notice]


def text(pieces: Pieces) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str)).strip()


def told(pieces: Pieces) -> str:
    return " / ".join(piece.message for piece in pieces if isinstance(piece, rxv.Notice))


def hear(session: SttSession, audio: Samples, size: int = 512) -> tuple[Pieces, Pieces, int]:
    """The pieces before the end, those after it, and the steps that these took."""
    before: Pieces = []
    for at in range(0, len(audio), size):
        session.feed(audio[at : at + size])
        before += session.step()
    assert not session.done
    session.close()
    after: Pieces = []
    steps = 0
    while not session.done:
        after += session.step()
        steps += 1
    return before, after, steps


# Whole turns.


@pytest.mark.models
def test_moonshine_gives_what_its_own_generate_gives(moonshine: Path) -> None:
    wanted = mlx_audio.stt.load(str(moonshine), strict=True).generate(
        mx.array(sound()), max_tokens=40
    )
    heard = stt(moonshine, max_turn_tokens=40).transcribe_turn(sound())
    assert heard == wanted.text.strip()
    assert len(set(heard.split())) > 3


@pytest.mark.models
def test_parakeet_hears_samples_that_were_not_rounded(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_stt.parakeet(folders / "p")
    kind = type(mlx_audio.stt.load(path, model_name_parts=["parakeet"]))
    decode, mels = kind.decode, list[mx.array]()

    def keep(model: Any, mel: mx.array) -> Any:
        mels.append(mel)
        return decode(model, mel)

    monkeypatch.setattr(kind, "decode", keep)
    own: Any = mlx_audio.stt.load(path, model_name_parts=["parakeet"])
    exact = own.generate(mx.array(sound()), dtype=mx.float32)
    own.generate(mx.array(sound()))
    text = stt(path).transcribe_turn(sound())
    assert text == exact.text.strip() != ""
    assert mels[0].dtype == mels[2].dtype == mx.float32
    assert mx.array_equal(mels[0], mels[2])
    # What mlx-audio does by itself moves the features, whose variance is 1.
    assert mx.std(mels[1].astype(mx.float32) - mels[0]).item() > 0.02


@pytest.mark.models
def test_whisper_gives_what_its_own_generate_gives(whisper: Path) -> None:
    # So long that it needs the whole window, as mlx-audio always has it.
    audio = sound(29.5)
    wanted = mlx_audio.stt.load(str(whisper), strict=True).generate(mx.array(audio))
    heard = stt(whisper, language="en", dtype="float16").transcribe_turn(audio)
    assert heard == wanted.text.strip() != ""


@pytest.mark.models
def test_what_the_model_knows_is_kept(whisper: Path, nemotron: Path) -> None:
    model = stt(whisper, language="en")
    known = model.recognise_turn(sound())
    assert (known.language, known.text) == ("en", model.transcribe_turn(sound()))
    turn = rxv.Turn.of(sound())
    seen: list[object] = []
    reactivex.of(turn).pipe(vox.transcribe(model)).subscribe(seen.append)
    assert seen == [rxv.Transcript(turn, known.text, recognised=known)]
    timed = stt(nemotron).recognise_turn(sound())
    assert " ".join(word for word, *_ in timed.words) == timed.text != ""


@pytest.mark.models
@pytest.mark.parametrize("word_times", [True, False])
def test_whisper_is_asked_for_the_times_of_words_where_they_are_wanted(
    whisper: Path, monkeypatch: pytest.MonkeyPatch, word_times: bool
) -> None:
    model = stt(whisper, word_times=word_times)
    model.load()
    real, asked = type(model._model).generate, []

    def generate(
        self: object, audio: mx.array, *, word_timestamps: bool = False, **options: Any
    ) -> Any:
        asked.append(word_timestamps)
        return real(self, audio, **options)

    monkeypatch.setattr(type(model._model), "generate", generate)
    model.transcribe_turn(sound(29.5))
    assert asked == [word_times]


@pytest.mark.models
def test_a_text_longer_than_allowed_is_cut_with_a_warning(
    moonshine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = stt(moonshine, max_turn_tokens=20).transcribe_turn(sound()).split()
    caplog.clear()
    heard = stt(moonshine, max_turn_tokens=5).transcribe_turn(sound())
    assert heard.split() == whole[:5]
    assert [record.name for record in caplog.records] == ["rxvoice"]
    assert "a turn of 2.0 s was cut at max_turn_tokens=5" in caplog.text


@pytest.mark.models
@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), np.zeros(RATE, np.float32)])
def test_nothing_and_digital_silence_are_nothing(moonshine: Path, audio: Samples) -> None:
    recogniser = stt(moonshine)
    assert recogniser.transcribe_turn(audio) == ""
    session = recogniser.session()
    session.feed(audio)
    assert session.step() == []
    session.close()
    assert session.done
    assert session.step() == []


@pytest.mark.models
def test_other_audio_is_refused(moonshine: Path) -> None:
    recogniser = stt(moonshine)
    with pytest.raises(AudioFormatError, match="float64"):
        recogniser.transcribe_turn(sound().astype(np.float64))
    with pytest.raises(AudioFormatError, match="shape"):
        recogniser.session().feed(sound().reshape(2, -1))


@pytest.mark.models
def test_a_whole_turn_model_has_a_session_that_gives_all_at_the_end(moonshine: Path) -> None:
    recogniser = stt(moonshine, max_turn_tokens=10)
    before, after, steps = hear(recogniser.session(), sound())
    assert before == []
    assert text(after) == recogniser.transcribe_turn(sound())
    assert "a turn of 2.0 s was cut at max_turn_tokens=10" in told(after)
    assert steps == 1


# Streaming sessions.


@pytest.mark.models
@pytest.mark.parametrize("family", ["nemotron", "voxtral"])
def test_a_streaming_session_gives_the_text_of_the_whole_turn_while_it_is_spoken(
    family: str, request: pytest.FixtureRequest
) -> None:
    recogniser = stt(request.getfixturevalue(family), max_decode_tokens_per_step=50)
    whole = recogniser.transcribe_turn(sound())
    assert len(whole.split()) > 10
    before, after, steps = hear(recogniser.session(), sound())
    assert text(before + after) == whole
    assert all(before + after)
    assert len(before) > len(after)
    assert steps <= 96


@pytest.mark.models
def test_audio_that_was_not_yet_decoded_is_decoded_after_the_end(nemotron: Path) -> None:
    recogniser = stt(nemotron)
    session = recogniser.session()
    session.feed(sound())
    session.close()
    pieces: Pieces = []
    while not session.done:
        step = session.step()
        assert len(step) <= 6
        pieces += step
    assert text(pieces) == recogniser.transcribe_turn(sound())


@pytest.mark.models
def test_sessions_do_not_disturb_each_other(nemotron: Path) -> None:
    recogniser = stt(nemotron)
    one, other = recogniser.session(), recogniser.session()
    pieces: Pieces = []
    for at in range(0, 2 * RATE, 512):
        one.feed(sound()[at : at + 512])
        other.feed(-0.5 * sound()[at : at + 512])
        pieces += one.step()
        other.step()
    one.close()
    while not one.done:
        pieces += one.step()
        other.step()
    assert text(pieces) == recogniser.transcribe_turn(sound())
    assert not other.done


@pytest.mark.models
def test_too_many_steps_after_the_end_are_cut_with_a_notice(nemotron: Path) -> None:
    recogniser = stt(nemotron, max_decode_tokens_per_step=1, finalization_max_steps=7)
    session = recogniser.session()
    session.feed(sound())
    session.close()
    pieces: Pieces = []
    steps = 0
    while not session.done:
        pieces += session.step()
        steps += 1
    assert steps == 7
    assert "cut at finalization_max_steps=7" in told(pieces)
    assert session.step() == []


@pytest.mark.models
def test_too_long_a_text_of_a_session_is_cut_with_a_notice(nemotron: Path) -> None:
    whole = stt(nemotron).transcribe_turn(sound()).split()
    before, after, _ = hear(stt(nemotron, max_turn_tokens=9).session(), sound())
    assert text(before + after).split() == whole[:9]
    assert "cut at max_turn_tokens=9" in told(before + after)
    assert "s of a turn were not transcribed" in told(before + after)


@pytest.mark.models
def test_a_session_without_audio_ends_at_once(nemotron: Path) -> None:
    session = stt(nemotron).session()
    assert session.step() == []
    session.close()
    session.close()
    assert session.done


@pytest.mark.models
@pytest.mark.parametrize("family", ["moonshine", "nemotron"])
def test_a_closed_session_takes_no_more(family: str, request: pytest.FixtureRequest) -> None:
    session = stt(request.getfixturevalue(family)).session()
    session.close()
    with pytest.raises(RxvoiceError, match="open another session"):
        session.feed(sound())


@pytest.mark.models
def test_leading_silence_is_heard_too(nemotron: Path) -> None:
    recogniser = stt(nemotron)
    audio = np.concatenate([np.zeros(RATE, np.float32), sound()])
    before, after, _ = hear(recogniser.session(), audio)
    assert text(before + after) == recogniser.transcribe_turn(audio)


@pytest.mark.models
@pytest.mark.parametrize("family", ["moonshine", "nemotron"])
def test_transcribe_ends_with_the_whole_text(family: str, request: pytest.FixtureRequest) -> None:
    recogniser = stt(request.getfixturevalue(family), max_turn_tokens=80)
    got: list[Any] = []
    turns: list[rxv.Turn] = []

    def keep(turn: rxv.Turn) -> None:
        turns.append(turn)

    chunks = [
        rxv.AudioChunk(sound()[at : at + 512], RATE, at, speech=True)
        for at in range(0, 2 * RATE, 512)
    ]
    reactivex.from_iterable(chunks).pipe(
        vox.turn_window(),
        reactivex.operators.do_action(keep),
        vox.transcribe(recogniser),
    ).subscribe(got.append)
    wanted = recogniser.transcribe_turn(turns[0].audio)
    final = [each for each in got if isinstance(each, rxv.Transcript)][-1]
    assert (final.final, final.text) == (True, wanted)
    texts = [each.text for each in got if isinstance(each, rxv.Transcript)]
    assert all(later.startswith(text) for text, later in pairwise(texts))
    assert len(got) > (5 if family == "nemotron" else 0)


# Threads and streams.


@pytest.mark.models
def test_the_default_stream_is_left_as_it_was(
    moonshine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = mx.default_stream(mx.default_device())
    other = mx.new_stream(mx.default_device())

    def leaves_another(*_: object, **__: object) -> SimpleNamespace:
        mx.set_default_stream(other)
        return SimpleNamespace(text=" hello ")

    recogniser = fake(monkeypatch, moonshine, SimpleNamespace(generate=leaves_another))
    try:
        assert recogniser.transcribe_turn(sound()) == "hello"
        assert mx.default_stream(mx.default_device()) == mine
    finally:
        mx.set_default_stream(mine)


@pytest.mark.models
@pytest.mark.parametrize("family", ["moonshine", "nemotron"])
def test_it_may_live_on_a_worker_whose_results_are_used_elsewhere(
    family: str, request: pytest.FixtureRequest
) -> None:
    recogniser = stt(request.getfixturevalue(family), max_turn_tokens=80)
    heard: list[str] = []

    def work() -> None:
        heard.append(recogniser.transcribe_turn(sound()))
        before, after, _ = hear(recogniser.session(), sound())
        heard.append(text(before + after))
        mx.clear_streams()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    here = stt(request.getfixturevalue(family), max_turn_tokens=80).transcribe_turn(sound())
    assert heard == [here, here]


def test_nothing_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    recogniser = stt(tmp_path)  # an empty directory
    assert recogniser.sample_rate == RATE
    with pytest.raises(ConfigError, match="Config not found"):
        recogniser.load()


# What families are told.


def fake(monkeypatch: pytest.MonkeyPatch, moonshine: Path, model: object, **options: Any) -> Stt:
    def load(*_: object, **__: object) -> object:
        return model

    monkeypatch.setattr(mlx_audio.stt, "load", load)
    recogniser = stt(moonshine, **options)
    model._tokenizer = True  # type: ignore[attr-defined]
    return recogniser


class Told:
    """Models of several signatures, that note what they are told."""

    def __init__(self) -> None:
        self.by: dict[str, dict[str, object]] = {}

    def whisper(self, audio: object, *, language: object = None, **decode: object) -> Any:
        return self._note("whisper", language=language, **decode)

    def canary(
        self, audio: object, *, source_lang: str = "en", target_lang: str = "en", **rest: object
    ) -> Any:
        return self._note("canary", source_lang=source_lang, target_lang=target_lang, **rest)

    def plain(self, audio: object, *, max_tokens: int = 9, **rest: object) -> Any:
        return self._note("plain", max_tokens=max_tokens, **rest)

    def _note(self, name: str, **options: object) -> Any:
        self.by[name] = options
        return SimpleNamespace(text=name)


@pytest.mark.parametrize(
    ("family", "told"),
    [
        ("whisper", {"language": "de"}),
        ("canary", {"source_lang": "de", "target_lang": "de"}),
        ("plain", {"max_tokens": 77}),
    ],
)
def test_a_family_is_told_what_its_signature_has(
    family: str, told: dict[str, object], moonshine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Told()
    model = SimpleNamespace(generate=getattr(notes, family))
    recogniser = fake(monkeypatch, moonshine, model, language="de", max_turn_tokens=77)
    assert recogniser.transcribe_turn(sound()) == family
    assert notes.by[family] == told


def test_a_language_that_cannot_be_told_is_warned_of(
    moonshine: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake(monkeypatch, moonshine, SimpleNamespace(generate=Told().plain), language="de").load()
    assert "(moonshine) take no language, so 'de' has no effect" in caplog.text


@pytest.mark.parametrize(("asked", "told"), [(480, 560), (100, 80), (2000, 1120), (160, 160)])
def test_a_model_made_for_some_delays_gets_the_nearest(
    asked: int, told: int, moonshine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[int] = []

    def create(*, language: str | None = None, transcription_delay_ms: int = 0) -> Any:
        delays.append(transcription_delay_ms)
        return SimpleNamespace(done=False)

    model = SimpleNamespace(
        generate=Told().plain, create_streaming_session=create, model_type="nemotron_asr_streaming"
    )
    fake(monkeypatch, moonshine, model, transcription_delay_ms=asked).session()
    assert delays == [told]


# What cannot be loaded.


def test_a_model_that_does_not_transcribe_is_refused(
    moonshine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def align(audio: object, text: str) -> object:
        raise AssertionError

    for model in (SimpleNamespace(), SimpleNamespace(generate=align)):
        with pytest.raises(ConfigError, match=r"does not turn audio alone into text .*moonshine"):
            fake(monkeypatch, moonshine, model).load()


def change(source: Path, target: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text("utf-8"))
    edit(config)
    (target / "config.json").write_text(json.dumps(config), "utf-8")
    return target


def test_an_unknown_family_is_refused_though_the_directory_is_called_like_a_known_one(
    moonshine: Path, tmp_path: Path
) -> None:
    def unknown(config: dict[str, Any]) -> None:
        config["model_type"] = "soothsayer"

    path = change(moonshine, tmp_path / "moonshine", unknown)
    with pytest.raises(ConfigError, match=r"'soothsayer', which is no speech .* use one of .*nemo"):
        stt(path).load()

    def none(config: dict[str, Any]) -> None:
        del config["model_type"]

    path = change(moonshine, tmp_path / "2" / "moonshine", none)
    with pytest.raises(ConfigError, match="has no model_type"):
        stt(path).load()


@pytest.mark.models
@pytest.mark.parametrize(("family", "name"), [("moonshine", "whisper"), ("whisper", "moonshine")])
def test_the_name_of_the_directory_does_not_matter(
    family: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(family)
    other = Path(shutil.copytree(path, tmp_path / name))
    heard = stt(other, language="en", max_turn_tokens=9).transcribe_turn(sound())
    assert heard == stt(path, language="en", max_turn_tokens=9).transcribe_turn(sound())


@pytest.mark.models
@pytest.mark.parametrize("more", [False, True])
def test_missing_weights_are_not_left_random(moonshine: Path, tmp_path: Path, more: bool) -> None:
    path = Path(shutil.copytree(moonshine, tmp_path / "m"))
    weights = dict(mx.load(str(path / "model.safetensors")))
    del weights["model.encoder.conv2.bias"]
    if more:
        weights["model.something.else"] = mx.zeros(3)
    mx.save_safetensors(str(path / "model.safetensors"), weights)
    with pytest.raises(ConfigError, match=r"Missing 1 param[\s\S]*conv2\.bias[\s\S]*all of the"):
        stt(path).load()


@pytest.mark.models
def test_more_weights_than_needed_do_no_harm(moonshine: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(moonshine, tmp_path / "m"))
    weights = dict(mx.load(str(path / "model.safetensors")))
    weights["model.something.else"] = mx.zeros(3)
    mx.save_safetensors(str(path / "model.safetensors"), weights)
    heard = stt(path, max_turn_tokens=9).transcribe_turn(sound())
    assert heard == stt(moonshine, max_turn_tokens=9).transcribe_turn(sound())


@pytest.mark.models
def test_broken_and_absent_files_say_what_is_needed(moonshine: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(moonshine, tmp_path / "broken"))
    (path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"needs config\.json and all of the weights"):
        stt(path).load()
    path = Path(shutil.copytree(moonshine, tmp_path / "speechless"))
    (path / "tokenizer.json").unlink()
    (path / "tokenizer_config.json").unlink()
    with pytest.raises(ConfigError, match=r"no tokenizer .* add tokenizer\.json"):
        stt(path).load()


@pytest.mark.models
@pytest.mark.filterwarnings("ignore:Could not load WhisperProcessor")
def test_a_whisper_without_its_processor_is_refused_when_it_is_loaded(
    whisper: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(whisper, tmp_path / "w"))
    (path / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match=r"add .* for whisper preprocessor_config\.json"):
        stt(path).load()


def test_a_name_that_cannot_be_fetched_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> Path:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ConfigError, match=r"could not be fetched.*no network.*check the path"):
        stt("nobody/nothing").load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_turn_tokens": 0}, "max_turn_tokens must be at least 1 tokens, got 0"),
        ({"max_decode_tokens_per_step": 0}, "max_decode_tokens_per_step"),
        ({"finalization_max_steps": 1.5}, "whole number of steps"),
        ({"transcription_delay_ms": 10}, "transcription_delay_ms must be at least 80 ms"),
        ({"language": " "}, "language must be a name"),
    ],
)
def test_bad_arguments_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stt("mlx-community/whisper-large-v3-turbo", **options)


def test_a_model_that_is_neither_directory_nor_name_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '\./nowhere'"):
        stt("./nowhere")
