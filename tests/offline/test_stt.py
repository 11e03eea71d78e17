import gc
import json
import os
import select
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import reactivex as rx
import soundfile as sf
import soxr

import rxvoice
import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, ConfigError, MissingDependency, RxvoiceError
from rxvoice.offline import _sphinx

pytestmark = pytest.mark.models

DATA = Path(rxvoice.__file__).parent / "data"
TEXTS = [
    "Hello, who are you?",
    "What can you talk about?",
    "How far away is the moon?",
    "Thank you, goodbye.",
]
HEARD = [
    "hello who are you",
    "what can you talk about",
    "how far away is the moon",
    "thank you goodbye",
]
NOTHING = np.zeros(0, np.float32)


def turns() -> list[np.ndarray]:
    audio, _ = sf.read(DATA / "demo.wav", dtype="float32")
    truth = json.loads((DATA / "demo.json").read_text())["turns"]
    assert [turn["text"] for turn in truth] == TEXTS
    return [
        audio[int(turn["start_s"] * 16_000) - 4_000 : int(turn["end_s"] * 16_000) + 12_800]
        for turn in truth
    ]


@pytest.fixture(scope="module")
def recogniser() -> Iterator[offline.SphinxStt]:
    with offline.stt(phrases=[*TEXTS, "Good morning.", "What's the weather like?"]) as made:
        yield made


@pytest.fixture(scope="module")
def anything() -> Iterator[offline.SphinxStt]:
    with offline.stt() as made:
        yield made


def pid(recogniser: offline.SphinxStt) -> int:
    return recogniser._process._popen.pid


def gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_every_turn_of_the_demo(recogniser: offline.SphinxStt):
    assert [recogniser.transcribe_turn(turn) for turn in turns()] == HEARD
    assert recogniser.sample_rate == 16_000


def test_open_vocabulary(anything: offline.SphinxStt):
    assert anything.transcribe_turn(turns()[1]) == HEARD[1]


def test_an_utterance_is_heard_as_if_it_were_the_first(anything: offline.SphinxStt):
    faint = turns()[2] * 0.05  # so hard to hear that the least difference changes the text
    before = anything.transcribe_turn(faint)
    dropped = anything.session()
    dropped.feed(np.tanh(turns()[3] * 20)[4_000:20_000])  # very loud
    del dropped
    gc.collect()
    assert anything.transcribe_turn(faint) == before
    anything.transcribe_turn(np.tanh(turns()[3] * 20)[4_000:20_000])
    assert anything.transcribe_turn(faint) == before


def test_a_grammar():
    text = "#JSGF V1.0;\ngrammar g;\npublic <g> = (how far away | where) is the (moon | sun);"
    with offline.stt(grammar=text) as narrow:
        assert narrow.transcribe_turn(turns()[2]) == HEARD[2]


def test_a_grammar_from_a_file(tmp_path: Path):
    path = tmp_path / "g.gram"
    path.write_text("\ufeff#JSGF V1.0;\ngrammar g;\npublic <g> = thank you [goodbye];")
    with offline.stt(grammar=path) as narrow:
        assert narrow.transcribe_turn(turns()[3]) == HEARD[3]


FOREIGN = [
    "What is the capital of Germany?",
    "Who wrote Romeo and Juliet?",
    "Remind me to call my mother tomorrow.",
    "I would like to order a pizza.",
    "Which film should I watch tonight?",
    "Translate this sentence into French.",
    "My computer does not start any more.",
    "Where can I buy a new telephone?",
]


def said(text: str) -> np.ndarray:
    """As a turn, in a voice that none of this was measured with."""
    talker = offline.tts("en-us+klatt4")
    sound = soxr.resample(
        np.concatenate([*talker.synthesize_stream(text)]), talker.sample_rate, 16_000
    )
    room = np.random.default_rng(1).standard_normal(len(sound) + 16_000) * 1e-3
    room[4_000 : 4_000 + len(sound)] += sound
    return room.astype(np.float32)


def test_speech_that_is_none_of_its_sentences_is_refused():
    known = offline.demo_phrases()[::3]
    with offline.stt(phrases=offline.phrases()) as recogniser:
        refused = sum(recogniser.transcribe_turn(said(text)) == "" for text in FOREIGN)
        heard = sum(recogniser.transcribe_turn(said(text)) != "" for text in known)
    assert refused >= 6
    assert heard >= len(known) - 1


def test_it_may_hear_one_of_its_sentences_in_any_speech():
    with offline.stt(phrases=offline.phrases(), reject=False) as recogniser:
        heard = [recogniser.transcribe_turn(said(text)) for text in FOREIGN]
    assert sum(text != "" for text in heard) >= 4


