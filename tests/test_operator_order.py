"""Operators in the wrong order say so, instead of missing an attribute."""

from __future__ import annotations

import numpy as np
import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.operators.kernel import Operator
from rxvoice.testing import FakeResponder, FakeSynthesizer, FakeTranscriber, turn

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


def test_a_function_that_makes_a_slot_is_not_the_slot() -> None:
    def silero() -> None: ...

    with pytest.raises(ConfigError, match=r"^got the function silero; pass what it gives: silero"):
        vox.vad(silero)  # type: ignore[arg-type]
