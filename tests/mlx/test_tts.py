"""The synthesizer over mlx-audio, driven with tiny models of real families."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import shutil
import sys
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import mlx.core as mx
import mlx_audio.tts
import numpy as np
import pytest

from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.mlx.tts import Tts, tts
from tests.mlx import tiny_tts
from tests.mlx.near import check_same

FRAME = 128  # samples of the tiny pocket_tts


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("requests", reason="mlx-audio's pocket_tts imports requests")
    return tiny_tts.pocket(tmp_path_factory.mktemp("tts") / "pocket")


@pytest.fixture(scope="module")
def soprano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_tts.soprano(tmp_path_factory.mktemp("tts") / "soprano")


def spoken(speech: Tts, text: str = "Hi.", seed: int = 3) -> list[mx.array]:
    speech.load()  # new weights are drawn before they are read, and move the seed on
    mx.random.seed(seed)
    return list(speech.synthesize_stream(text))


def joined(pieces: list[mx.array]) -> np.ndarray:
    return np.concatenate([np.array(piece) for piece in pieces])


def directly(folder: Path, text: str = "Hi.", seed: int = 3, **options: Any) -> list[mx.array]:
    """What mlx-audio gives, without us."""
    model: Any = mlx_audio.tts.load(folder)
    mx.random.seed(seed)
    return [result.audio for result in model.generate(text, **options)]


def current_stream() -> str:
    return repr(mx.default_stream(mx.default_device()))


@pytest.mark.models
def test_pieces_come_as_they_are_made_and_join_to_the_whole(pocket: Path) -> None:
    pieces = spoken(tts(pocket, streaming_interval=0.4))
    assert len(pieces) > 5
    for piece in pieces:
        assert isinstance(piece, mx.array)
        assert piece.dtype == mx.float32
        assert piece.ndim == 1
    # The first whole frame after 0.4 s of 1600 Hz.
    assert {piece.size for piece in pieces[:-1]} == {5 * FRAME}
    [whole] = directly(pocket, voice=None, stream=False)
    assert np.abs(np.array(whole)).max() > 0.05
    check_same(joined(pieces), np.array(whole))


@pytest.mark.models
def test_each_piece_is_one_step_of_the_model(pocket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = tts(pocket, streaming_interval=2 * FRAME / 1600)
    speech.load()
    mimi = type(speech._model.mimi)  # type: ignore[union-attr]
    decode, frames = mimi.decode_step, []

    def count(self: object, latent: mx.array) -> mx.array:
        frames.append(1)
        return decode(self, latent)

    monkeypatch.setattr(mimi, "decode_step", count)
    stream = speech.synthesize_stream("Hi.")
    assert frames == []
    for made in (2, 4, 6):
        next(stream)
        assert len(frames) == made
    stream.close()
    assert len(frames) == 6


@pytest.mark.models
def test_no_piece_is_empty(pocket: Path) -> None:
    interval = 2 * FRAME / 1600
    raw = directly(pocket, stream=True, streaming_interval=interval)
    assert raw[-1].size == 0
    pieces = spoken(tts(pocket, streaming_interval=interval))
    assert [piece.size for piece in pieces] == [piece.size for piece in raw[:-1]]


@pytest.mark.models
def test_pieces_are_evaluated(pocket: Path) -> None:
    stream = tts(pocket).synthesize_stream("Hi.")
    piece = next(stream)
    stream.close()
    with ThreadPoolExecutor(1) as elsewhere:
        # MLX refuses to evaluate on another thread than the one that made it.
        assert elsewhere.submit(np.array, piece).result().size == piece.size
        elsewhere.submit(mx.clear_streams).result()


@pytest.mark.models
def test_closed_early_the_model_ends_as_well(pocket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = tts(pocket, temperature=0.25)
    speech.load()
    model: Any = speech._model
    generate, made = type(model).generate, []

    def keep(*args: object, **options: object) -> Iterator[object]:
        made.append(generate(*args, **options))  # or it would be closed with its last reference
        return made[0]

    monkeypatch.setattr(type(model), "generate", keep)
    stream = speech.synthesize_stream("Hi.")
    next(stream)
    assert model.temp == 0.25
    stream.close()
    assert model.temp == 0.7


@pytest.mark.models
def test_one_text_at_a_time(pocket: Path) -> None:
    speech = tts(pocket)
    whole = joined(spoken(speech))
    mx.random.seed(3)
    stream = speech.synthesize_stream("Hi.")
    pieces = [next(stream)]
    with pytest.raises(RxvoiceError, match=r"cannot speak 'Ho\.': it is still speaking") as e:
        next(speech.synthesize_stream("Ho."))
    assert "iterate that to its end, close it, or use another tts()" in str(e.value)
    check_same(joined([*pieces, *stream]), whole)
    stream = speech.synthesize_stream("Hi.")
    next(stream)
    stream.close()
    check_same(joined(spoken(speech)), whole)


@pytest.mark.models
def test_options_reach_the_model(pocket: Path, tmp_path: Path) -> None:
    sound = tmp_path / "voice.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 1600, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(1600))).astype(np.int16).tobytes())
    ways: list[dict[str, Any]] = [
        {"voice": "ann"},
        {"voice": "bob"},
        {"voice": "ann", "temperature": 0.0},
        {"ref_audio": sound},
    ]
    heard = [joined(spoken(tts(pocket, **way))) for way in ways]
    for index, one in enumerate(heard):
        assert all(np.abs(one - other).max() > 1e-3 for other in heard[:index])
    [bob] = directly(pocket, voice="bob")
    check_same(heard[1], np.array(bob))


@pytest.mark.models
@pytest.mark.parametrize(
    ("option", "value"), [("speed", 1.5), ("language", "en"), ("ref_text", "Hello.")]
)
def test_an_option_that_the_family_does_not_have(
    pocket: Path, option: str, value: float | str
) -> None:
    speech = tts(pocket, **{option: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"has no option {option}, got {value!r}") as e:
        speech.load()
    assert "its family's options are voice, temperature, ref_audio, and no others" in str(e.value)


@pytest.mark.models
def test_a_ref_audio_that_is_no_sound(pocket: Path) -> None:
    speech = tts(pocket, ref_audio=pocket / "config.json")
    with pytest.raises(ConfigError, match=r"config\.json' cannot be read as sound"):
        speech.load()


@pytest.mark.models
def test_the_sample_rate_needs_no_weights(pocket: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(pocket, folder, ignore=shutil.ignore_patterns("model.safetensors"))
    speech = tts(folder)
    assert speech.sample_rate == 1600
    with pytest.raises(ConfigError, match="holds no speech model that mlx-audio can load"):
        speech.load()


@pytest.mark.models
def test_weights_that_are_missing_are_not_made_up(soprano: Path, tmp_path: Path) -> None:
    folder = tmp_path / "soprano"
    shutil.copytree(soprano, folder)
    weights: Any = mx.load(str(folder / "model.safetensors"))
    kept = {name: array for name, array in weights.items() if "lm_head" not in name}
    mx.save_safetensors(str(folder / "part.safetensors"), kept)
    (folder / "part.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"can load \(Missing 1 parameters"):
        tts(folder).load()


@pytest.mark.models
def test_a_family_that_does_not_stream_gives_each_segment(soprano: Path) -> None:
    speech = tts(soprano, voice="ann", temperature=0.3)
    assert speech.sample_rate == 32_000
    assert speech._model is None
    text = "Hello\nyou there."
    pieces, raw = spoken(speech, text), directly(soprano, text)
    assert len(pieces) == 2
    assert [piece.size for piece in pieces] == [piece.size for piece in raw]
    check_same(joined(pieces), joined(raw))


@pytest.mark.models
def test_blank_text_gives_nothing(soprano: Path) -> None:
    speech = tts(soprano)
    assert list(speech.synthesize_stream(" \n ")) == []
    assert speech._model is None


class Refuses:
    """A real model's `generate`, with a `stream` that it refuses, as some families do."""

    def __init__(self, error: Exception) -> None:
        self.asked: list[bool] = []
        self.error = error
        self.broken = False

    def put_into(self, speech: Tts, patch: pytest.MonkeyPatch) -> None:
        speech.load()
        kind = type(speech._model)
        generate: Any = kind.generate

        def refuse(model: object, text: str, *, stream: bool = False) -> Iterator[object]:
            self.asked.append(stream)
            if stream:
                raise self.error
            if self.broken:
                raise ValueError("no good")
            yield from generate(model, text)

        patch.setattr(kind, "generate", refuse)
        speech._model = None