def test_a_session_refuses_as_a_whole_turn_does(recogniser: offline.SphinxStt):
    audio = said(FOREIGN[2])
    session = recogniser.session()
    for part in np.array_split(audio, 20):
        session.feed(part)
    session.close()
    assert session.step() == recogniser.transcribe_turn(audio) == ""
    assert recogniser.transcribe_turn(turns()[0]) == HEARD[0]


def test_no_speech_gives_no_text(recogniser: offline.SphinxStt, anything: offline.SphinxStt):
    room, _ = sf.read(DATA / "demo.wav", dtype="float32", frames=10_000)
    for audio in (NOTHING, np.zeros(32_000, np.float32), np.zeros(1, np.float32), room):
        assert recogniser.transcribe_turn(audio) == ""
        assert anything.transcribe_turn(audio) == ""


def test_noise_does_not_break_it(recogniser: offline.SphinxStt):
    noise = np.random.default_rng(3).standard_normal(32_000).astype(np.float32) * 0.2
    assert recogniser.transcribe_turn(noise) in ("", *HEARD, "good morning")
    assert recogniser.transcribe_turn(turns()[0]) == HEARD[0]


def known(step: object) -> rxv.Recognised:
    assert isinstance(step, rxv.Recognised)
    return step


def test_the_words_have_their_times(recogniser: offline.SphinxStt):
    (said,) = collect(recogniser, turns()[2])
    assert said.language == "en"
    assert [word for word, *_ in said.words] == HEARD[2].split()
    assert all(start < end for _, start, end, *_ in said.words)
    times = [time for _, *both in said.words for time in both]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(turns()[2]) / 16_000


def collect(stt: offline.SphinxStt, audio: np.ndarray) -> list[rxv.Transcript]:
    seen: list[rxv.Transcript] = []
    rx.of(rxv.Turn.of(audio)).pipe(vox.transcribe(stt)).subscribe(seen.append)
    return [it for it in seen if it.final]


def test_a_session_gives_the_text_of_the_whole_turn(recogniser: offline.SphinxStt):
    session = recogniser.session()
    for part in np.array_split(turns()[2], 70):
        session.feed(part)
        assert not session.done
        partial = session.step()
        assert partial is None or isinstance(partial, str)
    session.close()
    assert not session.done
    assert session.step() == recogniser.recognise_turn(turns()[2])
    assert session.done
    assert session.step() is None


def test_text_comes_while_the_user_speaks(recogniser: offline.SphinxStt):
    session = recogniser.session()
    session.feed(turns()[0])
    partials: list[str] = []
    while not partials:
        partials += filter(None, [session.step()])
    assert partials[0].split()[0] == "hello"
    assert session.step() is None  # no change, no news
    session.close()
    assert known(session.step()).text == HEARD[0]


def test_a_session_without_audio(recogniser: offline.SphinxStt):
    session = recogniser.session()
    assert session.step() is None
    session.close()
    session.close()
    assert session.step() == ""
    assert session.done


def test_two_sessions_at_once(recogniser: offline.SphinxStt):
    sessions = recogniser.session(), recogniser.session()
    for parts in zip(*(np.array_split(turn, 20) for turn in turns()[:2]), strict=True):
        for session, part in zip(sessions, parts, strict=True):
            session.feed(part)
    for session in sessions:
        session.close()
    said = [known(session.step()).text for session in reversed(sessions)]
    assert said == [HEARD[1], HEARD[0]]


def test_a_forgotten_session_is_let_go(recogniser: offline.SphinxStt):
    session = recogniser.session()
    number = session._number
    session.feed(turns()[1])
    assert number in recogniser._process._news
    del session
    gc.collect()
    assert recogniser.transcribe_turn(turns()[0]) == HEARD[0]
    assert number not in recogniser._process._news


def test_a_very_long_turn_is_fed_without_waiting_for_its_text(recogniser: offline.SphinxStt):
    long = np.resize(turns()[0], 30 * 16_000)  # 15 pipes full
    session = recogniser.session()
    session.feed(long)
    session.close()
    assert isinstance(session.step(), str | rxv.Recognised)


def test_a_process_that_dies_fails_its_turn_only():
    with offline.stt(phrases=TEXTS) as recogniser:
        session = recogniser.session()
        session.feed(turns()[0])
        dead = pid(recogniser)
        os.kill(dead, 9)
        session._process._popen.wait()
        with pytest.raises(RxvoiceError, match=r"process ended \(exit code -9\)"):
            session.feed(turns()[0])
        assert recogniser.transcribe_turn(turns()[0]) == HEARD[0]
        assert pid(recogniser) != dead


