from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from reactivex import Subject

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import Notice, WakeWord
from rxvoice.operators.kernel import Operator
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSpeaker, FakeSynthesizer, FakeTranscriber, FakeWakeWord, failing
from rxvoice.testing.check import check_operator
from rxvoice.testing.marbles import marbles

RATE = 100  # a sample lasts 10 ms, a chunk 40 ms

Slot = Operator[AudioChunk | events.Event, AudioChunk | events.Event]


def stream(pattern: str, rate: int = RATE) -> list[AudioChunk]:
    """Chunks of 4 rising samples: ``~`` speech, any other character not."""
    return [
        AudioChunk(
            np.arange(4 * n, 4 * n + 4, dtype=np.float32) / 4096, rate, 4 * n, speech=char == "~"
        )
        for n, char in enumerate(pattern)
    ]


def run(operator: Slot, elements: list[AudioChunk]) -> tuple[list[Any], list[Any]]:
    source: Subject[AudioChunk | events.Event] = Subject()
    seen: list[Any] = []
    end: list[Any] = []
    source.pipe(operator).subscribe(seen.append, end.append, lambda: end.append("completed"))
    for element in elements:
        source.on_next(element)
    source.on_completed()
    return seen, end


def gate(spoken: str, words: str, **options: Any) -> str:
    """What counts as speech: ``~`` speech, ``w`` the event."""
    options = {"tail_ms": 0} | options
    seen, end = run(vox.wake_word(FakeWakeWord(words), **options), stream(spoken))
    assert end == ["completed"]
    marks = {WakeWord: "w", Notice: "n"}
    return "".join(marks.get(type(it)) or ("~" if it.speech else "_") for it in seen)


def playing(pattern: str) -> Callable[[], bool]:
    """Whether the assistant plays, at each question: ``~`` it does."""
    answers = iter(pattern)
    return lambda: next(answers) == "~"


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.wake_word(FakeWakeWord("_w___w"), open_ms=40, tail_ms=40),
        elements=stream("~~~~_~"),
        failing=lambda error: vox.wake_word(
            failing(lambda samples: None, error=error), max_failures=1
        ),
        name="wake_word",
    )


@pytest.mark.parametrize(
    ("spoken", "words", "options", "wanted"),
    [
        ("~~_~", "", {}, "____"),  # never
        ("~~~_~", "_w", {}, "_w~~_~"),
        ("_~~_", "w", {}, "w_~~_"),  # in silence
        # It closes so many milliseconds after the last chunk of speech, or after the word.
        ("~____~", "w", {"open_ms": 160}, "w~_____"),
        ("~___~", "w", {"open_ms": 160}, "w~___~"),
        ("~__~___~", "w", {"open_ms": 130}, "w~__~___~"),
        ("~__~____~", "w", {"open_ms": 130}, "w~__~_____"),
        ("_____~", "w", {"open_ms": 160}, "w______"),
        ("____~", "w", {"open_ms": 160}, "w____~"),
        ("__~", "w", {"open_ms": 1}, "w___"),
        # The word again: open anew, or open for longer.
        ("~___~_~", "w_____w", {"open_ms": 40}, "w~_____w~"),
        ("~__~__~", "w__w___", {"open_ms": 120}, "w~__w~__~"),
        # The same word in chunks in a row is one.
        ("~~~~", "www", {}, "w~~~~"),
        ("~~~~", "w_w", {}, "w~~w~~"),
        # Speech that ends soon after the word is the rest of the word.
        ("~~~_~", "_w", {"tail_ms": 80}, "_w___~"),
        ("~~~~_~", "_w", {"tail_ms": 80}, "_w__~_~"),
        ("~~~~~", "_w", {"tail_ms": 90}, "_w___~"),
        ("~~~~~", "_w", {"tail_ms": 40}, "_w_~~~"),
        ("~~_~~", "_w", {"tail_ms": 400}, "_w__~~"),
        ("__~~", "_w", {"tail_ms": 400}, "_w_~~"),
        ("~~~~", "w_w", {"tail_ms": 40}, "w_~w~~"),  # only when it opens
        ("~_~~", "w_w", {"tail_ms": 40, "open_ms": 40}, "w__w_~"),
        # The rest of the word keeps it open too.
        ("~~~__~", "w", {"tail_ms": 400, "open_ms": 120}, "w_____~"),
    ],
)
def test_gate(spoken: str, words: str, options: dict[str, Any], wanted: str) -> None:
    assert gate(spoken, words, **options) == wanted


