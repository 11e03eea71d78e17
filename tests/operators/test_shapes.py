"""Whatever a model answers: the right value, or a failure that says what came; then the next turn.

Slot by shape, in place and on a worker.
"""

from __future__ import annotations

import gc
import warnings
from array import array
from collections import UserString
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice._answers.shapes import named, sound
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, TimedSamples, Transcript
from rxvoice.errors import AudioFormatError
from rxvoice.events import Notice, TurnFailed
from rxvoice.policies import any_of, silence
from rxvoice.testing.fakes import FakeVad
from rxvoice.turn import Turn

Make = Callable[[], Any]


def turn(id: int) -> Turn:
    return Turn.of(np.zeros(4, np.float32), id=id)


@dataclass
class Result:
    """As mlx-audio's and mlx-lm's: not a text, but one with a text."""

    text: Any
    tokens: int = 3


@dataclass
class Spoken:
    """As mlx-audio's synthesizers'."""

    audio: Any
    sample_rate: int = 24_000


class Iterated(Spoken):
    def __iter__(self) -> Iterator[str]:
        return iter(("audio", "sample_rate"))


class Named(str):
    def __str__(self) -> str:
        return "another"


class Tensor:
    """An array of a library that numpy cannot read: on a device, say, or of a dtype of its own."""

    def __init__(self, values: list[float], dtype: str = "torch.bfloat16") -> None:
        self.values = values
        self.shape = (len(values),)
        self.dtype = dtype

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert a tensor to numpy")

    def tolist(self) -> list[float]:
        return self.values


def generator(*pieces: Any) -> Iterator[Any]:
    yield from pieces


async def coroutine(answer: Any) -> Any:
    return answer


