"""A conversation to interrupt, for the tests of `converse`."""

from __future__ import annotations

from typing import Any

from interruption_kit import VOICE, Talk

from rxvoice import operators as vox
from rxvoice.testing import (
    FakeTranscriber,
)

HI = "~~___"  # 0 to 50 ms; over at 40 ms
LATE = 9_000  # ms, for a pause that is not to end in the test
TOLD = ("Partial", "ReplyDelta", "Transcribed", "ReplyStarted")


def pad(ms: int) -> str:
    return "_" * (ms // 10)


def answered(sink: Any, llm: Any = None, **options: Any) -> Any:
    """The operator; "One two. Three four." is its reply to everything."""
    return vox.converse(
        vox.transcribe(FakeTranscriber("hi")),
        vox.respond(llm or Talk("One two. Three four.")),
        vox.synthesize(VOICE),
        sink=sink,
        **options,
    )
