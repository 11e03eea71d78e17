import numpy as np
import pytest

from rxvoice import offline
from rxvoice.offline._speech_end import SpeechEnd, spans

RATE = 16_000


class Loud:
    """In the place of Silero: speech is what is loud."""

    chunk_size = 512

    def probability(self, samples: np.ndarray) -> float:
        assert len(samples) == self.chunk_size
        return float(np.abs(samples).max() > 0.1)


def signal(*parts: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(n, level, np.float32) for n, level in parts])


def followed(audio: np.ndarray, pieces: int = 1) -> SpeechEnd:
    speech = SpeechEnd(Loud())  # pyright: ignore[reportArgumentType]
    for part in np.array_split(audio, pieces):
        speech.feed(part)
    return speech


def test_the_speech_ends_a_little_behind_the_last_loud_chunk():
    speech = followed(signal((1_024, 0), (2_048, 0.5), (8_000, 0)))
    assert (speech.begin, speech.end, speech.total) == (0, 3_072 + 3_200, 11_072)
    assert speech.heard_speech
    assert speech.is_quiet


def test_while_there_is_speech_it_has_not_ended():
    speech = followed(signal((2_048, 0.5), (1_000, 0)))
    assert not speech.is_quiet
    assert speech.end == speech.total == 3_048


def test_without_speech_it_is_all_of_it():
    speech = followed(np.zeros(5_000, np.float32))
    assert (speech.begin, speech.end, speech.heard_speech) == (0, 5_000, False)
    assert not speech.is_quiet


@pytest.mark.parametrize("pieces", [2, 7, 100])
def test_how_it_is_fed_does_not_matter(pieces: int):
    audio = signal((1_500, 0), (2_500, 0.5), (900, 0), (700, 0.4), (9_000, 0))
    one, many = followed(audio), followed(audio, pieces)
    assert (one.begin, one.end, one.total) == (many.begin, many.end, many.total)


@pytest.mark.models
def test_noise_is_not_speech():
    speech = SpeechEnd(offline.silero())
    speech.feed(np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32) * 0.05)
    assert not speech.heard_speech


def test_a_pause_divides_it():
    speech = followed(signal((2_048, 0.5), (9_216, 0), (2_048, 0.5), (9_728, 0), (2_048, 0.5)))
    assert speech.pauses == [13_312 + 3_200], "the first one is too short"
    assert speech.begin == 0


def test_the_spans_are_those_between_pauses():
    assert spans(np.ones(5_000, np.float32), [1_000, 3_000]) == [
        (0, 1_000),
        (1_000, 3_000),
        (3_000, 5_000),
    ]
    assert spans(np.ones(2_000, np.float32), [1_000, 3_000]) == [(0, 1_000), (1_000, 2_000)]


def test_a_short_recording_is_one_span():
    assert spans(np.ones(1_000, np.float32), []) == [(0, 1_000)]
    assert spans(np.zeros(0, np.float32), []) == [(0, 0)]


def test_a_long_one_is_cut_where_it_is_quiet():
    audio = signal((15 * RATE, 0.5), (RATE, 0), (19 * RATE, 0.5), (RATE, 0), (10 * RATE, 0.5))
    (_, first), (start, second), last = spans(audio, [])
    assert first == start
    assert 15 * RATE <= first <= 16 * RATE
    assert second == last[0]
    assert 35 * RATE <= second <= 36 * RATE
    assert last[1] == len(audio)


def test_more_audio_changes_only_the_last_span():
    audio = np.random.default_rng(0).standard_normal(90 * RATE).astype(np.float32)
    short, long = spans(audio[: 50 * RATE], [RATE]), spans(audio, [RATE])
    assert long[: len(short) - 1] == short[:-1]
    assert all(end - start <= 20 * RATE for start, end in long)
