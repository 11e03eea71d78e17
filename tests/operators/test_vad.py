from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import Notice
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeVad, failing

CHUNK = AudioChunk(np.full(4, 0.25, np.float32))


def chunks(n: int) -> list[AudioChunk]:
    return [replace(CHUNK, start=4 * i) for i in range(n)]


def run(
    detector: Any, elements: list[AudioChunk] | int, **options: Any
) -> tuple[list[AudioChunk], list[Any]]:
    source: Subject[AudioChunk] = Subject()
    seen: list[AudioChunk] = []
    end: list[Any] = []
    source.pipe(vox.vad(detector, **options)).subscribe(
        seen.append, end.append, lambda: end.append("completed")
    )
    for element in chunks(elements) if isinstance(elements, int) else elements:
        source.on_next(element)
    source.on_completed()
    return seen, end


def gate(answers: list[Any], **options: Any) -> str:
    seen, end = run(FakeVad(answers), len(answers), **options)
    assert end == ["completed"]
    return "".join("~" if chunk.speech else "_" for chunk in seen)


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.vad(FakeVad([0.1, 0.9, 0.3, 0.9]), start_chunks=2),
        elements=chunks(6),
        failing=lambda error: vox.vad(failing(FakeVad("~"), error=error), max_failures=1),
        name="vad",
    )


def test_a_bool_is_taken_at_its_word() -> None:
    answers = [True, False, np.True_, np.False_, True]
    seen, _ = run(FakeVad(answers), 5, start_chunks=3)  # type: ignore[list-item]
    assert [c.speech for c in seen] == [True, False, True, False, True]
    assert all(type(c.speech) is bool for c in seen)
    assert all(c.probability is None for c in seen)


def test_a_probability_is_kept() -> None:
    seen, _ = run(FakeVad([0.5, 0.25]), 2)
    assert [c.probability for c in seen] == [0.5, 0.25]
    assert seen[0] == replace(CHUNK, speech=True, probability=0.5)


@pytest.mark.parametrize(
    ("answers", "options", "wanted"),
    [
        ([0.34999, 0.35, 0.2, 0.19999, 0.2, 0.35], {}, "_~~__~"),
        ([0.0, 1.0, 0.0], {}, "_~_"),
        ([0, 1, 0], {}, "_~_"),
        ([0.5, 0.49, 0.5], {"start": 0.5, "stop": 0.5}, "~_~"),
        ([0.0, 0.0], {"start": 0.0, "stop": 0.0}, "~~"),
        ([1.0, 0.999], {"start": 1.0, "stop": 1.0}, "~_"),
        ([0.9, 0.9, 0.9], {"start_chunks": 2}, "_~~"),
        ([0.9, 0.3, 0.9, 0.9], {"start_chunks": 2}, "___~"),
        ([0.9, 0.9, 0.1, 0.9, 0.9], {"start_chunks": 2}, "_~__~"),
        ([0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9], {"start_chunks": 3}, "__~___~"),
    ],
)
def test_hysteresis(answers: list[float], options: dict[str, Any], wanted: str) -> None:
    assert gate(answers, **options) == wanted


def test_a_partial_chunk_passes_unasked() -> None:
    detector = FakeVad("~~")
    partial = replace(CHUNK, partial=True)
    seen, _ = run(detector, [CHUNK, partial])
    assert len(detector.given) == 1
    assert seen[1] is partial


def test_the_detector_hears_each_chunk_once_in_order() -> None:
    detector = FakeVad()
    elements = [replace(CHUNK, samples=np.full(4, n, np.float32)) for n in (0.1, 0.2, 0.3)]
    run(detector, elements)
    assert [h is c.samples for h, c in zip(detector.given, elements, strict=True)] == [True] * 3


class Probability:
    """Says how often it was asked, in hundredths."""

    def __init__(self) -> None:
        self.asked = 0
        self.resets = 0

    def probability(self, samples: Any) -> float:
        self.asked += 1
        return self.asked / 100

    def reset(self) -> None:
        self.asked = 0
        self.resets += 1


