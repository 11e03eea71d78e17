"""What every event is, and the two that any stage may emit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from rxvoice._value import Value
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


class Event(Value):
    """What happened beside the elements: travels with them, in order, past every later stage."""

    __slots__ = ()

    def as_json(self) -> dict[str, object]:
        """The event as ``json.dumps`` takes it: ``"event"``, its name, and its fields.

        A turn is its ``id``, an error its message, an array its shape. Of a turn that has one, its
        ``"source"`` is there, too.
        """
        name = "_".join(re.findall("[A-Z][a-z0-9]*", type(self).__name__)).lower()
        values = {it.name: _plain(getattr(self, it.name)) for it in fields(cast(Any, self))}
        source = getattr(getattr(self, "turn", None), "source", None)
        return {"event": name, **values, **({} if source is None else {"source": source})}


def _plain(value: object) -> object:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[object]", value)]
    shape = getattr(value, "shape", None)
    if shape is not None:
        return list(shape)
    identity = getattr(value, "id", None)
    return identity if isinstance(identity, (int, str)) else str(value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnFailed(Event):
    """A turn that a model failed: delivered in the turn's place; the stream goes on."""

    turn: Turn
    error: StageError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Notice(Event):
    """Something that the app or its user may want to know of, such as a tool that was called.

    A model gives one among the pieces of its answer, with what it knows; the stage fills in the
    rest and passes it on.

    Args:
        message: a sentence for people.
        detail: the thing itself, such as a `ToolCall`; None where there is none.
        turn: the turn during which it happened.
        stage: the operator that the model was called by.
    """

    message: str
    detail: object = None
    turn: Turn | None = None
    stage: str | None = None
