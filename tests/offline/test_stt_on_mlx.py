"""The ears on MLX, as on Apple silicon. Numbers are printed with ``pytest -s``."""

from __future__ import annotations

import json
import logging
import platform
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import reactivex as rx
from offline.ears_kit import SAID, made_up, turns
from offline.prompts_kit import errors, needs_prompts, prompt, prompts, sixty, words
from reactivex import Observable
from thorough import THOROUGH, some

import rxvoice as rxv
from rxvoice import events, offline
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, ConfigError, MissingDependency
from rxvoice.offline import _mlx_whisper
from rxvoice.offline.stt import default_backend
from rxvoice.offline.weights import WHISPER_TINY

pytestmark = [
    pytest.mark.models,
    pytest.mark.slow(1),
    pytest.mark.skipif(not WHISPER_TINY.is_installed, reason=f"the ears: {WHISPER_TINY.command}"),
]
other = pytest.mark.skipif(not find_spec("faster_whisper"), reason="needs faster-whisper")

RATE = 16_000
CHUNK = 512
CACHE = "huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CACHE, str(folder))
        offline.stt(backend="mlx").prepare(lambda _: None)
        yield folder


@pytest.fixture(scope="module")
def ears() -> offline.WhisperStt:
    made = offline.stt(backend="mlx")
    made.load()
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def moon(ears: offline.WhisperStt) -> rxv.Recognised:
    """What it makes of the third turn."""
    return ears.recognise_turn(turns()[2])


def test_every_turn_of_the_demo(ears: offline.WhisperStt, moon: rxv.Recognised) -> None:
    assert ears.backend == "mlx"
    heard = [moon.text if n == 2 else ears.transcribe_turn(turns()[n]) for n in range(4)]
    assert [words(text) for text in heard] == [words(text) for text in SAID]


@needs_prompts
@pytest.mark.slow
@other
def test_human_prompts_as_by_faster_whisper(ears: offline.WhisperStt) -> None:
    names = some(sixty()[::3], 2)  # MLX takes seconds for each on a CPU
    both = {"mlx": ears, "faster-whisper": offline.stt(backend="faster-whisper")}
    heard = {
        name: [words(stt.transcribe_turn(prompt(it))) for it in names] for name, stt in both.items()
    }
    said = [words(prompts()[it]) for it in names]
    total = sum(map(len, said))
    assert total > 6 * len(names)
    wrong = {
        name: sum(errors(*pair) for pair in zip(said, texts, strict=True))
        for name, texts in heard.items()
    }
    print(f"\nof {total} words wrong: {wrong}")
    assert abs(wrong["mlx"] - wrong["faster-whisper"]) <= 4
    assert max(wrong.values()) / total <= 0.09  # of all sixty it is half of that
    same = sum(one == two for one, two in zip(*heard.values(), strict=True))
    print(f"the same words in {same} of {len(said)}")
    assert same >= 0.8 * len(said)


def test_what_is_no_speech_gives_no_text(ears: offline.WhisperStt) -> None:
    assert len(made_up(ears, 5)) <= int(THOROUGH)


def test_a_text_that_stands_twice_is_looked_at_in_the_whole_window(
    ears: offline.WhisperStt, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rxvoice.mlx._whisper_steps import WhisperSteps

    encode, sizes = WhisperSteps._encode, list[int]()

    def spied(steps: WhisperSteps, audio: np.ndarray, least_s: int) -> object:
        sizes.append(least_s)
        return encode(steps, audio, least_s)

    monkeypatch.setattr(WhisperSteps, "_encode", spied)
    once = turns()[0][4_000:-9_000]  # without a pause, at which a turn is parted
    assert words(ears.transcribe_turn(np.concatenate([once, once]))) == 2 * words(SAID[0])
    assert sizes == [15, 30]


@needs_prompts
def test_a_single_word_is_not_taken_for_noise(ears: offline.WhisperStt) -> None:
    names = some([name for name, text in prompts().items() if len(words(text)) == 1][:20], 2)
    given = [ears.transcribe_turn(prompt(name)) != "" for name in names]
    assert sum(given) >= 0.95 * len(names)


def test_the_words_have_their_times(moon: rxv.Recognised) -> None:
    found = moon
    assert found.language == "en"
    assert found.confidence is not None
    assert 0.3 < found.confidence <= 1
    assert words(" ".join(word for word, *_ in found.words)) == words(SAID[2])
    times = [time for _, start, end, *_ in found.words for time in (start, end)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.25, abs=0.1)
    assert times[-1] == pytest.approx(len(turns()[2]) / RATE - 0.8, abs=0.25)


def test_partial_texts_come_before_the_end(ears: offline.WhisperStt, moon: rxv.Recognised) -> None:
    session = ears.session()
    told: list[object] = []
    for at in range(0, len(turns()[2]), CHUNK):
        session.feed(turns()[2][at : at + CHUNK])
        told.append(session.step())
    partials = [it for it in told if isinstance(it, str)]
    assert partials
    said = words(SAID[2])
    assert all(words(it) == said[: len(words(it))] for it in partials)
    session.close()
    assert not session.done
    while not session.done:
        told.append(session.step())
    assert told[-1] == moon


def test_the_final_text_is_decoded_while_the_silence_is_judged(
    ears: offline.WhisperStt,
) -> None:
    session = ears.session()
    quiet = np.zeros(6 * RATE, np.float32)  # as long as it takes, on a machine of any speed
    for at in range(0, len(audio := np.concatenate((turns()[2], quiet))), 3 * CHUNK):
        session.feed(audio[at : at + 3 * CHUNK])
        session.step()
    session.close()
    found = session.step()
    assert isinstance(found, rxv.Recognised), "nothing was left to decode"
    assert words(found.text) == words(SAID[2])


def test_others_get_in_between_and_mlx_stays_on_its_thread(ears: offline.WhisperStt) -> None:
    """While a turn is decoded on the model thread, other work of the thread is done."""
    seen: list[str] = []
    order: list[str] = []
    over = threading.Event()
    decode = ears._backend._whisper.decode  # type: ignore[union-attr]

    def watched(*args: object, **options: object) -> object:
        steps = decode(*args, **options)
        while True:
            seen.append(threading.current_thread().name)
            order.append("step")
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            yield

    with rxv.mlx.MlxScheduler() as models, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ears._backend._whisper, "decode", watched)

        def beat(scheduler: object, _: object = None) -> None:
            order.append("other")
            if not over.is_set():
                models.speech.schedule(beat)

        texts: list[str] = []
        turn: Observable[rxv.Turn | events.Event] = rx.of(rxv.Turn.of(turns()[2]))
        models.speech.schedule(beat)
        rxv.live(turn.pipe(vox.transcribe(ears, worker=models.listening))).subscribe(
            lambda it: texts.append(it.text) if isinstance(it, rxv.Transcript) else None,
            on_error=lambda _: over.set(),
            on_completed=over.set,
        )
        assert over.wait(120)
    assert set(seen) == {"rxvoice-mlx"}
    assert words(texts[-1]) == words(SAID[2])
    first, last = order.index("step"), len(order) - 1 - order[::-1].index("step")
    between = order[first:last].count("other")
    assert between >= 5, "the decode was taken in one go"


