"""Operators in the wrong order, and what is no model, no worker, no milliseconds: it is said."""

from __future__ import annotations

from asyncio import new_event_loop
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex.scheduler import (
    CurrentThreadScheduler,
    EventLoopScheduler,
    ImmediateScheduler,
    NewThreadScheduler,
    ThreadPoolScheduler,
    TimeoutScheduler,
)
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.scheduler.mainloop import TkinterScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.operators.kernel import Operator
from rxvoice.testing import FakeResponder, FakeSink, FakeSynthesizer, FakeTranscriber, turn

CHUNK = AudioChunk(np.zeros(512, np.float32), speech=True)
TURN = turn("~_")
HEARD = rxv.Transcript(TURN, "hello")


@pytest.mark.parametrize(
    ("operator", "given", "message"),
    [
        (vox.vad(lambda samples: True), TURN, "vad() takes AudioChunk, which chunk() gives, got"),
        (vox.preroll(), TURN, "preroll() takes AudioChunk, which chunk() gives, got Turn:"),
        (vox.barge_in(playing=lambda: True), TURN, "barge_in() takes AudioChunk, which chunk()"),
        (vox.turn_window(), HEARD, "turn_window() takes AudioChunk, which chunk() gives, got"),
        (vox.transcribe(FakeTranscriber("hi")), CHUNK, "transcribe() takes Turn, which turn_win"),
        (vox.respond(FakeResponder("hi")), TURN, "respond() takes Transcript, which transcribe()"),
        (vox.synthesize(FakeSynthesizer()), HEARD, "synthesize() takes Reply, which respond()"),
        (vox.play(rxv.sinks.null()), HEARD, "play() takes Speech, which synthesize() gives, got"),
    ],
)
def test_an_operator_in_the_wrong_place_says_what_it_takes(
    operator: Operator[object, object], given: object, message: str
) -> None:
    errors: list[Exception] = []
    rx.of(given).pipe(operator).subscribe(print, errors.append)
    (error,) = errors
    assert isinstance(error, ConfigError)
    assert str(error).startswith(message)
    assert str(error).endswith(": check the order of the operators")


def hears(audio: rxv.Samples, times: int = 1) -> str:
    return "hello" * times


def makes_a_detector(threshold: float) -> rxv.Silero: ...


class Kitchen:
    """Makes things, and is none of them."""

    def tts(self, voice: str = "en") -> Callable[[str], list[rxv.Samples]]:
        return lambda text: []


FACTORIES = [
    (vox.vad, rxv.silero, "silero"),
    (vox.vad, makes_a_detector, "makes_a_detector"),
    (vox.turn_window, rxv.silence, "silence"),
    (vox.turn_window, rxv.mlx.smart_turn, "smart_turn"),
    (vox.turn_window, rxv.max_duration, "max_duration"),
    (rxv.any_of, rxv.silence, "silence"),
    (partial(vox.barge_in, playing=bool), rxv.energy, "energy"),
    (vox.transcribe, rxv.offline.stt, "stt"),
    (vox.transcribe, rxv.mlx.stt, "stt"),
    (vox.transcribe, rxv.remote.stt, "stt"),
    (vox.respond, rxv.offline.llm, "llm"),
    (vox.respond, rxv.mlx.llm, "llm"),
    (vox.respond, lambda: "hello", "<lambda>"),
    (vox.synthesize, rxv.offline.tts, "tts"),
    (vox.synthesize, rxv.mlx.tts, "tts"),
    (vox.synthesize, partial(rxv.mlx.tts, "a/model"), "tts"),
    (vox.synthesize, Kitchen().tts, "tts"),
    (lambda echo: vox.vad(loud, echo=echo), rxv.echo.correlation, "correlation"),
]


@pytest.mark.parametrize(("operator", "factory", "name"), FACTORIES)
def test_a_function_that_makes_a_slot_is_not_the_slot(
    operator: Callable[[Any], object], factory: object, name: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        operator(factory)
    assert str(raised.value).startswith("wanted an object with ")
    assert str(raised.value).endswith(f"got the function {name}: pass what it returns, {name}(...)")


def loud(samples: rxv.Samples) -> bool:
    return bool(samples.any())


class Asked:
    def __call__(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    "slot", [str.upper, lambda *texts: "hi", partial(max, "a"), Asked(), Asked().__call__, print]
)
def test_what_can_be_asked_is_a_slot(slot: Any) -> None:
    vox.respond(slot)


def test_a_slot_s_other_parameters_may_be_optional() -> None:
    vox.transcribe(hears)


@pytest.mark.parametrize("stage", [vox.transcribe, vox.respond, vox.synthesize])
@pytest.mark.parametrize(
    ("worker", "message"),
    [
        (EventLoopScheduler, "got the class EventLoopScheduler; pass an instance"),
        (rxv.mlx.MlxScheduler, "got the class MlxScheduler; pass an instance"),
        ("models", "EventLoopScheduler(), got 'models'"),
        (NewThreadScheduler(), "NewThreadScheduler takes each step on any thread, and a model "),
        (ThreadPoolScheduler(2), "ThreadPoolScheduler takes each step on any thread"),
        (TimeoutScheduler(), "TimeoutScheduler takes each step on any thread"),
        (ImmediateScheduler(), "ImmediateScheduler has none: worker=None asks the model where"),
        (CurrentThreadScheduler(), "CurrentThreadScheduler has none: worker=None asks"),
        (AsyncIOScheduler(new_event_loop()), "AsyncIOScheduler is the app's, which a model would"),
        (TkinterScheduler(None), "TkinterScheduler is the app's, which a model would hold up"),
    ],
)
def test_what_cannot_be_a_worker(stage: Any, worker: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        stage(hears, worker=worker)
    name = stage.__name__
    assert str(raised.value).startswith(f"{name} worker must be a scheduler with one thread")
    assert message in str(raised.value)


def test_what_can_be_a_worker() -> None:
    with rxv.mlx.MlxScheduler() as models:
        for worker in (None, models, models.text, EventLoopScheduler(), TestScheduler()):
            vox.transcribe(hears, worker=worker)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: rxv.silence(1.6),
            "silence ms must be in ms, got 1.6: did you mean 1600 ms?",
        ),
        (
            lambda: rxv.max_duration(2.5),
            "max_duration ms must be in ms, got 2.5: did you mean 2500 ms?",
        ),
        (lambda: vox.preroll(0.25), "got 0.25: did you mean 250 ms?"),
        (
            lambda: vox.converse(lambda it: it, lambda it: it, sink=FakeSink(), min_speech_ms=0.2),
            "converse min_speech_ms must be in ms, got 0.2: did you mean 200 ms?",
        ),
    ],
)
def test_seconds_are_not_taken_for_milliseconds(make: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert message in str(raised.value)