def test_reset_is_called_at_each_subscription() -> None:
    detector = Probability()
    heard = rx.from_iterable(chunks(3)).pipe(vox.vad(detector))
    assert detector.resets == 0
    for n in (1, 2):
        seen: list[AudioChunk] = []
        heard.subscribe(seen.append)
        assert detector.resets == n
        assert [c.probability for c in seen] == [0.01, 0.02, 0.03]


def test_fresh_gives_each_subscription_its_own_and_reset_is_left_alone() -> None:
    class Fresh(Probability):
        def fresh(self) -> Fresh:
            return Fresh()

    detector = Fresh()
    source: Subject[AudioChunk] = Subject()
    heard = source.pipe(vox.vad(detector))
    both: list[list[AudioChunk]] = [[], []]
    for seen in both:
        heard.subscribe(seen.append)
    for chunk in chunks(2):
        source.on_next(chunk)
    assert [[c.probability for c in seen] for seen in both] == [[0.01, 0.02]] * 2
    assert (detector.asked, detector.resets) == (0, 0)


def test_probability_is_preferred_to_is_speech() -> None:
    class Both:
        def probability(self, samples: Any) -> float:
            return 0.9

        def is_speech(self, samples: Any) -> bool:
            raise AssertionError("not this one")

    seen, _ = run(Both(), 1)
    assert seen[0].probability == 0.9


def test_is_speech_alone() -> None:
    class Only:
        def is_speech(self, samples: Any) -> bool:
            return True

    assert run(Only(), 1)[0][0].speech is True


@pytest.mark.parametrize("answer", [float("nan"), 1.01, -0.01, 2, float("inf")])
def test_an_answer_that_is_no_probability(answer: float) -> None:
    seen, (error,) = run(FakeVad([0.5, answer]), 3, max_failures=1)
    assert len(seen) == 1
    assert isinstance(error, StageError)
    assert str(error) == (
        "vad failed: ValueError: wanted a bool or a probability from 0 to 1, got "
        f"{answer!r} ({type(answer).__name__})"
    )
    assert (error.stage, error.turn) == ("vad", None)


def test_a_detector_that_raises() -> None:
    boom = RuntimeError("no weights")
    seen, (error,) = run(failing(FakeVad("~~~"), at=2, error=boom), 3, max_failures=1)
    assert len(seen) == 1
    assert isinstance(error, StageError)
    assert error.cause is boom
    assert error.__cause__ is boom
    assert str(error) == "vad failed: RuntimeError: no weights"


def bad_at(*nths: int, answers: str) -> Any:
    """A detector that says this, and None at these chunks, counted from 1."""
    said = iter(answers)
    asked = 0

    def detector(samples: Samples) -> Any:
        nonlocal asked
        asked += 1
        answer = next(said) == "~"
        return None if asked in nths else answer

    return detector


def speech(seen: list[Any]) -> str:
    """Each chunk as its speech, each notice as an exclamation mark before its chunk."""
    return "".join("!" if isinstance(it, Notice) else "_~"[it.speech] for it in seen)


@pytest.mark.parametrize(
    ("bad", "answers", "wanted"),
    [
        ((1,), "~~__", "!_~__"),
        ((2,), "_~~_", "_!_~_"),  # does not open a turn
        ((3,), "~~_~_", "~~!~~_"),  # nor does it end one
        ((2, 4, 6), "~_~_~_", "~!~~!~~!~"),
        ((2, 3), "~~~~", "~!~!~~"),
    ],
)
def test_a_bad_answer_costs_its_chunk(bad: tuple[int, ...], answers: str, wanted: str) -> None:
    seen, end = run(bad_at(*bad, answers=answers), len(answers), max_failures=3)
    assert speech(seen) == wanted
    assert end == ["completed"]
    passed = [it for it in seen if isinstance(it, AudioChunk)]
    assert [it.start for it in passed] == [4 * n for n in range(len(answers))]


def test_a_bad_answer_is_neither_a_start_nor_a_break_of_the_hysteresis() -> None:
    answers: list[Any] = [0.9, None, 0.9, 0.3, None, 0.3, 0.1]
    seen, _ = run(FakeVad(answers), 7, start_chunks=2)
    assert speech(seen) == "_!_~~!~~_"
    assert [it.probability for it in seen if isinstance(it, AudioChunk)] == answers


