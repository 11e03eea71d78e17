"""Compare what was expected with what came, and report how they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeAlias, cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.testing._values import Window, differences, equal, show
from rxvoice.testing.notation import Mark, cells
from rxvoice.turn import Turn

_LETTERS = "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"


@dataclass(frozen=True, slots=True)
class Notification:
    """A value, a completion or an error, and its time. `char` is its letter in the diagram."""

    ms: int
    kind: Literal["next", "completed", "error"]
    value: object
    char: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A turn and what it emitted. The times count from the emission of the turn."""

    turn: Turn
    inside: list[Notification]


Inner: TypeAlias = Callable[[Window, int], list[Notification]]
"""What a window is expected to emit if its turn starts at this sample."""


def met(wanted: list[Notification], came: list[Notification], inner: Inner) -> bool:
    """Whether the same notifications came, at the same times and in the same order."""
    return len(wanted) == len(came) and all(
        _same(a, b, inner) for a, b in zip(wanted, came, strict=True)
    )


def _same(wanted: Notification, came: Notification, inner: Inner) -> bool:
    return (wanted.ms, wanted.kind) == (came.ms, came.kind) and _fits(
        wanted.value, came.value, inner
    )


def _fits(wanted: object, came: object, inner: Inner) -> bool:
    if not isinstance(wanted, Window):
        return equal(wanted, came.turn if isinstance(came, Seen) else came)
    if not isinstance(came, Seen):
        return False
    return wanted.about == came.turn and met(inner(wanted, came.turn.start), came.inside, inner)


def report(wanted: list[Notification], came: list[Notification], inner: Inner, tick_ms: int) -> str:
    """Two aligned diagrams, and below them what is missing, what is surplus, and when."""
    return "\n".join(["marbles differ", *_compare(wanted, came, inner, tick_ms)])


def _compare(
    wanted: list[Notification], came: list[Notification], inner: Inner, tick_ms: int
) -> list[str]:
    came = _named(wanted, came, inner)
    lines = _aligned(wanted, came, tick_ms)
    missing, surplus = list(wanted), list[Notification]()
    for event in came:
        found = next((other for other in missing if _same(other, event, inner)), None)
        if found is None:
            surplus.append(event)
        else:
            missing.remove(found)
    if not missing and not surplus:
        return [*lines, "the order at one time differs"]
    notes: list[tuple[int, int, list[str]]] = []
    for event in missing:
        twin = next(
            (other for other in surplus if (other.ms, other.kind) == (event.ms, event.kind)), None
        )
        notes.append((event.ms, 0, [f"at {event.ms} ms expected {_told(event)}"]))
        if twin:
            surplus.remove(twin)
            notes.append((twin.ms, 1, [f"at {twin.ms} ms got      {_told(twin)}"]))
            notes.append((twin.ms, 2, _how(event.value, twin.value, inner, tick_ms)))
    notes += [(event.ms, 3, [f"at {event.ms} ms got      {_told(event)}"]) for event in surplus]
    notes.sort(key=lambda note: note[:2])
    return [*lines, *(line for *_, told in notes for line in told)]


def _how(wanted: object, came: object, inner: Inner, tick_ms: int) -> list[str]:
    turn = came.turn if isinstance(came, Seen) else came
    if isinstance(wanted, Window) and isinstance(came, Seen):
        told = differences(wanted.about, turn)
        expected = inner(wanted, came.turn.start)
        if not met(expected, came.inside, inner):
            told += ["inside:", *_compare(expected, came.inside, inner, tick_ms)]
    else:
        told = differences(wanted, turn)
    return [f"    {line}" for line in told]


def _told(event: Notification) -> str:
    if event.kind == "completed":
        return "| (completion)"
    value = event.value.turn if isinstance(event.value, Seen) else event.value
    return f"{event.char} = {show(value)}"


def _named(
    wanted: list[Notification], came: list[Notification], inner: Inner
) -> list[Notification]:
    """What came, each with the character that a diagram would have for it."""
    letters = {event.char for event in wanted}
    fresh = iter([letter for letter in _LETTERS if letter not in letters])
    known: list[tuple[object, str]] = []
    named: list[Notification] = []
    for event in came:
        char = {"completed": "|", "error": "#"}.get(event.kind, "")
        candidates = (other for other in wanted if _fits(other.value, event.value, inner))
        if not char:
            char = next((other.char for other in candidates if other.kind == "next"), "")
        samples: object = getattr(event.value, "samples", event.value)
        if not char and isinstance(samples, np.ndarray) and _is_audio(event.value):
            char = "~" if np.any(cast("Samples", samples)) else "_"
        if not char:
            char = next((name for value, name in known if equal(value, event.value)), "")
        if not char:
            char = next(fresh, "?")
            known.append((event.value, char))
        named.append(Notification(event.ms, event.kind, event.value, char))
    return named


def _is_audio(value: object) -> bool:
    return isinstance(value, AudioChunk) or hasattr(value, "shape")


def _aligned(wanted: list[Notification], came: list[Notification], tick_ms: int) -> list[str]:
    lines: list[list[str]] = []
    length = 0
    for events in (wanted, came):
        texts = cells([Mark(event.ms // tick_ms, event.char) for event in events])
        lines.append(texts)
        length = max(length, len(texts))
    mine, yours = lines
    widths = [max(len(a), len(b)) for a, b in zip_longest(mine, yours, fillvalue="")]
    drawn = ["".join(f"{t:<{w}}" for t, w in zip(line, widths, strict=False)) for line in lines]
    marks = [
        ("" if a == b else "^").ljust(w)
        for a, b, w in zip(
            mine + [""] * (length - len(mine)),
            yours + [""] * (length - len(yours)),
            widths,
            strict=True,
        )
    ]
    return [
        f"  expected  {drawn[0]}".rstrip(),
        f"  actual    {drawn[1]}".rstrip(),
        f"            {''.join(marks)}".rstrip(),
        f"  1 char = {tick_ms} ms",
    ]
