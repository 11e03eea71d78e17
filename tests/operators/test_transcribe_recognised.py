"""What a recogniser knows beside the text is kept to the end, in whatever shape it came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace as Some
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import Recognised, Reply, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Notice, TurnFailed
from rxvoice.turn import Turn

TURN = Turn.of(np.zeros(4, np.float32))
ANN = Recognised(
    "hallo Ann",
    words=[("hallo", 0.1, 0.4), ("Ann", 0.5, 0.8, 0.75)],
    language="de",
    speaker="Ben",
    confidence=0.5,
)


class Run(Pushed):
    operator = staticmethod(vox.transcribe)


def said(answer: Any) -> list[Any]:
    return Run(lambda audio: answer).push(TURN, end=True).seen


class Listener:
    """A streaming recogniser that says this, step by step; the last of it at the end."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.closed = False

    def session(self) -> Listener:
        return self

    @property
    def done(self) -> bool:
        return self.closed and not self.steps

    def feed(self, samples: Any) -> None: ...

    def step(self) -> Any:
        return self.steps.pop(0)

    def close(self) -> None:
        self.closed = True


def test_it_reaches_the_transcript_and_every_stage_after_it() -> None:
    (transcript,) = said(ANN)
    assert transcript == Transcript(TURN, "hallo Ann", recognised=ANN)
    assert transcript.recognised is ANN
    assert transcript.words == (("hallo", 0.1, 0.4), ("Ann", 0.5, 0.8, 0.75))
    assert (transcript.language, transcript.speaker, transcript.confidence) == ("de", "Ben", 0.5)
    seen: list[Any] = []
    rx.of(TURN).pipe(
        vox.transcribe(lambda audio: ANN),
        vox.respond(lambda text: "Hallo."),
        vox.synthesize(lambda text: np.ones(4, np.float32)),
    ).subscribe(seen.append)
    assert {it.reply.transcript.language for it in seen} == {"de"}


def test_a_text_alone_is_as_ever() -> None:
    (transcript,) = said("hi")
    assert transcript == Transcript(TURN, "hi")
    assert repr(transcript) == "Transcript(turn=Turn(1, 0 ms, source), text='hi')"
    assert (transcript.words, transcript.language) == ((), None)
    assert (transcript.speaker, transcript.confidence) == (None, None)


def test_what_a_subclass_adds_is_kept() -> None:
    @dataclass(frozen=True)
    class Felt(Recognised):
        emotion: str = ""

    glad = Felt(" hallo ", emotion="glad")
    (transcript,) = said(glad)
    assert transcript.text == "hallo"
    assert transcript.recognised is glad


def test_what_it_knows_survives_a_stage_that_rewrites_the_text() -> None:
    (transcript,) = said(ANN)
    assert replace(transcript, text="HALLO").language == "de"