@pytest.mark.parametrize(("rate", "opens", "goes_on"), [(999, "__", "_~~"), (1000, "_~", "__~")])
def test_milliseconds_are_whole_samples(rate: int, opens: str, goes_on: str) -> None:
    def judged(spoken: str, **options: Any) -> str:
        seen, _ = run(vox.wake_word(FakeWakeWord("w"), **options), stream(spoken, rate))
        return "".join("~" if it.speech else "_" for it in seen[1:])

    # 5 ms are 4 samples, a chunk, or 5.
    assert judged("~_~", open_ms=5, tail_ms=0)[1:] == opens
    assert judged("~~~", tail_ms=5) == goes_on


def test_the_last_sample_that_it_is_open() -> None:
    """The word again is no word that opens it: what goes on is not the rest of it."""
    detector = FakeWakeWord("w_w")
    seen, _ = run(vox.wake_word(detector, open_ms=5, tail_ms=5), stream("~_~", 1000))
    marks = "".join("w" if isinstance(it, WakeWord) else "~" if it.speech else "_" for it in seen)
    assert marks == "w__w~"


@pytest.mark.parametrize(
    ("spoken", "plays", "wanted"),
    [
        ("~_______~", "_________", "w~________"),
        ("~____~_~_~", "__~~~_____", "w~____~_~_~"),  # while it plays, and for 80 ms after it
        ("~____~", "__~~__", "w~____~"),
        ("~_____~", "__~~___", "w~______"),
        ("~_______~_", "_____~~~~_", "w~_______~_"),  # the reply comes late: open again
        ("~____~___~~", "____~____~_", "w~____~___~~"),
        # A second one that nobody has asked for does not open it.
        ("~_________~", "__~__~~~~~~~", "w~__________"),
    ],
)
def test_playing(spoken: str, plays: str, wanted: str) -> None:
    assert gate(spoken, "w", open_ms=80, playing=playing(plays + "_" * 20)) == wanted


@pytest.mark.parametrize(("open_ms", "wanted"), [(4, "___"), (5, "__~")])
def test_playing_is_asked_to_the_last_sample_that_it_is_open(open_ms: int, wanted: str) -> None:
    """Two chunks later one sample is left, or none; the assistant begins to play there."""
    detector, plays = FakeWakeWord("w"), playing("__~____" if open_ms == 5 else "__~~~~~")
    options: dict[str, Any] = {"open_ms": open_ms, "tail_ms": 0, "playing": plays}
    seen, _ = run(vox.wake_word(detector, **options), stream("___~", 1000))
    assert "".join("~" if it.speech else "_" for it in seen[2:]) == wanted


def test_playing_is_not_asked_before_the_word() -> None:
    asked: list[None] = []

    def plays() -> bool:
        asked.append(None)
        return False

    assert gate("~~~~~", "__w", playing=plays) == "__w~~~"
    assert len(asked) == 3


def test_the_event_says_what_and_where() -> None:
    class Sure(FakeWakeWord):
        score = np.float32(0.75)

        def fresh(self) -> Sure:
            return Sure("_w", "jarvis")

    (_, event, chunk), _ = run(vox.wake_word(Sure()), stream("__"))
    assert event == WakeWord("jarvis", 8, 0.75)
    assert event.as_json() == {"event": "wake_word", "word": "jarvis", "position": 8, "score": 0.75}
    assert chunk.start == 4


def test_a_callable_is_a_detector() -> None:
    def spot(samples: rxv.Samples) -> str | None:
        return "hello" if samples[0] > 0 else None

    seen, _ = run(vox.wake_word(spot), stream("__"))
    assert seen[1] == WakeWord("hello", 8)


def test_another_word_is_another_event() -> None:
    answers = iter(["one", "two", "two", None])
    seen, _ = run(vox.wake_word(lambda samples: next(answers)), stream("____"))
    assert [it.word for it in seen if isinstance(it, WakeWord)] == ["one", "two"]


