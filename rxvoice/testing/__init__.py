"""For your tests: marble diagrams of audio, in virtual time, and what to run them with."""

from __future__ import annotations

from rxvoice.testing._speaker import FakeSpeaker
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import (
    FakeBargeIn,
    FakePolicy,
    FakeRecognition,
    FakeResponder,
    FakeSink,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    FakeVad,
    failing,
)
from rxvoice.testing.marbles import (
    Marbles,
    Recorded,
    Source,
    audio,
    like,
    marbles,
    sound,
    turn,
    window,
)

__all__ = [
    "FakeBargeIn",
    "FakePolicy",
    "FakeRecognition",
    "FakeResponder",
    "FakeSink",
    "FakeSpeaker",
    "FakeStreamingTranscriber",
    "FakeSynthesizer",
    "FakeTranscriber",
    "FakeVad",
    "Marbles",
    "Recorded",
    "Source",
    "audio",
    "check_operator",
    "failing",
    "like",
    "marbles",
    "sound",
    "turn",
    "window",
]