WORDS = [{"word": " good", "start": 0.0, "end": 0.4, "probability": 0.9}]


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ({"text": "good", "language": "en"}, {"language": "en"}),
        ({"text": "good", "confidence": 0}, {"confidence": 0.0}),
        (
            {"text": "good", "words": [("good", 0.1, 0.2)], "result": [("bad", 0.1, 0.2)]},
            {"words": [("good", 0.1, 0.2)]},
        ),
        (
            {"text": " good", "language": "en", "segments": [{"text": " good", "words": WORDS}]},
            {"language": "en", "words": [("good", 0.0, 0.4, 0.9)]},
        ),
        (  # as a server gives it
            {
                "text": "good",
                "language": "english",
                "words": [{"word": "good", "start": 0.1, "end": 0.4}],
                "segments": [{"text": "good", "start": 0.0, "end": 1.0, "avg_logprob": 0.0}],
            },
            {"language": "english", "words": [("good", 0.1, 0.4)], "confidence": 1.0},
        ),
        (
            {"text": "good day", "segments": [{"text": "good day", "start": 0, "end": 1.5}]},
            {"words": [("good day", 0.0, 1.5)]},
        ),
        (
            {"text": "good", "segments": [{"text": "good", "speaker": "S1", "confidence": 0.25}]},
            {"speaker": "S1", "confidence": 0.25},
        ),
        (
            {"text": "good", "result": [{"conf": 1.0, "word": "good", "start": 0.1, "end": 0.2}]},
            {"words": [("good", 0.1, 0.2, 1.0)]},
        ),
        (
            Some(text="good", language="en", words=[("good", 0.1, 0.2)], segments=None),
            {"language": "en", "words": [("good", 0.1, 0.2)]},
        ),
        (
            Some(text="good", segments=[Some(text="good", start=np.float64(0.5), end=1.0)]),
            {"words": [("good", 0.5, 1.0)]},
        ),
        (  # as NVIDIA's models in mlx-audio
            Some(
                text="good day",
                sentences=[
                    Some(
                        text="good day",
                        tokens=[
                            Some(text=" go", start=0.0, end=0.25),
                            Some(text="od", start=0.25, end=0.5),
                            Some(text=" da", start=0.5, end=0.75),
                            Some(text="y", start=0.75, end=1.0),
                        ],
                    )
                ],
            ),
            {"words": [("good", 0.0, 0.5), ("day", 0.5, 1.0)]},
        ),
        (
            {"text": "good", "start": 0.5, "end": 1.0, "avg_logprob": 0.5},
            {"words": [("good", 0.5, 1.0, 1.0)], "confidence": 1.0},
        ),
        (  # of segments: what all of them have
            {
                "text": "good day",
                "language": None,
                "segments": [
                    {"speaker": "A", "language": "en", "confidence": 0.25},
                    {"speaker": "A", "language": "de", "confidence": 0.75},
                ],
            },
            {"speaker": "A", "confidence": 0.5},
        ),
        (
            {"text": "good", "confidence": 0.5, "segments": [{"confidence": 1}], "speaker": ""},
            {"confidence": 0.5},
        ),
        (
            {
                "text": "good day",
                "words": [{"word": "bad", "start": 0, "end": 0}],
                "segments": [
                    {"words": [{"word": "good", "start": 0, "end": 0.5}]},
                    {"words": [{"text": "day", "start": 0.5, "end": 1.0, "conf": 2}]},
                ],
            },
            {"words": [("good", 0.0, 0.5), ("day", 0.5, 1.0)]},
        ),
        (  # a token of which something is missing
            {
                "text": "good",
                "sentences": [
                    {
                        "tokens": [
                            {"text": " a", "start": 0.0},
                            {"text": "go", "start": 0.25, "end": 0.5},
                            {"text": None, "start": 0.5, "end": 0.75},
                            {"text": " b", "end": 0.75},
                            {"text": "od", "start": 0.75, "end": 1.0},
                        ]
                    }
                ],
            },
            {"words": [("good", 0.25, 1.0)]},
        ),
    ],
)
def test_what_libraries_tell(answer: Any, known: dict[str, Any]) -> None:
    (transcript,) = said(answer)
    assert transcript.recognised is not None
    assert replace(transcript.recognised, text="") == Recognised("", **known)


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "good", "segments": [{"text": "good", "start": 0.0, "end": 0.0}]},
        {"text": "good", "language": ["en"], "segments": "none", "words": 3},
        {"text": "good", "words": [{"word": "good", "start": "0", "end": None}, None, ("good", 1)]},
        {"text": "good", "confidence": 85, "segments": [{"avg_logprob": float("nan")}]},
        {"text": "good", "segments": [{"speaker": "A"}, {"speaker": "B"}]},
        {"text": "good", "segments": [{"speaker": "A", "confidence": 0.5}, {"text": "x"}]},
        {"text": "good", "words": [{"word": "good", "start": -1.0, "end": 0.5}]},
        {"text": "good", "words": [{"word": "good", "start": 0.25}, {"word": "x", "end": 0.5}]},
        {"text": "good", "confidence": -0.5},
        {"text": "good", "confidence": 1.5},
        {"text": "good", "confidence": Some(shape=())},
        {"text": "good", "confidence": np.array([0.5])},
        {"text": "good", "words": [{"word": " ", "start": 0.1, "end": 0.2}]},
        Some(text="good", language=None, confidence=True),
    ],
)
def test_what_could_mean_anything_is_left_out(answer: Any) -> None:
    assert said(answer) == [Transcript(TURN, "good")]