@pytest.mark.models
@pytest.mark.parametrize("error", [NotImplementedError("not yet"), ValueError("no stream")])
def test_a_family_that_refuses_to_stream_is_asked_once(
    soprano: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    speech, refuses = tts(soprano), Refuses(error)
    refuses.put_into(speech, monkeypatch)
    refuses.broken = True
    with pytest.raises(ValueError, match="no good"):
        spoken(speech)
    refuses.broken = False
    assert refuses.asked == [True, False]
    assert len(spoken(speech)) == 1
    assert len(spoken(speech)) == 1
    assert refuses.asked == [True, False, True, False, False]


@pytest.mark.models
def test_echo_refuses_to_stream_and_says_what_it_lacks(tmp_path: Path) -> None:
    speech = tts(tiny_tts.echo(tmp_path / "echo"))
    assert speech.sample_rate == 44_100
    with pytest.raises(ValueError, match="requires Fish S1 DAC"):
        spoken(speech)


@pytest.mark.models
@pytest.mark.parametrize("close", [False, True])
def test_the_default_stream_stays(
    soprano: Path, monkeypatch: pytest.MonkeyPatch, close: bool
) -> None:
    speech = tts(soprano)
    speech.load()
    own = mx.new_stream(mx.default_device())

    def holds(*_: object) -> Iterator[object]:
        with mx.stream(own):
            for channels in ((3,), (1, 3), (3, 1), (2, 3)):
                yield SimpleNamespace(audio=mx.ones(channels, mx.float16) / 2)

    monkeypatch.setattr(type(speech._model), "generate", holds)
    before = current_stream()
    stream = speech.synthesize_stream("Hi.")
    for _ in range(4):
        piece = next(stream)
        assert current_stream() == before
        assert (piece.shape, piece.dtype, piece.tolist()) == ((3,), mx.float32, [0.5] * 3)
    if close:
        stream.close()
    else:
        assert list(stream) == []
    assert current_stream() == before


@pytest.mark.models
def test_a_package_that_the_family_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "models.pocket_tts" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "requests", None)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "pocket_tts"}))
    with pytest.raises(MissingDependency, match=r"needs the package requests.*: pip install req"):
        tts(tmp_path).load()
    with pytest.raises(MissingDependency, match="pip install requests"):
        _ = tts(tmp_path).sample_rate