async def async_generator(*pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


class Run(Pushed):
    """Two elements through an operator, whose model answers the first with the shape."""

    def __init__(self, slot: str, make: Make, good: Any, where: str) -> None:
        type(self).operator = staticmethod(getattr(vox, slot))
        makers = [make, lambda: good]
        scheduler = TestScheduler() if where == "worker" else None
        options: Any = {"worker": scheduler} if scheduler else {}
        super().__init__(lambda _: makers.pop(0)(), scheduler=scheduler, **options)
        self.push(*given(slot, 1), *given(slot, 2), end=True)
        if scheduler:
            scheduler.start()
        assert self.end == ["completed"]

    def of(self, id: int) -> list[Any]:
        return [it for it in self.seen if it.turn.id == id]


def given(slot: str, id: int) -> list[Any]:
    if slot == "transcribe":
        return [turn(id)]
    transcript = Transcript(turn(id), "hello")
    if slot == "respond":
        return [transcript]
    return [Reply(transcript, "One."), Reply(transcript, text="One.", final=True)]


WHERE = ["here", "worker"]

SEGMENTS = [{"id": 0, "text": " hello"}]

# Text

TEXT: dict[str, tuple[Make, str]] = {
    "str": (lambda: "hello you", "hello you"),
    "empty": (lambda: "", ""),
    "numpy's": (lambda: np.str_("hello"), "hello"),
    "a subclass": (lambda: Named("hello"), "hello"),
    "what whisper gives": (lambda: {"text": "hello", "segments": SEGMENTS}, "hello"),
    "a result": (lambda: Result("hello"), "hello"),
    "results": (lambda: generator(Result("hel"), Result("lo")), "hello"),
    "mappings": (lambda: [{"text": "hel"}, {"text": "lo"}], "hello"),
    "a list": (lambda: ["hel", "lo"], "hello"),
    "a tuple": (lambda: ("hel", "lo"), "hello"),
    "nothing in a list": (list, ""),
    "nothing in a generator": (generator, ""),
    "a generator": (lambda: generator("hel", "", "lo"), "hello"),
    "a coroutine": (lambda: coroutine("hello"), "hello"),
    "a coroutine of a mapping": (lambda: coroutine({"text": "hello"}), "hello"),
    "a coroutine of a list": (lambda: coroutine(["hel", "lo"]), "hello"),
    "a coroutine of an async generator": (lambda: coroutine(async_generator("a", "b")), "ab"),
    "an async generator": (lambda: async_generator("hel", {"text": "lo"}), "hello"),
    "an observable": (lambda: rx.of("hel", Result("lo")), "hello"),
    "an emoji in halves": (lambda: ["hi \ud83d", "\ude00!"], "hi 😀!"),
    "an emoji in halves in one": (lambda: "hi \ud83d\ude00!", "hi 😀!"),
    "an emoji in halves far apart": (lambda: ["\ud83d", "", "\ude00"], "😀"),
    "first halves": (lambda: ["a\ud83d", "b", "\ud83d"], "a\ufffdb\ufffd"),
    "second halves": (lambda: ["\ude00a", "\ude00"], "\ufffda\ufffd"),
    "with notices": (lambda: ["hel", Notice("slow"), "lo"], "hello"),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("slot", ["transcribe", "respond"])
@pytest.mark.parametrize(("make", "wanted"), TEXT.values(), ids=TEXT)
def test_what_is_text(slot: str, make: Make, wanted: str, where: str) -> None:
    run = Run(slot, make, "yes", where)
    last = run.of(1)[-1]
    assert (last.final, last.text, type(last.text)) == (True, wanted, str)
    if slot == "respond":
        deltas = [it.delta for it in run.of(1) if isinstance(it, Reply)]
        assert "".join(deltas) == wanted
        assert all(deltas[:-1])
        assert all(type(delta) is str for delta in deltas)
    assert run.of(2)[-1].text == "yes"


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("answer", [" hello you\n", [" hel", "lo you\n"], {"text": " hello you "}])
def test_a_transcript_has_no_white_space_around_it(answer: Any, where: str) -> None:
    assert Run("transcribe", lambda: answer, "yes", where).of(1)[-1].text == "hello you"
    assert Run("respond", lambda: ["a ", " b "], "yes", where).of(1)[-1].text == "a  b "


BAD_TEXT: dict[str, tuple[Make, str]] = {
    "None": (lambda: None, "None"),
    "bytes": (lambda: b"hello", "b'hello' (bytes): decode it"),
    "a bytearray": (lambda: bytearray(b"hi"), "bytearray(b'hi') (bytearray): decode it"),
    "an int": (lambda: 5, "5 (int)"),
    "a bool": (lambda: True, "True (bool)"),
    "a float": (lambda: 0.5, "0.5 (float)"),
    "a mapping without text": (lambda: {"a": 1, "b": 2}, "{'a': 1, 'b': 2} (dict)"),
    "a mapping with a text that is none": (lambda: {"text": None}, "{'text': None} (dict)"),
    "an empty mapping": (dict, "{} (dict)"),
    "a set": (lambda: {"a"}, "{'a'} (set)"),
    "a frozenset": (lambda: frozenset("a"), "frozenset({'a'}) (frozenset)"),
    "a path": (lambda: Path("a/b"), f"{Path('a/b')!r} ({type(Path('a/b')).__name__})"),
    "an exception": (lambda: ValueError("no"), "ValueError('no') (ValueError): raise it instead"),
    "a class": (lambda: str, "the class str: call it"),
    "numbers": (lambda: np.zeros(3, np.float32), "a numpy.ndarray of float32, shape (3,)"),
    "texts of numpy": (lambda: np.array(["a", "b"]), "a numpy.ndarray of str32, shape (2,)"),
    "a UserString": (lambda: UserString("a"), "'a' (UserString)"),
    "a nested list": (lambda: [["a"], ["b"]], "['a'] (list)"),
    "a list of ints": (lambda: [1, 2], "1 (int)"),
    "a generator with None": (lambda: generator("a", None, "b"), "None"),
    "a generator with bytes": (lambda: generator(b"a"), "b'a' (bytes): decode it"),
    "a coroutine of None": (lambda: coroutine(None), "None"),
    "an observable of None": (lambda: rx.of("a", None, "b"), "None"),
    "an async generator with None": (lambda: async_generator("a", None), "None"),
    "a result without text": (lambda: Result(None), "Result(text=None, tokens=3) (Result)"),
    "something long": (lambda: {"a": "x" * 1000}, f"{{'a': '{'x' * 27}...{'x' * 28}'}} (dict)"),
    "something big": (lambda: [list(range(10**6))], "[0, 1, 2, ...] (list)"),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("slot", ["transcribe", "respond"])
@pytest.mark.parametrize(("make", "came"), BAD_TEXT.values(), ids=BAD_TEXT)
def test_what_is_no_text(slot: str, make: Make, came: str, where: str) -> None:
    run = Run(slot, make, "yes", where)
    failed = run.of(1)[-1]
    assert isinstance(failed, TurnFailed)
    wanted = f"{slot} (turn 1) failed: TypeError: wanted a str or pieces of str, got {came}"
    assert str(failed.error) == wanted
    assert not any(getattr(it, "final", False) for it in run.of(1))
    assert run.of(2)[-1].text == "yes"


def test_what_was_forgotten_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "coroutine was never awaited" among them
        run = Run("respond", lambda: [coroutine("a")], "yes", "here")
        gc.collect()
    assert str(run.of(1)[0].error).endswith(" (coroutine): await it")
    run = Run("respond", lambda: lambda: "a", "yes", "here")
    assert str(run.of(1)[0].error).endswith(" (function): call it")


def test_an_exception_as_a_value_is_the_cause() -> None:
    error = ValueError("no")
    failed = Run("respond", lambda: error, "yes", "here").of(1)[0]
    assert failed.error.cause.__cause__ is error


# A recogniser's session

NEWS: dict[str, tuple[Any, str]] = {
    "a list": (["hel", "lo"], "hello"),
    "a tuple": (("hel", "lo"), "hello"),
    "a str": ("hello", "hello"),
    "numpy's": (np.str_("hello"), "hello"),
    "a mapping": ({"text": "hello", "segments": SEGMENTS}, "hello"),
    "a result": (Result(" hello "), "hello"),
    "results": ([Result("hel"), Result("lo")], "hello"),
    "None": (None, ""),
    "notices": ([Notice("slow"), "hello"], "hello"),
}
BAD_NEWS: dict[str, tuple[Any, str]] = {
    "bytes": (b"hi", "b'hi' (bytes): decode it"),
    "a mapping": ({"a": 1}, "{'a': 1} (dict)"),
    "a set": ({"hi"}, "{'hi'} (set)"),
    "a number": (5, "5 (int)"),
    "None in a list": ([None], "None"),
}


class Session:
    """Gives one piece of news, then a proper end."""

    def __init__(self, news: Any, done: Any) -> None:
        self.news = [news]
        self._done = done

    def feed(self, samples: Any) -> None: ...
    def close(self) -> None: ...

    def step(self) -> Any:
        return self.news.pop() if self.news else None

    @property
    def done(self) -> Any:
        return not self.news if self._done is None else self._done


class Listening:
    """Each turn has its news; the second is as good as can be."""

    def __init__(self, news: Any, done: Any = None) -> None:
        self.sessions = [Session(news, done), Session(["yes"], None)]

    def transcribe_turn(self, audio: Any) -> str:
        raise AssertionError("it has sessions")

    def session(self) -> Any:
        return self.sessions.pop(0)


def heard(stt: Any, where: str) -> list[Any]:
    scheduler = TestScheduler() if where == "worker" else None
    seen: list[Any] = []
    rx.of(turn(1), turn(2)).pipe(vox.transcribe(stt, worker=scheduler)).subscribe(
        seen.append, scheduler=scheduler
    )
    if scheduler:
        scheduler.start()
    return [it for it in seen if isinstance(it, TurnFailed) or getattr(it, "final", False)]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(("news", "wanted"), NEWS.values(), ids=NEWS)
def test_what_is_news(news: Any, wanted: str, where: str) -> None:
    assert [it.text for it in heard(Listening(news), where)] == [wanted, "yes"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(("news", "came"), BAD_NEWS.values(), ids=BAD_NEWS)
def test_what_is_no_news(news: Any, came: str, where: str) -> None:
    failed, last = heard(Listening(news), where)
    assert str(failed.error) == (
        f"transcribe (turn 1) failed: TypeError: wanted a str or pieces of str, got {came}"
    )
    assert last.text == "yes"


def test_a_session_whose_done_is_a_method() -> None:
    def done() -> bool:
        return True

    failed, last = heard(Listening("hi", done), "here")
    said = str(failed.error)
    assert said.startswith("transcribe (turn 1) failed: TypeError: a session's done must give a b")
    assert said.endswith(" (function): call it")
    assert last.text == "yes"


# Sound

HALVES = [0.5, 0.25, -1.0]
FLOATS = np.array(HALVES, np.float32)


def mlx(dtype: str, values: Any = HALVES) -> Any:
    """Lazy: evaluated by whoever asks first, and only on the thread that made it."""
    import mlx.core as mx

    return (mx.array(values) * mx.array(1)).astype(getattr(mx, dtype))


SOUND: dict[str, Make] = {
    "float32": lambda: FLOATS,
    "float64": lambda: FLOATS.astype(np.float64),
    "float16": lambda: FLOATS.astype(np.float16),
    "big-endian": lambda: FLOATS.astype(">f4"),
    "read-only": lambda: np.broadcast_to(FLOATS, 3),
    "every second": lambda: np.repeat(FLOATS, 2)[::2],
    "of mlx": lambda: mlx("float32"),
    "of mlx in float16": lambda: mlx("float16"),
    "of mlx in bfloat16": lambda: mlx("bfloat16"),
    "pieces of mlx": lambda: generator(mlx("float32")[:1], mlx("bfloat16")[1:]),
    "a tensor": lambda: Tensor(HALVES),
    "timed": lambda: TimedSamples(FLOATS, ((1, 1), (3, 3))),
    "timed, of mlx": lambda: TimedSamples(mlx("bfloat16"), ()),
    "a result": lambda: Spoken(FLOATS),
    "a result that can be iterated": lambda: Iterated(FLOATS),
    "results": lambda: generator(Spoken(mlx("float32")[:2]), Spoken(mlx("float32")[2:])),
    "a result without rate": lambda: SimpleNamespace(audio=FLOATS),
    "a list": lambda: [FLOATS[:1], FLOATS[1:]],
    "a tuple": lambda: (FLOATS[:1], FLOATS[1:]),
    "a coroutine": lambda: coroutine(FLOATS),
    "a coroutine of a generator": lambda: coroutine(generator(FLOATS[:1], FLOATS[1:])),
    "an async generator": lambda: async_generator(FLOATS[:1], FLOATS[:0], FLOATS[1:]),
    "an observable": lambda: rx.of(FLOATS),
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_what_is_sound(make: Make, where: str) -> None:
    run = Run("synthesize", make, FLOATS, where)
    for id in (1, 2):
        *pieces, last = run.of(id)
        assert last.final
        assert all(str(it.samples.dtype).endswith("float32") for it in pieces)
        assert np.concatenate([it.samples for it in pieces]).tolist() == HALVES


def test_the_ends_of_words_are_plain_numbers() -> None:
    timed = TimedSamples(FLOATS, [[np.int64(1), 1], (3, 3)])  # type: ignore[arg-type]
    speech = Run("synthesize", lambda: timed, FLOATS, "here").seen[0]
    assert speech.words == ((1, 1), (3, 3))
    assert [type(end) for pair in speech.words for end in pair] == [int] * 4


NO_ARRAY = "wanted pieces of float32 samples of shape (n,), got "
NO_FLOAT = "wanted float32 samples in [-1, 1], got "
NO_MONO = "wanted mono samples of shape (n,), got shape "
NO_NUMBER = "wanted finite samples in [-1, 1], got "
MAKE_ONE = ": make one array of them, np.asarray(samples, np.float32)"
ALONE = ": give the samples alone, and their rate as the synthesizer's sample_rate"

BAD_SOUND: dict[str, tuple[Make, str]] = {
    "None": (lambda: None, NO_ARRAY + "None"),
    "None in a generator": (lambda: generator(FLOATS, None), NO_ARRAY + "None"),
    "text": (lambda: "hello", NO_ARRAY + "'hello' (str)"),
    "bytes": (
        lambda: b"\1\2",
        NO_ARRAY + r"b'\x01\x02' (bytes): of 16-bit samples, "
        "np.frombuffer(data, '<i2').astype(np.float32) / 32768",
    ),
    "a dict": (
        lambda: {"audio": FLOATS[:1], "sampling_rate": 8},
        NO_ARRAY + "{'audio': array([0.5], dtype=float32), 'sampling_rate': 8} (dict)" + ALONE,
    ),
    "samples and rate": (
        lambda: (FLOATS[:1], 22_050),
        NO_ARRAY + "(array([0.5], dtype=float32), 22050) (tuple)" + ALONE,
    ),
    "rate and samples": (
        lambda: (22_050, FLOATS[:1]),
        NO_ARRAY + "(22050, array([0.5], dtype=float32)) (tuple)" + ALONE,
    ),
    "a number": (lambda: 0.5, NO_ARRAY + "0.5 (float)" + MAKE_ONE),
    "numbers": (lambda: [0.5, 0.25], NO_ARRAY + "0.5 (float)" + MAKE_ONE),
    "nested numbers": (lambda: [[0.5], [0.25]], NO_ARRAY + "[0.5] (list)" + MAKE_ONE),
    "array.array": (
        lambda: array("f", [0.5]),
        NO_ARRAY + "array('f', [0.5]) (array)" + MAKE_ONE,
    ),
    "a scalar": (lambda: np.float32(0.5), NO_MONO + "(): pass one-dimensional blocks"),
    "int16": (
        lambda: np.ones(2, np.int16),
        NO_FLOAT + "int16: convert with np.asarray(samples, np.float32) / 32768",
    ),
    "int16 of mlx": (
        lambda: mlx("int16"),
        NO_FLOAT + "int16: convert with np.asarray(samples, np.float32) / 32768",
    ),
    "uint8": (
        lambda: np.ones(2, np.uint8),
        NO_FLOAT + "uint8: convert with (np.asarray(samples, np.float32) - 128) / 128",
    ),
    "complex": (
        lambda: np.ones(2, np.complex64),
        NO_FLOAT + "complex64: convert with np.asarray(samples, np.float32)",
    ),
    "bool": (
        lambda: np.ones(2, np.bool),
        NO_FLOAT + "bool: convert with np.asarray(samples, np.float32)",
    ),
    "stereo": (
        lambda: np.zeros((9, 2), np.float32),
        NO_MONO + "(9, 2): mix to mono first, as samples.mean(axis=1)",
    ),
    "stereo, the other way": (
        lambda: np.zeros((2, 9), np.float32),
        NO_MONO + "(2, 9): mix to mono first, as samples.mean(axis=0)",
    ),
    "one row, of mlx": (
        lambda: mlx("float32", [HALVES]),
        NO_MONO + "(1, 3): mix to mono first, as samples.mean(axis=0)",
    ),
    "NaN": (lambda: np.array([0, np.nan], np.float32), NO_NUMBER + "nan at index 1"),
    "NaN of mlx": (lambda: mlx("float32", [float("nan")]), NO_NUMBER + "nan at index 0"),
    "NaN of mlx in bfloat16": (
        lambda: mlx("bfloat16", [0, float("nan")]),
        NO_NUMBER + "nan at index 1",
    ),
    "infinity": (lambda: np.array([np.inf], np.float32), NO_NUMBER + "inf at index 0"),
    "beyond float32": (lambda: np.array([1e300]), NO_NUMBER + "inf at index 0"),
    "unscaled": (
        lambda: mlx("float32", [9000, -9000]),
        "wanted samples in [-1, 1], got a peak of 9000: divide integer audio by its full scale "
        "(32768 for 16 bits)",
    ),
    "at another rate": (
        lambda: Spoken(FLOATS, 22_050),
        "wanted sound at 24000 Hz, which is the synthesizer's sample_rate, got a Spoken at 22050 "
        "Hz: give the synthesizer that sample_rate",
    ),
    "an exception": (
        lambda: OSError("no"),
        NO_ARRAY + "OSError('no') (OSError): raise it instead",
    ),
    "a path": (
        lambda: Path("a.wav"),
        NO_ARRAY + repr(Path("a.wav")) + f" ({type(Path()).__name__})",
    ),
    "no ends of words": (
        lambda: TimedSamples(FLOATS, "end"),  # type: ignore[arg-type]
        "wanted the ends of words as pairs of an index into the text and one into the samples, got "
        "'end' (str)",
    ),
    "ends of words before the beginning": (
        lambda: TimedSamples(FLOATS, ((1, -1),)),
        "wanted the ends of words as pairs of an index into the text and one into the samples, got "
        "((1, -1),) (tuple)",
    ),
    "ends of words that are no indices": (
        lambda: TimedSamples(FLOATS, ((0.5, 1),)),  # type: ignore[arg-type]
        "wanted the ends of words as pairs of an index into the text and one into the samples, got "
        "((0.5, 1),) (tuple)",
    ),
    "timed nothing": (lambda: TimedSamples(None), NO_ARRAY + "None"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(("make", "wanted"), BAD_SOUND.values(), ids=BAD_SOUND)
def test_what_is_no_sound(make: Make, wanted: str, where: str) -> None:
    run = Run("synthesize", make, FLOATS, where)
    failed = run.of(1)[-1]
    assert isinstance(failed, TurnFailed)
    assert str(failed.error) == f"synthesize (turn 1) failed: AudioFormatError: {wanted}"
    assert [it.samples.tolist() for it in run.of(2)] == [HALVES, []]


def test_a_lazy_array_is_evaluated_on_the_thread_that_made_it() -> None:
    """On another one MLX raises."""
    worker, home = EventLoopScheduler(), EventLoopScheduler()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    over = Flag()
    source.pipe(
        vox.synthesize(lambda text: generator(mlx("float32"), mlx("bfloat16")), worker=worker)
    ).subscribe(seen.append, on_completed=over.set, scheduler=home)
    try:
        for reply in given("synthesize", 1):
            source.on_next(reply)
        source.on_completed()
        assert over.wait(30)
    finally:
        worker.dispose()
        home.dispose()
    assert [it.samples.tolist() for it in seen] == [HALVES, HALVES, []]


# What is asked at every chunk, and at every silence

JUDGED: dict[str, tuple[Any, str]] = {
    "a bool": (True, "~"),
    "numpy's": (np.True_, "~"),
    "numpy's, in an array": (np.array([True]), "~"),
    "a probability": (0.9, "~"),
    "a low one": (0.1, "_"),
    "an int": (1, "~"),
    "zero": (0, "_"),
    "float32": (np.float32(0.9), "~"),
    "in an array": (np.array([[0.9]]), "~"),
    "in a tensor": (SimpleNamespace(shape=(1, 1), item=lambda: 0.9), "~"),
    "a fraction": (Fraction(1, 2), "~"),
}
NO_JUDGEMENT: dict[str, tuple[Any, str]] = {
    "None": (None, "None"),
    "NaN": (float("nan"), "nan (float)"),
    "NaN in an array": (np.array([np.nan]), "a numpy.ndarray of float64, shape (1,)"),
    "two": (2, "2 (int)"),
    "below zero": (-0.1, "-0.1 (float)"),
    "text": ("0.9", "'0.9' (str)"),
    "two of them": (np.zeros(2), "a numpy.ndarray of float64, shape (2,)"),
    "a dict": ({"speech": True}, "{'speech': True} (dict)"),
    "a tuple": ((0.9, None), "(0.9, None) (tuple)"),
}


def judged(detector: Any, n: int) -> list[Any]:
    chunks = [AudioChunk(np.zeros(4, np.float32), start=4 * at) for at in range(n)]
    seen: list[Any] = []
    rx.from_iterable(chunks).pipe(vox.vad(detector)).subscribe(seen.append)
    return seen


@pytest.mark.parametrize(("answer", "wanted"), JUDGED.values(), ids=JUDGED)
def test_what_is_a_judgement(answer: Any, wanted: str) -> None:
    assert ["_~"[it.speech] for it in judged(lambda samples: answer, 1)] == [wanted]


@pytest.mark.parametrize(("answer", "came"), NO_JUDGEMENT.values(), ids=NO_JUDGEMENT)
def test_what_is_no_judgement(answer: Any, came: str) -> None:
    answers = [answer, True]
    notice, first, second = judged(lambda samples: answers.pop(0), 2)
    assert str(notice.detail) == (
        f"vad failed: ValueError: wanted a bool or a probability from 0 to 1, got {came}"
    )
    assert (first.speech, second.speech) == (False, True)


def test_an_async_detector_is_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (notice, _) = judged(lambda samples: coroutine(True), 1)
        gc.collect()
    assert notice.message.startswith("vad failed: ValueError: wanted a bool or a probability from")


YES: dict[str, Any] = {"a bool": True, "numpy's": np.True_, "in an array": np.array([True])}
NO_BOOL: dict[str, tuple[Any, str]] = {
    "None": (None, "None"),
    "one": (1, "1 (int)"),
    "a probability": (0.7, "0.7 (float)"),
    "text": ("no", "'no' (str)"),
    "two": (np.array([True, False]), "a numpy.ndarray of bool, shape (2,)"),
}


def turns(policy: Any) -> list[str]:
    """What ended each turn of two, or the error that did."""
    said: list[str] = []

    def follow(element: Any) -> None:
        if isinstance(element, Turn):
            element.subscribe(
                on_error=lambda error: said.append(str(error.cause)),
                on_completed=lambda: said.append(str(element.ended_by)),
            )

    source: Subject[AudioChunk] = Subject()
    source.pipe(vox.vad(FakeVad("~_~_")), vox.turn_window(policy)).subscribe(follow)
    for at in range(4):
        source.on_next(AudioChunk(np.zeros(512, np.float32), start=512 * at))
    return said


@pytest.mark.parametrize("answer", YES.values(), ids=YES)
@pytest.mark.parametrize("later", [False, True])
def test_what_is_a_yes(answer: Any, later: bool) -> None:
    assert turns(lambda *_: rx.just(answer) if later else answer) == ["policy", "policy"]


@pytest.mark.parametrize(("answer", "came"), NO_BOOL.values(), ids=NO_BOOL)
@pytest.mark.parametrize("later", [False, True])
def test_what_is_no_bool_fails_its_turn(answer: Any, came: str, later: bool) -> None:
    answers = [answer, True]

    def policy(audio: Any, silence_ms: int) -> Any:
        given = answers.pop(0)
        return rx.just(given) if later else given

    assert turns(policy) == [f"user_finished() must give a bool, got {came}", "policy"]
    answers[:] = [answer, True]
    both = any_of(silence(10_000), policy, lambda *_: rx.never())
    assert turns(both) == [f"user_finished() must give a bool, got {came}", "policy"]


def test_a_word_may_end_where_the_text_begins() -> None:
    timed = TimedSamples(np.zeros(8, np.float32), ((0, 0), (3, 4)))
    assert sound(timed, 1000).words == ((0, 0), (3, 4))


def test_a_sound_of_a_library_that_numpy_does_not_know_is_read_as_a_list() -> None:
    unknown = SimpleNamespace(shape=(3,), dtype="float32", tolist=lambda: HALVES)
    assert sound(unknown, 1000).samples.tolist() == HALVES


def test_a_class_is_no_sound_though_it_has_a_shape() -> None:
    class Shaped:
        shape, dtype = (3,), "float32"

    with pytest.raises(AudioFormatError, match=r"got the class Shaped: call it$"):
        sound(Shaped, 1000)


def test_samples_as_they_are_wanted_are_not_copied() -> None:
    assert np.shares_memory(sound(FLOATS, 1000).samples, FLOATS)


def test_nothing_is_named_so() -> None:
    assert named(None) == "None"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((1, 2, 3), "(1, 2, 3) (tuple)"),
        ((1, 2, 3, 4), "(1, 2, 3, ...) (tuple)"),
        ({1: 0, 2: 0, 3: 0, 4: 0}, "{1: 0, 2: 0, 3: 0, ...} (dict)"),
        ({1, 2, 3, 4}, "{1, 2, 3, ...} (set)"),
        ([[[1]]], "[[[...]]] (list)"),
        ([[1]], "[[1]] (list)"),
    ],
)
def test_what_is_large_or_deep_is_named_by_its_beginning(value: object, told: str) -> None:
    assert named(value) == told
