"""The parts of the talks with the peers: the user, the stub models and the names of the scenes."""

import time

import numpy as np
import pytest

from benchmarks.peers import _talk
from benchmarks.peers._row import Probe
from benchmarks.peers._talk_models import REPLIES, voiced, words_heard
from benchmarks.peers._talk_scenes import SCENES
from benchmarks.peers._talk_user import (
    BLOCK,
    OUT_RATE,
    UTTERANCES,
    Log,
    Loudspeaker,
    Recogniser,
    as_float,
    loud,
    mark_of,
    number_of,
    sound,
    speech,
)


@pytest.mark.parametrize("text", UTTERANCES)
def test_each_block_of_an_utterance_is_speech_and_has_no_mark(text: str) -> None:
    blocks = as_float(sound(text)).reshape(-1, BLOCK)
    assert len(blocks) == UTTERANCES[text].blocks
    assert all(loud(block) and mark_of(block) == 0 for block in blocks)


def test_a_block_without_speech_is_known_by_its_mark() -> None:
    block = np.zeros(BLOCK, np.int16)
    block[7] = 999
    assert not loud(as_float(block))
    assert mark_of(as_float(block)) == 999


@pytest.mark.parametrize("size", [100, BLOCK, 4_000])
def test_the_recogniser_hears_the_words_of_each_utterance(size: int) -> None:
    for text, utterance in UTTERANCES.items():
        samples = np.concatenate([np.zeros(1_000, np.float32), as_float(sound(text))])
        recogniser = Recogniser()
        heard = [recogniser.feed(samples[at : at + size]) for at in range(0, len(samples), size)]
        assert "".join(heard) == utterance.text
        if utterance.words and size < 4_000:
            assert sum(map(bool, heard)) == len(utterance.words)  # each while it is spoken


def test_a_word_is_heard_once_its_sound_is_over_and_has_begun_before() -> None:
    first, second = "Well, yes.", "No."
    ends = voiced(first, 0).ends
    at = {samples: words_heard([first, second], samples) for samples in (0, 1, *ends, ends[-1] + 1)}
    assert at == {0: (0, 0), 1: (0, 1), ends[0]: (1, 1), ends[1]: (2, 2), ends[1] + 1: (2, 3)}


def test_the_sound_of_a_reply_says_which_reply_it_is() -> None:
    for number in (0, 7, 20):
        faded = np.int16(speech(0.01, number) * np.linspace(0, 1, 240))
        assert number_of(speech(0.01, number)) == number_of(faded) == number


def test_every_scene_of_the_rows_exists_and_each_text_has_a_reply() -> None:
    named = {
        arg.partition(":")[0]
        for row in _talk.ROWS
        for by in row.by.values()
        if isinstance(by, Probe)
        for arg in by.args
    }
    assert named == {*SCENES}
    assert {*REPLIES} == {it.text for it in UTTERANCES.values() if it.words}


def test_the_loudspeaker_is_silent_when_its_last_sample_is_over() -> None:
    """A block that is taken is heard from then on, to the end of what is not zero in it."""
    loudspeaker = Loudspeaker(lambda frames: np.zeros(frames, np.int16), Log())
    block = np.zeros(OUT_RATE, np.int16)
    block[: OUT_RATE // 2] = speech(0.5, 3)[: OUT_RATE // 2]
    before = time.perf_counter()
    loudspeaker.take(block)
    after = time.perf_counter()
    assert before + 0.499 < loudspeaker.silent_at <= after + 0.5
