"""What came out of a pipe, as JSON: what a replay compares."""

from __future__ import annotations

import zlib
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np

from rxvoice.elements import Reply, Transcript
from rxvoice.events import Candidate, TurnOpened
from rxvoice.turn import Turn

__all__ = ["described"]


def described(element: object, *, content: bool = True) -> dict[str, object]:
    """The name of the element as ``"e"``, its turn's id, and its fields as ``"v"``.

    Sound becomes its length and a checksum; what an element comes from, no more than the turn.
    """
    turn = element if isinstance(element, Turn) else getattr(element, "turn", None)
    shown: dict[str, object] = {"e": type(element).__name__}
    if isinstance(turn, Turn):
        shown["turn"] = turn.id
    if isinstance(element, Turn):
        shown["v"] = {"start": element.start, "rate": element.sample_rate}
    elif is_dataclass(element):
        shown["v"] = {
            it.name: _plain(getattr(element, it.name), content)
            for it in fields(element)
            if it.compare and it.name not in ("turn", "transcript", "reply")
        }
        if isinstance(element, TurnOpened | Candidate):
            shown["v"] = {"start": element.turn.start, "rate": element.turn.sample_rate}
    else:
        shown["v"] = _plain(element, content)
    return shown


def _plain(value: Any, content: bool) -> object:
    if isinstance(value, str):
        return value if content else {"chars": len(value)}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.generic):
        return cast("object", value.item())
    if getattr(value, "shape", None) is not None:
        return _sound(value)
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(name): _plain(it, content) for name, it in items}
    if isinstance(value, list | tuple):
        return [_plain(it, content) for it in cast("list[object]", value)]
    if isinstance(value, Turn):
        return value.id
    if isinstance(value, Transcript | Reply):
        return _plain(value.text, content)
    return _plain(str(value), content) if content else type(value).__name__


def _sound(samples: Any) -> dict[str, object]:
    whole = np.ascontiguousarray(np.asarray(samples, np.float32))
    return {"n": len(whole), "crc": zlib.crc32(whole.tobytes())}