def test_a_bad_answer_is_told_and_counted() -> None:
    answers: list[Any] = ["~", None, True, None, None, False]
    seen, end = run(FakeVad(answers), 6, max_failures=3)
    notices = [it for it in seen if isinstance(it, Notice)]
    wanted = "vad failed: ValueError: wanted a bool or a probability from 0 to 1, got"
    assert [it.message for it in notices] == [
        f"{wanted} '~' (str); the chunk counts as silence, as before (failure 1; 1 in a row, at 3 "
        "the conversation ends)",
        f"{wanted} None; the chunk counts as silence, as before (failure 2; 2 in a row, at 3 the "
        "conversation ends)",
        f"{wanted} None; the chunk counts as speech, as before (failure 3; 1 in a row, at 3 the "
        "conversation ends)",
        f"{wanted} None; the chunk counts as speech, as before (failure 4; 2 in a row, at 3 the "
        "conversation ends)",
    ]
    assert all(isinstance(it.detail, StageError) and it.stage == "vad" for it in notices)
    assert end == ["completed"]


@pytest.mark.parametrize(("most", "told"), [(1, 0), (2, 1), (10, 9)])
def test_too_many_in_a_row_are_an_error(most: int, told: int) -> None:
    options = {} if most == 10 else {"max_failures": most}
    seen, (error,) = run(lambda samples: None, 20, **options)
    assert speech(seen) == "!_" * told
    assert isinstance(error, StageError)
    assert str(error).endswith("wanted a bool or a probability from 0 to 1, got None")


class Sized(FakeVad):
    chunk_size: int | None = 4
    sample_rate: int | None = 16_000

    def fresh(self) -> Sized:
        return self


@pytest.mark.parametrize(
    ("chunk", "came"),
    [
        (AudioChunk(np.zeros(3, np.float32)), "3 at 16000 Hz"),
        (AudioChunk(np.zeros(4, np.float32), 8000), "4 at 8000 Hz"),
    ],
)
def test_a_chunk_that_the_detector_cannot_judge(chunk: AudioChunk, came: str) -> None:
    seen, (error,) = run(Sized("~~"), [CHUNK, chunk])
    assert len(seen) == 1
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        f"this detector wants chunks of 4 samples at 16000 Hz, got {came}: "
        "use chunk(4, sample_rate=16000)"
    )


def test_the_partial_chunk_may_have_any_size() -> None:
    tail = AudioChunk(np.zeros(3, np.float32), partial=True)
    assert run(Sized("~"), [CHUNK, tail])[1] == ["completed"]


@pytest.mark.parametrize("missing", ["chunk_size", "sample_rate"])
def test_the_advice_is_one_that_can_be_followed(missing: str) -> None:
    detector = Sized("~")
    setattr(detector, missing, None)
    wrong = AudioChunk(np.zeros(3, np.float32), 8000)
    _, (error,) = run(detector, [wrong])
    assert "None" not in str(error)


