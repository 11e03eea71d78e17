import gc
import sys
import threading
from itertools import islice

import numpy as np
import pytest

from rxvoice import offline
from rxvoice._espeak import library
from rxvoice._text.parts import parts as parts_of
from rxvoice._text.words import up_to_grapheme
from rxvoice.errors import ConfigError, MissingDependency

pytestmark = pytest.mark.models

SENTENCE = "The moon is about three hundred and eighty four thousand kilometers away. "


def espeak(voice: str = "en-us", **options: int) -> offline.EspeakTts:
    made = offline.tts(f"espeak:{voice}", **options)
    assert isinstance(made, offline.EspeakTts)
    return made


def spoken(text: str, voice: str = "en-us", **options: int) -> np.ndarray:
    return np.concatenate(list(espeak(voice, **options).synthesize_stream(text)))


def test_it_speaks():
    synthesizer = espeak()
    assert synthesizer.sample_rate == 22_050
    pieces = list(synthesizer.synthesize_stream("Hello there."))
    assert {piece.dtype for piece in pieces} == {np.dtype(np.float32)}
    assert {piece.ndim for piece in pieces} == {1}
    assert max(map(len, pieces)) <= 0.061 * 22_050
    audio = np.concatenate(pieces)
    assert 0.5 < len(audio) / 22_050 < 1.5
    assert 0.1 < np.abs(audio).max() <= 1


def test_what_it_speaks_is_speech():
    # At three quarters of the rate, by interpolation: enough for a voice activity detector.
    audio = spoken(SENTENCE)
    at = np.arange(int(len(audio) * 16_000 / 22_050)) * 22_050 / 16_000
    audio = np.interp(at, np.arange(len(audio)), audio).astype(np.float32)
    detector = offline.silero()
    chunks = [audio[i : i + 512] for i in range(0, len(audio) - 511, 512)]
    assert np.mean([detector.probability(chunk) > 0.5 for chunk in chunks]) > 0.5


@pytest.mark.parametrize("voice", ["en-us", "de", "en-us+f3", "en-us+whisper"])
def test_the_same_text_gives_the_same_samples_whatever_came_before(voice: str):
    first = spoken("She sells sea shells.", voice)
    spoken("Something else, and longer.")
    assert np.array_equal(spoken("She sells sea shells.", voice), first)


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_nothing_to_say(text: str):
    assert list(espeak().synthesize_stream(text)) == []


def test_a_sentence_ends_with_a_pause():
    assert np.abs(spoken("Hello there.")[-4_000:]).max() < 0.01


def test_rate_pitch_and_voice_are_heard():
    plain = spoken(SENTENCE)
    assert len(spoken(SENTENCE, rate_wpm=350)) < 0.7 * len(plain)
    fast = np.concatenate(list(espeak("en-us").at_speed(2).synthesize_stream(SENTENCE)))
    assert np.array_equal(fast, spoken(SENTENCE, rate_wpm=350))
    for other in (spoken(SENTENCE, pitch=90), spoken(SENTENCE, "de"), spoken(SENTENCE, "en-us+f3")):
        assert not np.array_equal(other, plain)
    assert np.array_equal(spoken(SENTENCE), plain)


def test_a_long_text_is_spoken_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    module = sys.modules["rxvoice.offline._espeak"]
    synthesizer = espeak()
    asked: list[str] = []
    speak = module.EspeakTts._speak

    def watched(self: offline.EspeakTts, text: str) -> list[np.ndarray]:
        asked.append(text)
        return speak(self, text)

    monkeypatch.setattr(module.EspeakTts, "_speak", watched)
    stream = synthesizer.synthesize_stream(SENTENCE * 100)
    next(stream)
    assert asked == [(SENTENCE * 3).strip()]
    stream.close()
    assert len(asked) == 1
    assert list(stream) == []