def test_only_what_must_change_changes() -> None:
    elements = [replace(it, probability=0.9, barge_in=True, time=1.0) for it in stream("~_~")]
    elements[1] = replace(elements[1], barge_in=False)
    elements.append(replace(elements[2], speech=None, partial=True))
    closed, silent, opened, tail = (
        it
        for it in run(vox.wake_word(FakeWakeWord("__w"), tail_ms=0), elements)[0]
        if isinstance(it, AudioChunk)
    )
    assert closed == replace(elements[0], speech=False, barge_in=False)
    assert (silent, opened, tail) == tuple(elements[1:])
    assert silent is elements[1]
    assert opened is elements[2]


def test_the_detector_gets_every_chunk_also_while_it_is_open() -> None:
    detector = FakeWakeWord("w")
    elements = stream("_~~_")
    run(vox.wake_word(detector), elements)
    assert [it.tolist() for it in detector.given] == [it.samples.tolist() for it in elements]


def test_what_follows_the_word_is_in_the_turn() -> None:
    """The word is spotted in the fifth chunk, one late; what the user wants begins there."""
    source: Subject[AudioChunk | events.Event] = Subject()
    turns: list[rxv.Turn] = []
    source.pipe(
        vox.wake_word(FakeWakeWord("____w"), tail_ms=80),
        vox.preroll(160),
        vox.turn_window(rxv.silence(80)),
        rxv.only(rxv.Turn),
    ).subscribe(turns.append)
    for chunk in stream("_~~~~~~~~~__"):
        source.on_next(chunk)
    (turn,) = turns
    assert turn.start == 8  # the word ends at 16
    assert turn.audio.tolist() == [n / 4096 for n in range(8, 48)]


def test_the_word_alone_opens_no_turn() -> None:
    source: Subject[AudioChunk | events.Event] = Subject()
    turns: list[rxv.Turn] = []
    source.pipe(
        vox.wake_word(FakeWakeWord("___w"), tail_ms=80),
        vox.preroll(120),
        vox.turn_window(rxv.silence(80)),
        rxv.only(rxv.Turn),
    ).subscribe(turns.append)
    for chunk in stream("_~~~~_____~~__"):
        source.on_next(chunk)
    assert [turn.start for turn in turns] == [28]


def test_two_subscriptions_share_nothing() -> None:
    operator = vox.wake_word(FakeWakeWord("w"), tail_ms=0)
    for _ in range(2):
        seen, _ = run(operator, stream("~~"))
        assert [type(it) for it in seen] == [WakeWord, AudioChunk, AudioChunk]


class Resetting:
    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def spot(self, samples: rxv.Samples) -> str | None:
        return None


def test_a_detector_without_fresh_is_reset() -> None:
    detector = Resetting()
    operator = vox.wake_word(detector)
    assert detector.resets == 0
    run(operator, stream("_"))
    run(operator, stream("_"))
    assert detector.resets == 2


def test_a_detector_that_cannot_begin() -> None:
    class Broken(Resetting):
        def reset(self) -> None:
            raise OSError("no model")

    seen: list[Any] = []
    Subject[AudioChunk | events.Event]().pipe(vox.wake_word(Broken())).subscribe(
        on_error=seen.append
    )
    (error,) = seen
    assert isinstance(error, StageError)
    assert str(error) == "wake_word failed: OSError: no model"


def test_a_failure_costs_the_word_of_that_chunk() -> None:
    answers: list[Any] = [None, ZeroDivisionError("odd"), "a", True, ""]

    def spot(samples: rxv.Samples) -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    seen, end = run(vox.wake_word(spot, max_failures=3, tail_ms=0), stream("~~~~~"))
    assert end == ["completed"]
    assert [getattr(it, "speech", type(it).__name__) for it in seen] == [
        *(False, "Notice", False),
        *("WakeWord", True, "Notice", True, "Notice", True),
    ]
    notices = [it for it in seen if isinstance(it, Notice)]
    assert notices[0].message == (
        "wake_word failed: ZeroDivisionError: odd; the word is not spotted in this chunk "
        "(failure 1; 1 in a row, at 3 the conversation ends)"
    )
    assert [str(it.detail) for it in notices[1:]] == [
        "wake_word failed: TypeError: spot() must give the word, a str, or None, got True (bool)",
        "wake_word failed: TypeError: spot() must give the word, a str, or None, got '' (str)",
    ]


