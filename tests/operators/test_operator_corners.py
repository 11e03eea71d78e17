"""Corners of single operators that no other test turns into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reactivex import Subject
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Transcript
from rxvoice.events import Finished, TurnMetrics, TurnOpened
from rxvoice.operators._conversation.spoken_reply import ReplyText
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn, TurnWriter

HEARD = Transcript(Turn.of(np.zeros(4, np.float32)), "hi")


def results(elements: list[Any], operator: Any) -> tuple[list[Any], list[Any]]:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    end: list[Any] = []
    source.pipe(operator).subscribe(seen.append, end.append, lambda: end.append("completed"))
    for element in elements:
        source.on_next(element)
    source.on_completed()
    return seen, end


def test_what_is_not_said_was_not_heard_before_what_follows_it() -> None:
    said, _ = results([Reply(HEARD, "Hello. 😀 Bye."), Reply(HEARD, final=True)], vox.speakable())
    text = ReplyText()
    for reply in said:
        text.add(reply)
    assert text.spoken == "Hello. Bye."
    assert text.up_to(len("Hello.")) == "Hello."
    assert text.up_to(len("Hello. B")) == "Hello. 😀 B"


def test_metrics_are_rounded_to_microseconds() -> None:
    clock = TestScheduler()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.metrics()).subscribe(seen.append, scheduler=clock)
    writer = TurnWriter(1, 0, 1000)
    source.on_next(TurnOpened(writer.turn))
    writer.append(AudioChunk(np.zeros(10, np.float32), 1000, speech=True, time=0.0))
    writer.close("policy", 1)
    clock.advance_to(1.2345674)
    source.on_next(Finished(writer.turn, ""))
    (told,) = (it for it in seen if isinstance(it, TurnMetrics))
    assert told.over_ms == 1224.567


@pytest.mark.parametrize(
    "when", ["begin", "process_reverse_stream", "process_stream", "set_stream_delay_ms"]
)
@pytest.mark.parametrize("chunks", [1, 0.5])
def test_an_echo_canceller_that_fails_is_an_error_of_the_stream(
    when: str, chunks: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a chunk, or at the end with what is left of one."""
    rtc = pytest.importorskip("livekit.rtc")

    class Module:
        def __init__(self, **_: Any) -> None:
            if when == "begin":
                raise RuntimeError("no memory")

        def process_reverse_stream(self, frame: Any) -> None:
            if when == "process_reverse_stream":
                raise RuntimeError("no memory")

        def set_stream_delay_ms(self, ms: int) -> None:
            if when == "set_stream_delay_ms":
                raise RuntimeError("no memory")

        def process_stream(self, frame: Any) -> None:
            if when == "process_stream":
                raise RuntimeError("no memory")

    class Silent:
        def at(self, time: float, n: int, sample_rate: int) -> rxv.Samples:
            return np.zeros(n, np.float32)

    operator = vox.cancel_echo(Silent())
    monkeypatch.setattr(rtc, "AudioProcessingModule", Module)
    chunk = AudioChunk(np.zeros(int(160 * chunks), np.float32))
    seen, (error,) = results([chunk], operator)
    assert seen == []
    assert isinstance(error, StageError)
    assert str(error) == "cancel_echo failed: RuntimeError: no memory"


@pytest.mark.parametrize("missing", ["word", "start", "end"])
@pytest.mark.parametrize("given", ["nothing", None, float("nan")])
def test_a_word_of_which_something_is_not_known_is_left_out(missing: str, given: Any) -> None:
    whole: dict[str, Any] = {"word": "there", "start": 0.5, "end": 0.9}
    part = {key: it for key, it in whole.items() if key != missing}
    if given != "nothing":
        part[missing] = given
    answer = {"text": "hi there", "words": [{"word": "hi", "start": 0.1, "end": 0.4}, part]}
    transcribe = vox.transcribe(lambda _: answer)
    (told,), _ = results([Turn.of(np.zeros(16_000, np.float32))], transcribe)
    assert isinstance(told, Transcript)
    assert told.words == (("hi", 0.1, 0.4),)
