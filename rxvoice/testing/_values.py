"""The values of a legend, beside plain ones: chunks, turns, and values known in part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._value import brief, same
from rxvoice.chunks import AudioChunk
from rxvoice.testing.notation import Diagram, parse
from rxvoice.turn import EndedBy, Turn

Audio: TypeAlias = Literal["judged", "unjudged", "arrays"]
"""What ``_`` and ``~`` stand for: chunks after `vad`, chunks before `vad`, or plain arrays."""

SPEECH_LEVEL = 0.25


@dataclass(frozen=True, slots=True)
class LegendChunk:
    """A chunk whose ``start`` is counted along its diagram: see `sound`."""

    level: float
    size: int | None
    speech: bool | None
    probability: float | None
    barge_in: bool
    lead_in: str | None
    partial: bool

    def samples(self, chunk_size: int) -> Samples:
        size = chunk_size if self.size is None else self.size
        return np.full(size, self.level, np.float32)

    def chunk(self, start: int, chunk_size: int, sample_rate: int) -> AudioChunk:
        lead_in = self.lead_in
        return AudioChunk(
            self.samples(chunk_size),
            sample_rate,
            start,
            speech=self.speech,
            probability=self.probability,
            barge_in=self.barge_in,
            lead_in=None if lead_in is None else audio(lead_in, chunk_size=chunk_size),
            partial=self.partial,
        )


def sound(
    level: float = SPEECH_LEVEL,
    *,
    size: int | None = None,
    speech: bool | None = None,
    probability: float | None = None,
    barge_in: bool = False,
    lead_in: str | None = None,
    partial: bool = False,
) -> LegendChunk:
    """A value for a legend: an `AudioChunk` whose ``start`` is counted along the diagram.

    ``_`` is ``sound(0, speech=False)``, ``~`` is ``sound(speech=True)``.

    Args:
        level: the value of every sample, -1 to 1.
        size: how many samples, 0 or more; None for the chunk size of the runner.
        lead_in: a diagram of ``_`` and ``~``.

    The other arguments are as in `AudioChunk`. A diagram of plain arrays takes only the samples.
    """
    return LegendChunk(level, size, speech, probability, barge_in, lead_in, partial)


def audio(diagram: str, *, chunk_size: int = 512) -> Samples:
    """The samples of a diagram of ``_`` and ``~``, joined. Other characters raise.

    Args:
        chunk_size: samples per character, 1 or more.
    """
    parsed = parse(diagram)
    for mark in parsed.marks:
        if mark.char not in "_~":
            parsed.reject(mark, "audio is made of '_' and '~'")
    levels = [SPEECH_LEVEL if mark.char == "~" else 0.0 for mark in parsed.marks]
    return np.repeat(np.asarray(levels, np.float32), chunk_size)


def turn(
    diagram: str,
    *,
    id: int = 1,
    start: int = 0,
    ended_by: EndedBy = "policy",
    chunks_consumed: int = 0,
    barge_in: bool = False,
    source: str | None = None,
    chunk_size: int = 512,
    sample_rate: int = 16_000,
) -> Turn:
    """A finished turn whose audio is a diagram of ``_`` and ``~``.

    Args:
        start: index of its first sample.
        chunk_size: samples per character.
        sample_rate: Hz.

    The other arguments are as in `Turn`.
    """
    return Turn.of(
        audio(diagram, chunk_size=chunk_size),
        id=id,
        start=start,
        sample_rate=sample_rate,
        chunks_consumed=chunks_consumed,
        barge_in=barge_in,
        ended_by=ended_by,
        source=source,
    )


class Like:
    """Equal to every value that has these attributes: see `like`."""

    __slots__ = ("attributes", "kind")

    def __init__(self, kind: type | None, attributes: Mapping[str, object]) -> None:
        self.kind = kind
        self.attributes = attributes

    def __eq__(self, other: object) -> bool:
        if self.kind is not None and not isinstance(other, self.kind):
            return False
        return all(
            hasattr(other, name) and equal(wanted, getattr(other, name))
            for name, wanted in self.attributes.items()
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        kind = [self.kind.__name__] if self.kind else []
        told = [f"{name}={show(value)}" for name, value in self.attributes.items()]
        return f"like({', '.join(kind + told)})"


def like(kind: type | None = None, /, **attributes: object) -> Like:
    """A value for a legend, equal to every value that has these attributes.

    Args:
        kind: the class of the value; None for any.
        attributes: the attributes by name. An attribute may be a `like` itself.
    """
    return Like(kind, attributes)


@dataclass(frozen=True, slots=True)
class Window:
    """A turn, what it emits, and when: see `window`."""

    diagram: Diagram
    legend: Mapping[str, object]
    about: Like

    def __repr__(self) -> str:
        about = f", {self.about!r}" if self.about.attributes else ""
        return f"window({self.diagram.text.strip()!r}{about})"


def window(
    diagram: str, legend: Mapping[str, object] | None = None, /, **attributes: object
) -> Window:
    """A value for a legend: a `Turn` that emits this diagram, from the tick of its own letter on.

    In a source, the window opens a turn and fills it. In an expectation, a turn must emit exactly
    this diagram. The ``start`` of the chunks is counted from the ``start`` of the turn.

    Args:
        diagram: ``_``, ``~`` and letters of the legend, from the tick on which the turn opens.
        legend: the legend of this diagram.
        attributes: attributes of the turn after the run. A source takes ``id``, ``start``,
            ``chunks_consumed``, ``ended_by`` and ``source``; without them, 1, 0, 0, ``"policy"``
            and None.
    """
    legend = legend or {}
    return Window(parse(diagram, legend), legend, Like(None, attributes))


def equal(wanted: object, came: object) -> bool:
    """Whether the value that came is the one that was wanted.

    Arrays are compared by content, errors by type and message. An error may be wanted as an
    instance, as a type, or as a type and a regular expression.
    """
    if isinstance(came, BaseException):
        return _equal_error(wanted, came)
    if isinstance(wanted, list | tuple) and isinstance(came, list | tuple):
        mine, yours = cast("list[object]", wanted), cast("list[object]", came)
        return (
            type(mine) is type(yours)
            and len(mine) == len(yours)
            and all(equal(a, b) for a, b in zip(mine, yours, strict=True))
        )
    if isinstance(wanted, dict) and isinstance(came, dict):
        ours, theirs = cast("dict[object, object]", wanted), cast("dict[object, object]", came)
        return ours.keys() == theirs.keys() and all(equal(v, theirs[k]) for k, v in ours.items())
    return bool(same(cast(object, wanted), came))


def _equal_error(wanted: object, came: BaseException) -> bool:
    match wanted:
        case BaseException():
            return type(wanted) is type(came) and str(wanted) == str(came)
        case type():
            return isinstance(came, wanted)
        case (type() as kind, str() as pattern):
            return isinstance(came, kind) and re.search(pattern, str(came)) is not None
        case Like():
            return wanted == came
        case _:
            return False


def show(value: object) -> str:
    """A value in one line; of an array, its type, shape and range."""
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        extent = f" in [{array.min():g}, {array.max():g}]" if array.size else ""
        return brief(array) + extent
    if isinstance(value, BaseException):
        return f"{type(value).__name__}({str(value)!r})"
    return brief(value)


def differences(wanted: object, came: object) -> list[str]:
    """How two values of one kind differ, by attribute; empty if their kinds differ."""
    names: list[str] = []
    if isinstance(wanted, Like):
        told = wanted.attributes
        names = [name for name in told if hasattr(came, name)]
        pairs = [(name, told[name], getattr(came, name)) for name in names]
    elif is_dataclass(wanted) and type(wanted) is type(came):
        names = [field.name for field in fields(wanted)]
        pairs = [(name, getattr(wanted, name), getattr(came, name)) for name in names]
    elif isinstance(wanted, Turn) and isinstance(came, Turn):
        names = ["id", "start", "sample_rate", "barge_in", "ended_by", "chunks_consumed", "audio"]
        pairs = [(name, getattr(wanted, name), getattr(came, name)) for name in names]
    else:
        return []
    return [
        f"{name}: expected {show(mine)}, got {show(yours)}{_where(mine, yours)}"
        for name, mine, yours in pairs
        if not equal(mine, yours)
    ]


def _where(wanted: object, came: object) -> str:
    if not (isinstance(wanted, np.ndarray) and isinstance(came, np.ndarray)):
        return ""
    mine, yours = cast("Samples", wanted), cast("Samples", came)
    if mine.shape != yours.shape or mine.dtype != yours.dtype:
        return ""
    return f", first at index {int(np.flatnonzero(mine != yours)[0])}"