def test_too_many_failures_end_it() -> None:
    def spot(samples: rxv.Samples) -> str | None:
        raise OSError("gone")

    seen, (error,) = run(vox.wake_word(spot, max_failures=2), stream("~~~"))
    assert [type(it) for it in seen] == [Notice, AudioChunk]
    assert isinstance(error, StageError)


def test_a_playing_that_fails() -> None:
    answers: list[Any] = [True, None, 1, 1]
    operator = vox.wake_word(
        FakeWakeWord("w"), tail_ms=0, max_failures=3, playing=lambda: answers.pop(0)
    )
    seen, (error,) = run(operator, stream("~~~~~"))
    assert [type(it) for it in seen] == [
        *(WakeWord, AudioChunk, Notice, AudioChunk, Notice, AudioChunk),
    ]
    assert str(error) == "wake_word failed: TypeError: playing() must give a bool, got 1 (int)"


def test_chunks_that_do_not_fit() -> None:
    class Sized(Resetting):
        chunk_size = 512
        sample_rate = 16_000

    _, (error,) = run(vox.wake_word(Sized()), stream("_"))
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        "this detector wants chunks of 512 samples at 16000 Hz, got 4 at 100 Hz: "
        "use chunk(512, sample_rate=16000)"
    )
    _, (error,) = run(vox.wake_word(FakeWakeWord()), [replace(stream("_")[0], speech=None)])
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        "wanted chunks judged by vad(), got one with speech=None: put vad() before wake_word()"
    )


def test_behind_the_preroll_it_says_so() -> None:
    lead_in = np.zeros(4, np.float32)
    _, (error,) = run(vox.wake_word(FakeWakeWord()), [replace(stream("~")[0], lead_in=lead_in)])
    assert isinstance(error, ConfigError)
    assert str(error) == "wake_word() got a chunk with a lead_in: put preroll() after wake_word()"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"open_ms": 0}, "wake_word open_ms must be at least 1 ms, got 0"),
        ({"open_ms": 2.5}, "wake_word open_ms must be in ms, got 2.5: did you mean 2500 ms?"),
        ({"tail_ms": -1}, "wake_word tail_ms must be at least 0 ms, got -1"),
        ({"max_failures": 0}, "wake_word max_failures must be at least 1 failures, got 0"),
        (
            {"playing": True},
            "wake_word playing must be a callable that gives a bool, or None, got True",
        ),
        (
            {"detector": FakeWakeWord},
            "got the class FakeWakeWord; pass an instance: FakeWakeWord()",
        ),
        (
            {"detector": 3},
            "wanted an object with spot(...) or a callable of that shape, got 3",
        ),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.wake_word(**({"detector": FakeWakeWord()} | options))
    assert str(raised.value) == message


def test_a_conversation() -> None:
    """The question needs the word; the second one, right after the reply, does not."""
    with marbles() as m:
        speaker = FakeSpeaker(m.scheduler)
        spoken = "~~_~~~" + 60 * "_" + "~~~" + 100 * "_" + "~~~" + 60 * "_" + "|"
        asked: list[str] = []
        finished: list[events.Event] = []

        def answer(text: str) -> str:
            asked.append(text)
            return "It is a reply of some length."

        m.cold(spoken).pipe(
            vox.wake_word(
                FakeWakeWord("_w"), open_ms=700, playing=lambda: speaker.is_running, tail_ms=64
            ),
            vox.preroll(500),
            vox.turn_window(rxv.silence(96)),
            vox.converse(
                vox.transcribe(FakeTranscriber("hello")),
                vox.respond(answer),
                vox.synthesize(FakeSynthesizer(samples_per_char=1000)),
                sink=speaker,
            ),
            rxv.only(events.Finished, WakeWord),
        ).subscribe(finished.append, scheduler=m.scheduler)
        m.scheduler.start()
    assert asked == ["hello", "hello"]
    assert [type(it) for it in finished] == [WakeWord, events.Finished, events.Finished]


def test_only_failures_of_playing_in_a_row_count() -> None:
    answers: list[Any] = [None, None, True] * 3
    operator = vox.wake_word(
        FakeWakeWord("w"), tail_ms=0, max_failures=3, playing=lambda: answers.pop(0)
    )
    seen, end = run(operator, stream("~" * 9))
    assert sum(isinstance(it, Notice) for it in seen) == 6
    assert end == ["completed"]
