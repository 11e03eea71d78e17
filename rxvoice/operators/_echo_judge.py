"""`echo_judge`: one call for every shape of echo detector."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from rxvoice._answers.shapes import yes_or_no
from rxvoice._check import method
from rxvoice.chunks import AudioChunk
from rxvoice.slots import EchoSlot


def echo_judge(slot: EchoSlot) -> Callable[[AudioChunk], bool]:
    """A function that says whether a chunk is an echo. It passes the chunk's ``time`` if wanted."""
    ask = method(slot, "is_echo")
    if "time" in signature(ask).parameters:
        return lambda chunk: yes_or_no(ask(chunk.samples, time=chunk.time), "is_echo()")
    return lambda chunk: yes_or_no(ask(chunk.samples), "is_echo()")
