"""Fakes for every slot: models and devices whose answers, and whose time, a test decides.

A fake that takes time takes it on the scheduler of the subscription: on a virtual scheduler, a slow
model costs a test nothing. A fake keeps what it was given, for the test to look at.
"""

from __future__ import annotations

from rxvoice.testing.fakes._detectors import FakeBargeIn, FakePolicy, FakeVad, FakeWakeWord
from rxvoice.testing.fakes._failing import failing
from rxvoice.testing.fakes._sink import FakeSink
from rxvoice.testing.fakes._speaker import FakeSpeaker
from rxvoice.testing.fakes._transcribers import (
    FakeRecognition,
    FakeStreamingTranscriber,
    FakeTranscriber,
)
from rxvoice.testing.fakes._voices import FakeResponder, FakeSynthesizer

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
    "failing",
]