def test_pieces_add_their_words_and_the_last_word_on_the_rest_holds() -> None:
    one = Recognised("one ", words=[("one", 0.0, 0.2)], language="en", confidence=0.5)
    two = Recognised("two", words=[("two", 0.3, 0.5)], confidence=0.75)
    assert said([one, two]) == [
        Transcript(TURN, "one", final=False, recognised=one),
        Transcript(
            TURN,
            "one two",
            recognised=Recognised(
                "one two",
                words=[("one", 0.0, 0.2), ("two", 0.3, 0.5)],
                language="en",
                confidence=0.75,
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("later", "wanted"),
    [
        ({}, {"language": "en", "speaker": "Ann", "confidence": 0.5}),
        ({"language": "de"}, {"language": "de", "speaker": "Ann", "confidence": 0.5}),
        ({"speaker": "Ben"}, {"language": "en", "speaker": "Ben", "confidence": 0.5}),
        ({"confidence": 0.25}, {"language": "en", "speaker": "Ann", "confidence": 0.25}),
    ],
)
def test_what_a_later_piece_does_not_know_is_kept(
    later: dict[str, Any], wanted: dict[str, Any]
) -> None:
    first = Recognised("a ", language="en", speaker="Ann", confidence=0.5)
    last = said([first, Recognised("b", **later)])[-1]
    assert last.recognised == Recognised("a b", **wanted)


@pytest.mark.parametrize(
    "pieces",
    [
        [Recognised("one ", words=[("one", 0.0, 0.2)]), "two"],
        [Recognised("", words=[("one", 0.0, 0.2)]), Recognised("one two")],
    ],
)
def test_the_words_of_one_piece_are_known_of_the_whole_text(pieces: list[Any]) -> None:
    known = said(pieces)[-1].recognised
    assert known == Recognised("one two", words=[("one", 0.0, 0.2)])


def test_a_session_replaces_or_adds_what_it_knows() -> None:
    first, second = Recognised("a", speaker="Ann"), Recognised("a b", language="en")
    run = Run(Listener(first, second)).push(TURN, end=True)
    assert run.seen == [
        Transcript(TURN, "a", final=False, recognised=first),
        Transcript(TURN, "a b", recognised=second),
    ]
    notice = Notice("slow")
    steps = [Recognised("a", language="en"), notice], [{"text": " b", "speaker": "Ann"}]
    run = Run(Listener(*steps)).push(TURN, end=True)
    assert [type(it) for it in run.seen] == [Notice, Transcript, Transcript]
    assert run.seen[-1].recognised == Recognised("a b", language="en", speaker="Ann")


def test_it_is_asked_for_what_it_knows_where_it_can_tell() -> None:
    class Both:
        def transcribe_turn(self, audio: Any) -> str:
            raise AssertionError("it can say more")

        def recognise_turn(self, audio: Any) -> Recognised:
            return ANN

    assert Run(Both()).push(TURN).seen == [Transcript(TURN, "hallo Ann", recognised=ANN)]


def test_thousands_of_words_in_pieces_are_quick() -> None:
    pieces = [Recognised(f"w{n} ", words=[(f"w{n}", n, n + 1)]) for n in range(5_000)]
    last = said(pieces)[-1]
    assert last.final
    assert len(last.words) == 5_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": b"x"}, "Recognised text must be a str, got b'x'"),
        ({"language": 3}, "Recognised language must be a str or None, got 3"),
        ({"speaker": ["Ann"]}, "Recognised speaker must be a str or None, got ['Ann']"),
        ({"confidence": 85}, "Recognised confidence must be from 0 to 1, or None, got 85"),
        ({"words": ["x"]}, "seconds and from 0 to 1, got 'x'"),
        ({"words": [("x", 2.0, 1.0)]}, "seconds and from 0 to 1, got ('x', 2.0, 1.0)"),
        ({"words": [("x", 0.0, 1.0, 2.0)]}, "from 0 to 1, got ('x', 0.0, 1.0, 2.0)"),
    ],
)
def test_bad_knowledge_says_what_is_wanted(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Recognised(**{"text": "x", **options})
    assert message in str(raised.value)


def test_numbers_of_numpy_are_numbers() -> None:
    time = np.float32(0.5)
    known = Recognised("x", words=[("x", np.float64(0.0), time)], confidence=time)
    assert known.words == (("x", 0.0, 0.5),)


def test_bad_knowledge_fails_its_turn_only() -> None:
    def stt(audio: Any) -> Recognised:
        return Recognised("x", confidence=85)

    run = Run(stt).push(TURN, end=True)
    assert isinstance(run.seen[0], TurnFailed)
    assert run.end == ["completed"]


def test_it_is_public() -> None:
    assert rxv.Recognised is Recognised
    assert Reply(Transcript(TURN, "x", recognised=ANN)).transcript.words[0][0] == "hallo"


def test_a_result_with_a_text_is_one_piece_though_it_can_be_iterated() -> None:
    class Result(list[str]):
        text = "good"

    assert said(Result(["bad"])) == [Transcript(TURN, "good")]


def test_a_long_text_is_told_again_when_it_has_grown_by_an_eighth() -> None:
    """Up to 4096 characters it is told with each piece."""
    lengths = [len(it.text) for it in said(["x" * 512] * 20)]
    assert [it // 512 for it in lengths] == [*range(1, 10), 11, 13, 15, 17, 20]
    assert [len(it.text) for it in said(["x" * 4095, *"xxx"])] == [4095, 4096, 4098]
