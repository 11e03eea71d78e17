"""An echo detector, asked about a chunk."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

from rxvoice._answers.shapes import yes_or_no
from rxvoice._check import method
from rxvoice.chunks import AudioChunk
from rxvoice.slots import EchoSlot


def echo_judge(slot: EchoSlot) -> Callable[[AudioChunk], bool]:
    """What says of a chunk whether it is an echo, told the time of its capture if it wants it."""
    ask = method(slot, "is_echo")
    if "time" in signature(ask).parameters:
        return lambda chunk: yes_or_no(ask(chunk.samples, time=chunk.time), "is_echo()")
    return lambda chunk: yes_or_no(ask(chunk.samples), "is_echo()")
