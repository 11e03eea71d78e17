"""`Event`, and the two events that any stage may emit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from rxvoice._value import Value
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


class Event(Value):
    """The base of all events. An event travels with the elements, in order, past later stages."""

    __slots__ = ()

    def as_json(self) -> dict[str, object]:
        """A dict for ``json.dumps``: the event's name as ``"event"``, and its fields.

        A turn becomes its ``id``, an error its message, and an array its shape. If the turn has a
        ``source``, it is added as ``"source"``.
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
    """Emitted in place of a turn's element when a model fails the turn. The stream goes on.

    Args:
        turn: the turn.
        error: the stage that failed, and why.
    """

    turn: Turn
    error: StageError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Notice(Event):
    """Emitted when something happens that the app or its user may want to know.

    An example is the call of a tool. A model gives a `Notice` among the pieces of its answer; the
    stage adds ``turn`` and ``stage`` and emits it. Operators emit one when they survive a failure.

    Args:
        message: a sentence for people.
        detail: the object that the message is about, such as a `ToolCall`, or None.
        turn: the turn during which it happened, or None.
        stage: the operator that called the model, or None.
    """

    message: str
    detail: object = None
    turn: Turn | None = None
    stage: str | None = None