@pytest.mark.parametrize("method", ["fresh", "reset"])
def test_a_detector_that_cannot_begin(method: str) -> None:
    class Broken:
        def is_speech(self, samples: Any) -> bool:
            return True

    def boom() -> None:
        raise RuntimeError("no memory")

    detector = Broken()
    setattr(detector, method, boom)
    _, end = run(detector, 1)
    assert [type(e) for e in end] == [StageError]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 1.5}, "vad start must be from 0.0 to 1.0 (probability), got 1.5"),
        ({"start": float("nan")}, "vad start must be from 0.0 to 1.0 (probability), got nan"),
        ({"stop": -0.1}, "vad stop must be from 0.0 to 1.0 (probability), got -0.1"),
        ({"stop": 0.5}, "vad stop must be at most start=0.35 (probability), got 0.5"),
        ({"max_failures": 0}, "vad max_failures must be at least 1 failures, got 0"),
        ({"start_chunks": 0}, "vad start_chunks must be at least 1 chunks, got 0"),
        ({"start_chunks": 1.5}, "vad start_chunks must be a whole number of chunks, got 1.5"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.vad(FakeVad(), **options)
    assert str(raised.value) == message


def test_a_detector_without_a_method() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with probability\(\.\.\.\) or is_spe"):
        vox.vad(object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"got the class FakeVad; pass an instance: FakeVad\(\)"):
        vox.vad(FakeVad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "echoes", "asked", "speech"),
    [
        ([0.9, 0.9, 0.9, 0.1], [True, False, False], 3, "_~~_"),
        ([0.9, 0.3, 0.9, 0.9], [False, True, False, False], 4, "~_~~"),  # speech is over at an echo
        ([True, True, False], [True, False], 2, "_~_"),
    ],
)
def test_an_echo_is_no_speech(
    answers: list[float], echoes: list[bool], asked: int, speech: str
) -> None:
    told: list[float | None] = []

    def is_echo(samples: Samples, *, time: float | None) -> bool:
        told.append(time)
        return echoes[len(told) - 1]

    chunks = [AudioChunk(np.zeros(4, np.float32), time=float(n)) for n in range(len(answers))]
    seen: list[Any] = []
    rx.from_iterable(chunks).pipe(vox.vad(FakeVad(answers), echo=is_echo)).subscribe(seen.append)
    assert "".join("_~"[it.speech] for it in seen) == speech
    assert [it.probability for it in seen] == [None if a in (True, False) else a for a in answers]
    assert told == [float(n) for n in range(asked)]


def test_an_echo_detector_that_fails_costs_its_chunk_too() -> None:
    echoes: list[Any] = [None, False, None, "no", False]
    seen, end = run(FakeVad("~~~~_~"), 6, echo=lambda samples: echoes.pop(0), max_failures=3)
    assert speech(seen) == "!_~!~!~_~"
    assert str(seen[0].detail) == "vad failed: TypeError: is_echo() must give a bool, got None"
    assert end == ["completed"]


def test_an_echo_detector_that_is_broken_is_found_out_in_short_words_too() -> None:
    # The detector's good answers in between are none of the echo detector's.
    seen, (error,) = run(FakeVad("~_" * 9), 18, echo=lambda samples: None, max_failures=3)
    assert speech(seen) == "!__!__"
    assert str(error) == "vad failed: TypeError: is_echo() must give a bool, got None"


@pytest.mark.parametrize(("probability", "asked", "speech"), [(0.2, 2, "~_"), (0.19, 1, "~_")])
def test_the_echo_detector_is_asked_of_what_may_go_on_as_speech(
    probability: float, asked: int, speech: str
) -> None:
    told: list[Samples] = []

    def is_echo(samples: Samples) -> bool:
        told.append(samples)
        return len(told) == 2

    assert gate([0.9, probability], stop=0.2, echo=is_echo) == speech
    assert len(told) == asked


def test_an_echo_breaks_the_run_that_starts_speech() -> None:
    echoes = [False, True, False, False]
    heard = gate([0.9] * 4, start_chunks=2, echo=lambda samples: echoes.pop(0))
    assert heard == "___~"


def test_an_echo_is_no_speech_even_where_all_else_is() -> None:
    echoes = [False, True, False]
    heard = gate([0.0, 0.0, 0.0], start=0.0, stop=0.0, echo=lambda samples: echoes.pop(0))
    assert heard == "~_~"


def test_a_ctrl_c_in_a_detector_that_answers_later_reaches_the_app() -> None:
    class Later(FakeVad):
        def fresh(self) -> Later:
            return self

        def gathered(self, scheduler: Any) -> Later:
            return self

        def ask(self, samples: Any, take: Any) -> None:
            take(KeyboardInterrupt())

        def settle(self) -> None: ...
        def dispose(self) -> None: ...

    source: Subject[AudioChunk] = Subject()
    seen: list[Any] = []
    source.pipe(vox.vad(Later("~"))).subscribe(seen.append, seen.append)
    with pytest.raises(KeyboardInterrupt):
        source.on_next(CHUNK)
    notice, chunk = seen
    assert isinstance(notice.detail.cause, KeyboardInterrupt)
    assert chunk.speech is False