def test_waiting_for_a_process_that_dies_ends():
    with offline.stt() as recogniser:
        session = recogniser.session()
        session.feed(np.resize(turns()[0], 20 * 16_000))  # seconds of decoding
        session.close()
        os.kill(pid(recogniser), 9)
        with pytest.raises(RxvoiceError, match=r"process ended \(exit code -9\)"):
            session.step()
        assert session.done


def test_stop_ends_the_process_and_says_so():
    recogniser = offline.stt(phrases=TEXTS)
    number = pid(recogniser)
    session = recogniser.session()
    recogniser.stop()
    recogniser.stop()
    assert gone(number)
    with pytest.raises(RxvoiceError, match="was stopped"):
        session.feed(turns()[0])
    with pytest.raises(RxvoiceError, match=r"was stopped: make another"):
        recogniser.session()


def test_it_ends_when_nobody_has_it():
    recogniser = offline.stt(phrases=TEXTS)
    number = pid(recogniser)
    session = recogniser.session()
    del recogniser
    gc.collect()
    assert not gone(number)  # a session still needs it
    session.feed(turns()[0])
    session.close()
    assert known(session.step()).text == HEARD[0]
    del session
    gc.collect()
    assert gone(number)


def in_another_interpreter(last_line: str) -> "subprocess.Popen[bytes]":
    program = f"""
from rxvoice import offline
recogniser = offline.stt(phrases=["hello"])
session = recogniser.session()
print(recogniser._process._popen.pid, flush=True)
{last_line}
"""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.fspath(Path(rxvoice.__file__).parents[1])},
    )


def test_it_ends_with_the_interpreter():
    parent = in_another_interpreter("")
    out, complaints = parent.communicate()
    assert (parent.returncode, complaints) == (0, b"")
    assert gone(int(out))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a grandchild: Linux only")
def test_it_ends_when_its_parent_is_killed():
    parent = in_another_interpreter("input()")
    assert parent.stdout is not None
    ended = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert select.select([ended], [], [], 60)[0] == [ended]
    os.close(ended)


def test_its_process_ends_with_its_stdin_though_it_is_decoding():
    process = subprocess.Popen(
        [sys.executable, "-P", _sphinx.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    setup = json.dumps({"phrases": ["hello"], "grammar": None, "reject": False}).encode()
    _sphinx.write(process.stdin, _sphinx.SETUP, payload=setup)
    assert _sphinx.read(process.stdout) == (_sphinx.READY, 0, b"")
    _sphinx.write(process.stdin, _sphinx.FEED, 1, bytes(2 * 600 * 16_000))
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phrases": ["Hello xyzzyq!", "384 frobnicates"]}, "have: xyzzyq, 384, frobnicates"),
        ({"phrases": []}, "at least one sentence, got none"),
        ({"phrases": ["..."]}, r"words in them, got '\.\.\.'"),
        ({"phrases": "hello"}, "list of sentences, got the text 'hello'"),
        ({"phrases": ["hello"], "grammar": "#JSGF"}, "got both"),
        ({"grammar": "no/such/file"}, "got 'no/such/file'"),
        ({"grammar": "#JSGF V1.0;\ngrammar g;\npublic <g> = hello |;"}, "syntax error"),
        ({"grammar": "#JSGF V1.0;\ngrammar g;\npublic <g> = xyzzyq;"}, "'xyzzyq' is missing"),
    ],
)
def test_what_cannot_be_listened_for(options: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        offline.stt(**options)


@pytest.mark.parametrize(
    "audio", [np.zeros(512, np.int16), np.zeros((512, 2), np.float32), [0.0]], ids=repr
)
def test_other_audio_is_refused(recogniser: offline.SphinxStt, audio: np.ndarray):
    with pytest.raises(AudioFormatError):
        recogniser.transcribe_turn(audio)


def test_no_audio_after_the_close(recogniser: offline.SphinxStt):
    session = recogniser.session()
    session.close()
    with pytest.raises(RxvoiceError, match="closed"):
        session.feed(NOTHING)


def test_a_missing_wheel(monkeypatch: pytest.MonkeyPatch):
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(sys.modules["rxvoice.offline.stt"], "find_spec", nothing)
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[offline\]'"):
        offline.stt()


def test_the_words_of_a_phrase_are_whole_in_every_script() -> None:
    phrases = [unicodedata.normalize("NFD", "Naïve café!"), "नमस्ते दोस्त", "don’t"]
    wanted = ["naïve café", "नमस्ते दोस्त", "don't"]
    assert sys.modules["rxvoice.offline.stt"]._sentences(phrases) == wanted
