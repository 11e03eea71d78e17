"""Tools for your tests: marble diagrams of audio in virtual time, and fakes for every slot.

- `marbles` runs marble diagrams. `notation` parses their text. `_values`, `_timeline` and `_report`
  give them their values, their time and their error messages.
- `fakes` are models and devices for every slot.
- `replay` makes a recorded conversation a test.
- `check_operator` runs the battery of cases that every operator passes.
"""

from __future__ import annotations

from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import (
    FakeBargeIn,
    FakePolicy,
    FakeRecognition,
    FakeResponder,
    FakeSink,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    FakeVad,
    FakeWakeWord,
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
from rxvoice.testing.replay import replay

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
    "FakeWakeWord",
    "Marbles",
    "Recorded",
    "Source",
    "audio",
    "check_operator",
    "failing",
    "like",
    "marbles",
    "replay",
    "sound",
    "turn",
    "window",
]