def test_the_weights_are_converted_once(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    monkeypatch.setattr(CACHE, str(tmp_path))
    stt = offline.stt(backend="mlx")
    stt.prepare(told.append)
    assert told[0].startswith("converting Whisper tiny.en for MLX, once: ")
    assert str(tmp_path) in told[0]
    assert "writing model.safetensors" in told
    (made,) = tmp_path.rglob("config.json")
    assert json.loads(made.read_text("utf-8"))["model_type"] == "whisper"
    stt.prepare(told.append)
    stt.load()
    assert told.count("writing model.safetensors") == 1
    caplog.set_level(logging.INFO, "rxvoice")
    offline.stt(backend="mlx").load()
    assert "converting" not in caplog.text


def test_loading_shows_the_conversion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(CACHE, str(tmp_path))
    told: list[rxv.mlx.Progress] = []
    (loaded,) = rxv.mlx.load(offline.stt(backend="mlx"), progress=told.append)
    assert loaded.name == "Whisper tiny.en"
    assert {it.model for it in told} == {"Whisper tiny.en"}
    assert "writing model.safetensors" in {it.file for it in told}


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CACHE, str(tmp_path))
    monkeypatch.setattr(rxv.mlx, "convert", full)
    with pytest.raises(ConfigError, match=r"could not be converted .*No space left.*HF_HOME names"):
        offline.stt(backend="mlx").load()


def test_another_process_may_be_faster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    convert = rxv.mlx.convert

    def late(source: Path, target: Path, *, progress: Callable[[str], None]) -> str:
        convert(source, target)
        return convert(source, target, progress=progress)

    monkeypatch.setattr(CACHE, str(tmp_path))
    monkeypatch.setattr(rxv.mlx, "convert", late)
    made = _mlx_whisper.converted(lambda _: None)
    assert (made / "model.safetensors").is_file()


def test_a_decode_that_raises_fails_the_turn(
    ears: offline.WhisperStt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(ears._backend._whisper, "decode", broken)  # type: ignore[union-attr]
    session = ears.session()
    session.feed(turns()[2])
    session.close()
    with pytest.raises(RuntimeError, match="broken"):
        session.step()
    assert session.done


@pytest.mark.parametrize("audio", [np.zeros(512, np.int16), [0.0]], ids=repr)
def test_other_audio_is_refused(ears: offline.WhisperStt, audio: np.ndarray) -> None:
    with pytest.raises(AudioFormatError):
        ears.transcribe_turn(audio)


@pytest.mark.parametrize(
    ("system", "machine", "backend"),
    [
        ("darwin", "arm64", "mlx"),
        ("darwin", "x86_64", "faster-whisper"),
        ("linux", "aarch64", "faster-whisper"),
    ],
)
def test_the_machine_chooses(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, backend: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert default_backend() == backend


def test_apple_silicon_needs_no_faster_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["rxvoice.offline.stt"]
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setattr(module, "default_backend", lambda: "mlx")
    assert offline.stt().backend == "mlx"
    with pytest.raises(MissingDependency, match="faster-whisper"):
        offline.stt(backend="faster-whisper")


def test_an_unknown_backend() -> None:
    with pytest.raises(ConfigError, match=r'must be one of "faster-whisper", "mlx", or None, got'):
        offline.stt(backend="torch")  # type: ignore[arg-type]
