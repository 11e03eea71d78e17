"""A conversation to interrupt, for the tests of `converse`."""

from __future__ import annotations

from typing import Any

from interruption_kit import VOICE, Talk
from reactivex import Observable

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeTranscriber, Marbles

HI = "~~___"  # 0 to 50 ms; over at 40 ms
LATE = 9_000  # ms, for a pause that is not to end in the test
GOES_ON = "~~_______~~~~____________________________|"
"""A user who pauses after `what_now`'s first word, and goes on."""
TOLD = ("Partial", "ReplyDelta", "Transcribed", "ReplyStarted")


def pad(ms: int) -> str:
    return "_" * (ms // 10)


def what_now(m: Marbles, turn: rxv.Turn) -> Observable[Any]:
    """What a recogniser makes of `GOES_ON`."""
    told = {
        "P": rxv.Transcript(turn, "what", final=False),
        "Q": rxv.Transcript(turn, "what now", final=False),
        "F": rxv.Transcript(turn, "what now"),
    }
    return m.cold("-P------------Q----------------(F|)", told)


def answered(sink: Any, llm: Any = None, **options: Any) -> Any:
    """The operator; "One two. Three four." is its reply to everything."""
    return vox.converse(
        vox.transcribe(FakeTranscriber("hi")),
        vox.respond(llm or Talk("One two. Three four.")),
        vox.synthesize(VOICE),
        sink=sink,
        **options,
    )