@pytest.mark.parametrize(
    "text", [SENTENCE * 8, SENTENCE[:-2] * 8, "away, " * 90, "moon " * 100, "月" * 500]
)
def test_no_part_of_a_long_text_is_lost(text: str):
    parts = list(parts_of(text))
    assert len(parts) > 1
    assert max(map(len, parts)) <= 240
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text", ["สวัสดีครับ" * 60, "e\u0301" * 300, "မင်္ဂလာပါ" * 60, "👨‍👩‍👧" * 100, "को" * 200]
)
def test_no_part_of_a_long_text_ends_within_a_character(text: str):
    cut = 0
    parts = list(parts_of(text))
    for part in parts:
        cut += len(part)
        assert cut == up_to_grapheme(text, cut)
    assert len(parts) > 1
    assert "".join(parts) == text


def test_a_long_text_is_heard_to_its_end():
    whole = len(spoken(SENTENCE * 8))
    assert whole == pytest.approx(8 * len(spoken(SENTENCE)), rel=0.05)


def test_an_interrupted_one_leaves_nothing_behind():
    synthesizer = espeak()
    expected = list(synthesizer.synthesize_stream("Hello there."))
    before = threading.active_count()
    half = synthesizer.synthesize_stream(SENTENCE * 5)
    list(islice(half, 3))
    # One that is still open does not keep the next from speaking, on the same thread.
    other = list(synthesizer.synthesize_stream("Hello there."))
    half.close()
    gc.collect()
    assert threading.active_count() <= before  # one of an earlier test may have ended
    assert all(map(np.array_equal, other, expected))
    assert len(other) == len(expected)


def test_threads_do_not_disturb_each_other():
    texts = [f"This is number {number}." for number in ("one", "two", "three", "four")]
    expected = [spoken(text) for text in texts]
    found: dict[int, np.ndarray] = {}

    def speak(i: int) -> None:
        found[i] = spoken(texts[i])

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[i], expected[i]) for i in range(4))


def test_every_voice_can_be_chosen():
    names = offline.voices()
    assert list(names) == sorted(set(names))
    assert {"en-us", "de", "fr", "en"} <= set(names)


@pytest.mark.parametrize(
    ("voice", "options", "message"),
    [
        ("en-nowhere", {}, "such as de, en-us, fr, en, .*got 'en-nowhere'"),
        ("", {}, "such as .*en-us"),
        ("en-us+nobody", {}, "one of .*f3.*got 'nobody'"),
        ("en-us", {"rate_wpm": 79}, "at least 80 words a minute, got 79"),
        ("en-us", {"rate_wpm": 451}, "from 80 to 450"),
        ("en-us", {"rate_wpm": 175.5}, "whole number"),
        ("en-us", {"pitch": 101}, "from 0 to 100"),
    ],
)
def test_what_it_cannot_do(voice: str, options: dict[str, int], message: str):
    with pytest.raises(ConfigError, match=message):
        espeak(voice, **options)


def test_a_missing_wheel(monkeypatch: pytest.MonkeyPatch):
    for cached in (library.espeak_voices, library.espeak_data, library._copy):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[offline\]'"):
        espeak()


@pytest.mark.parametrize(
    "text", ["Hello there, world. How are you?", "Déjà vu — naïve, 3.5% of it's!", "One two. " * 60]
)
def test_where_words_end(text: str):
    tts = espeak()
    pieces = list(tts.synthesize_timed(text))
    sound = np.concatenate(list(tts.synthesize_stream(text)))
    np.testing.assert_array_equal(np.concatenate([it.samples for it in pieces]), sound)

    starts = np.cumsum([0, *(len(it.samples) for it in pieces)])
    ends = [
        (end, start + at)
        for start, piece in zip(starts, pieces, strict=False)
        for end, at in piece.words
    ]
    assert ends == sorted(ends)
    assert ends[-1][1] == len(sound)
    words = [word for word in text.split() if any(map(str.isalnum, word))]
    assert [text[:end].split()[-1] for end, _ in ends] == words
