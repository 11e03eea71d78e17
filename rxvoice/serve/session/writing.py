"""A language model writes what follows the items of a dialogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.deliver import deliver
from rxvoice._answers.limits import Watch, limits
from rxvoice._answers.shapes import Text, text
from rxvoice._check import method
from rxvoice._language.calls import WrittenCall
from rxvoice.conversation import CalledFunction, Message
from rxvoice.events import Notice
from rxvoice.serve.session.happenings import Usage
from rxvoice.serve.session.items import Item

_SILENT_MS = 30_000
_TOTAL_MS = 300_000


def messages_of(items: Iterable[Item], instructions: str) -> list[Message]:
    """The items as messages of a chat. Blank ones, and calls without a result, are left out."""
    given = list(items)
    results = {it.call_id for it in given if it.kind == "result"}
    names = {it.call_id: it.name for it in given if it.kind == "call"}
    system = [instructions] if instructions else []
    messages: list[Message] = []
    for item in given:
        if item.kind == "call":
            if item.call_id in results:
                messages.append(_call(item))
        elif item.kind == "result":
            if item.call_id in names:
                messages.append(_result(item, names[item.call_id]))
        elif words := item.words.strip():
            if item.role == "system":
                system.append(words)
            else:
                messages.append({"role": item.role, "content": words})
    prompt = "\n\n".join(system)
    if prompt and not any(message["role"] == "user" for message in messages):
        # Most chat templates want somebody to ask.
        return [*messages, {"role": "user", "content": prompt}]
    head: list[Message] = [{"role": "system", "content": prompt}] if prompt else []
    return [*head, *messages]


def _call(item: Item) -> Message:
    try:
        given = json.loads(item.text or "{}")
    except (ValueError, RecursionError):  # a client wrote it
        given = None
    arguments = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    function: CalledFunction = {"name": item.name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": item.call_id, "type": "function", "function": function}],
    }


def _result(item: Item, name: str) -> Message:
    return {"role": "tool", "content": item.text, "name": name, "tool_call_id": item.call_id}


class Writer:
    """A language model of one dialogue.

    Args:
        model: has ``write(messages, tools=...)``, or only ``respond(text)``.
        worker: where it runs.
        scheduler: where its pieces are delivered.
    """

    def __init__(
        self, model: Any, worker: abc.SchedulerBase | None, scheduler: abc.SchedulerBase
    ) -> None:
        self._model = model
        self._worker = worker
        self._scheduler = scheduler
        self._write: Callable[..., Any] | None = getattr(model, "write", None)
        self._respond = None if self._write else method(model, "respond")

    @property
    def instructions(self) -> str:
        """The model's own system prompt."""
        conversation = getattr(self._model, "conversation", None)
        return cast("str | None", getattr(conversation, "system", None)) or ""

    @property
    def usage(self) -> Usage | None:
        """What the last answer cost; None if the model does not tell."""
        stats = getattr(self._model, "stats", None)
        if stats is None:
            return None
        read = stats.prompt_tokens
        return Usage(read, max(0, read - stats.prefilled_tokens), stats.generated_tokens)

    def write(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        on_piece: Callable[[str | Notice | WrittenCall], None],
        on_end: Callable[[], None],
        on_error: Callable[[BaseException], None],
        life: CompositeDisposable,
    ) -> None:
        """Write. The pieces come to `on_piece` until `life` is disposed."""
        said = Text()

        def ask() -> Any:
            if self._write is not None:
                return self._write(list(messages), tools=list(tools))
            assert self._respond is not None
            return self._respond(messages[-1]["content"] if messages else "")

        def take(piece: str | Notice | WrittenCall) -> None:
            if not isinstance(piece, str):
                on_piece(piece)
            elif new := said.add(piece):
                on_piece(new)

        def end() -> None:
            if new := said.end():
                on_piece(new)
            on_end()

        time_limits = limits("the language model", _SILENT_MS, _TOTAL_MS)
        deliver(
            ask,
            take,
            end,
            on_error,
            life=life,
            worker=self._worker,
            scheduler=self._scheduler,
            convert=_piece,
            watch=Watch(time_limits, SubscriptionClock(self._scheduler), life, on_error),
        )


def _piece(piece: object) -> str | Notice | WrittenCall:
    if isinstance(piece, Notice | WrittenCall):
        return piece
    return text(piece)