@pytest.mark.models
def test_the_speed_may_be_another_each_time(
    soprano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (voice := tts(soprano)).at_speed(1.5) is voice  # the family has only one
    voice = tts(tiny_tts.kitten(tmp_path / "kitten"), speed=1.2)
    fast = voice.at_speed(1.5)
    asked: list[Any] = []
    network = cast("Any", type(fast._loaded()))
    monkeypatch.setattr(
        network, "generate", lambda self, text, speed: asked.append(speed) or iter(())
    )
    for it in (voice, fast):
        assert list(it.synthesize_stream("Hi.")) == []
    assert asked == pytest.approx([1.2, 1.8])
    assert fast._loaded() is voice._loaded()
    with pytest.raises(ConfigError, match="speed must be above 0"):
        voice.at_speed(0)


@pytest.mark.models
def test_a_package_that_the_family_speaks_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "phonemizer", None)
    speech = tts(tiny_tts.kitten(tmp_path / "kitten"), speed=1.2)
    speech.load()
    with pytest.raises(
        MissingDependency, match=r"package phonemizer.*: pip install phonemizer-fork"
    ):
        next(speech.synthesize_stream("Hi."))


@pytest.mark.models
def test_a_model_type_that_there_is_not(soprano: Path, tmp_path: Path) -> None:
    folder = tmp_path / "soprano"
    shutil.copytree(soprano, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "whisper"}))
    # mlx-audio would take it for what the directory is called.
    assert type(mlx_audio.tts.load(folder)).__module__.endswith("soprano")
    for use in (tts(folder).load, lambda: tts(folder).sample_rate):
        with pytest.raises(ConfigError, match=r"model_type in its .* is 'whisper'") as e:
            use()
        assert "must be one of" in str(e.value)
        assert "pocket_tts" in str(e.value)


@pytest.mark.models
def test_a_directory_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no speech model .* needs config\.json"):
        tts(tmp_path).load()
    with pytest.raises(ConfigError, match=r"holds no speech model .* needs config\.json"):
        _ = tts(tmp_path).sample_rate


@pytest.mark.models
def test_a_name_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    speech = tts("nobody/no-such-model-here")
    with pytest.raises(ConfigError, match="'nobody/no-such-model-here' is not a directory") as e:
        next(speech.synthesize_stream("Hello."))
    assert "check the path or the name, the network" in str(e.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streaming_interval": 0}, "streaming_interval must be above 0 seconds, got 0"),
        ({"streaming_interval": -1}, "streaming_interval must be at least 0 seconds"),
        ({"speed": 0.0}, "speed must be above 0 times the model's own"),
        ({"temperature": -0.1}, "temperature must be at least 0"),
        ({"ref_audio": "no-such.wav"}, r"ref_audio must be a sound file, got 'no-such\.wav'"),
    ],
)
def test_bad_options_raise_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tts("some/model", **options)


@pytest.mark.parametrize("path", ["/no/such/model", "./model", Path("models/a/b"), "a b"])
def test_a_path_that_is_not_there_raises_at_once(path: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '.*'") as caught:
        tts(path)
    assert "Hugging Face name, such as" in str(caught.value)
