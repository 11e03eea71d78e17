"""`Sink`: any sink is a plain observer."""

from __future__ import annotations

import inspect
import logging
import textwrap

import numpy as np
import pytest
import reactivex as rx
from numpy.typing import NDArray
from reactivex import Subject

from rxvoice import Notice, Reply, Samples, Speech, Transcript, Turn, TurnFailed, sinks
from rxvoice import operators as vox
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.stage_error import StageError

REPLY = Reply(Transcript(Turn.of(np.zeros(512, np.float32), id=3), "hello"), "Hi.")


def speech(samples: NDArray[np.float32] | list[float], rate: int = 24_000) -> Speech:
    return Speech(REPLY, np.asarray(samples, np.float32), rate, "Hi.")


FINAL = Speech(REPLY, np.empty(0, np.float32), 24_000, final=True)
FAILED = TurnFailed(REPLY.turn, StageError("respond", REPLY.turn, OSError("no such model")))


class Log(sinks.Sink):
    """Takes at most `room` samples at once, and logs what it is told."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.log: list[object] = []

    def set_sample_rate(self, hz: int) -> None:
        self.log.append(f"{hz} Hz")

    def write_samples(self, samples: Samples) -> int:
        taken = samples[: self.room]
        if len(taken):
            self.log.append(taken.tolist())
        return len(taken)

    def flush(self) -> None:
        self.log.append("flush")

    def clear(self) -> Samples:
        return np.empty(0, np.float32)

    def stop(self) -> None:
        self.log.append("stop")

    @property
    def is_running(self) -> bool:
        return False


def test_all_speech_is_written_then_flushed_once_then_stopped() -> None:
    sink = Log(room=2)
    rx.of(speech([0, 0.25, 0.5]), speech([1]), FINAL).subscribe(sink)
    assert sink.log == ["24000 Hz", [0, 0.25], [0.5], [1], "flush", "stop"]


def test_the_rate_is_told_when_it_changes() -> None:
    sink = Log()
    rx.of(speech([0]), speech([0.5], 16_000), speech([1], 16_000)).subscribe(sink)
    assert sink.log[:5] == ["24000 Hz", [0], "16000 Hz", [0.5], [1]]


def test_a_sink_that_takes_nothing_raises() -> None:
    with pytest.raises(SinkStalled, match="the sink took 0 of 2 samples"):
        rx.of(speech([0, 1])).subscribe(Log(room=0))


def test_a_failed_turn_is_logged_as_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    sink = Log()
    rx.of(FAILED, speech([1])).subscribe(sink)
    assert caplog.record_tuples == [
        (
            "rxvoice",
            logging.WARNING,
            "turn 3 was not spoken: respond (turn 3) failed: OSError: no such model",
        )
    ]
    assert sink.log == ["24000 Hz", [1], "flush", "stop"]


def test_an_error_finishes_the_sink_and_is_raised() -> None:
    sink = Log()
    source = Subject[Speech]()
    source.subscribe(sink)
    source.on_next(speech([1]))
    with pytest.raises(OSError, match="unplugged"):
        source.on_error(OSError("unplugged"))
    assert sink.log == ["24000 Hz", [1], "flush", "stop"]


def test_an_error_is_raised_even_when_the_sink_cannot_be_finished(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(Log):
        def flush(self) -> None:
            raise OSError("disk full")

    sink = Full()
    with pytest.raises(ValueError, match="first"):
        rx.throw(ValueError("first")).subscribe(sink)
    assert sink.log == ["stop"]
    assert "could not be finished after ValueError('first')" in caplog.text
    assert "disk full" in caplog.text


def test_what_is_not_speech_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError, match="takes Speech or AudioChunk, got Reply: subscribe it to what synth"
    ):
        rx.of(REPLY).subscribe(Log())  # pyright: ignore[reportArgumentType]


def test_with_stops_it() -> None:
    with Log() as sink:
        assert sink.log == []
    assert sink.log == ["stop"]


def test_with_play_it_is_flushed_and_not_stopped() -> None:
    sink = Log()
    rx.of(speech([1]), FINAL).pipe(vox.play(sink)).subscribe(lambda _: None)
    assert sink.log == ["24000 Hz", [1], "flush"]


def test_a_subclass_without_its_five_parts_cannot_be_made() -> None:
    parts = {"write_samples", "flush", "clear", "stop", "is_running"}
    assert sinks.Sink.__abstractmethods__ == parts


def test_the_example_in_its_docstring_runs(capsys: pytest.CaptureFixture[str]) -> None:
    _, example, _ = (inspect.getdoc(sinks.Sink) or "").split("```")
    code = textwrap.dedent(example.removeprefix("python"))
    exec(code, {"Sink": sinks.Sink, "np": np, "speech": rx.of(speech([0.5, -0.5]), FINAL)})
    assert capsys.readouterr().out == "0.50\n"


def test_events_that_come_along_leave_a_subscribed_sink_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = sinks.memory()
    with caplog.at_level(logging.INFO, "rxvoice"):
        rx.of(Notice("so much was lost")).subscribe(sink)
    assert "so much was lost" in caplog.text
    assert len(sink.samples) == 0
