"""microWakeWord on synthetic words and human prompts. An hour: python -m benchmarks wakeword."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from shutil import which

import numpy as np
import pytest
import reactivex as rx
from thorough import THOROUGH

import rxvoice as rxv
from benchmarks._wake_speech import FLITE, RATE, SPOKEN, in_a_room, prompts, say, spots
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.events import WakeWord

needs_models = pytest.mark.skipif(
    find_spec("pymicro_wakeword") is None, reason="pip install 'rxvoice[wakeword]'"
)
needs_flite = pytest.mark.skipif(which("flite") is None, reason="apt-get install flite")


@pytest.mark.models
@needs_models
@needs_flite
@pytest.mark.parametrize("word", SPOKEN)
def test_most_voices_wake_it(word: str) -> None:
    detector = offline.wake_word(word)
    spoken = [say(f"{SPOKEN[word]}.", *voice) for voice in FLITE]
    told = [spots(detector, in_a_room(it)) for it in spoken if it is not None]
    assert len(told) == 12
    assert told.count(0) <= 5  # okay_nabu 1, hey_mycroft 5
    assert max(told) == 1


@cache
def human() -> list[rxv.Samples]:
    return list(islice(prompts(), 100))


@pytest.mark.models
@needs_models
@pytest.mark.parametrize("word", SPOKEN)
def test_human_prompts_do_not(word: str) -> None:
    found = human()
    if not found:
        pytest.skip("apt-get install asterisk-core-sounds-en-g722, and pip install G722")
    own = found if THOROUGH else found[[*SPOKEN].index(word) :: len(SPOKEN)]
    assert spots(offline.wake_word(word), np.concatenate(own)) == 0


@pytest.mark.models
@needs_models
@needs_flite
def test_the_question_right_behind_the_word_is_whole_and_the_word_alone_is_no_turn() -> None:
    """The word by one voice; a second one asks at once."""
    word, question = say("Alexa", "rms"), say("What time is it?", "slt")
    assert word is not None
    assert question is not None
    word, question = (it[np.flatnonzero(np.abs(it) > 0.01)[0] :] for it in (word, question))
    word = word[: np.flatnonzero(np.abs(word) > 0.01)[-1]]
    quiet = np.random.default_rng(1).normal(0, 1e-4, 5 * RATE).astype(np.float32)
    sound = np.concatenate([quiet[:RATE], word, quiet, quiet, word, question, quiet])
    seen: list[object] = []
    rx.of(sound).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.wake_word(offline.wake_word("alexa")),
        vox.preroll(600),
        vox.turn_window(rxv.silence(800)),
    ).subscribe(seen.append)
    first, second, turn = seen  # the word, the word again, and a turn
    assert isinstance(first, WakeWord)
    assert isinstance(second, WakeWord)
    assert isinstance(turn, rxv.Turn)
    assert second.score is not None
    assert second.score > 0.9
    begins = RATE + 2 * len(word) + 2 * len(quiet)  # of the question
    assert begins - RATE * 0.3 < turn.start <= begins
    assert turn.start + len(turn.audio) > begins + len(question)


@needs_models
def test_it_is_fresh_for_each_subscription() -> None:
    detector = offline.wake_word("hey_jarvis", threshold=0.5)
    own = detector.fresh()
    assert own is not detector
    assert (own.word, own.threshold, own.sample_rate) == ("hey_jarvis", 0.5, 16_000)
    assert own.spot(np.zeros(777, np.float32)) is None
    assert 0 <= own.score <= 1
    assert offline.wake_word("hey_jarvis").threshold == 0.97


@needs_models
def test_another_model_by_its_file() -> None:
    spec = find_spec("pymicro_wakeword")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "models" / "alexa.json"
    assert offline.wake_word(file).word == "alexa"


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        offline.wake_word("computer")
    assert str(raised.value) == (
        "wake_word must be one of okay_nabu, hey_jarvis, hey_mycroft, alexa, or the .json file of "
        "a microWakeWord model, got 'computer'"
    )
    with pytest.raises(ConfigError, match=r"wake_word threshold must be from 0.0 to 1.0 \(score"):
        offline.wake_word(threshold=2)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymicro_wakeword", None)
    with pytest.raises(MissingDependency) as raised:
        offline.wake_word()
    assert str(raised.value) == (
        "offline.wake_word() needs the package pymicro-wakeword: pip install 'rxvoice[wakeword]'"
    )
