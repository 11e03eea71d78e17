"""Items on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rxvoice._text.unicode import whole_text
from rxvoice.serve.realtime._client_events import ContentWire, ItemWire
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.session.items import Item, ItemPart, Role

T = TypeVar("T")


def item_of(wire: ItemWire, new_id: Callable[[str], str]) -> Item:
    """The item that a client describes.

    Raises:
        ClientError: something that it needs is missing.
    """
    item_id = wire.id or new_id("item")
    match wire.type:
        case "function_call_output":
            call_id = _wanted(wire.call_id, "item.call_id")
            output = _wanted(wire.output, "item.output")
            return Item(id=item_id, kind="result", call_id=call_id, text=whole_text(output))
        case "function_call":
            return Item(
                id=item_id,
                kind="call",
                role="assistant",
                name=_wanted(wire.name, "item.name"),
                call_id=wire.call_id or new_id("call"),
                text=wire.arguments or "{}",
            )
        case "message":
            role: Role = _wanted(wire.role, "item.role")
            parts = tuple(map(_part, _wanted(wire.content, "item.content")))
            return Item(id=item_id, role=role, parts=parts)
        case _:
            raise ClientError("invalid_value", f"Invalid value: {wire.type!r}.", "item.type")


def _wanted(value: T | None, where: str) -> T:
    if value is None:
        raise ClientError("invalid_value", f"Missing required parameter: '{where}'.", where)
    return value


def _part(content: ContentWire) -> ItemPart:
    if content.type == "input_image":
        message = "Invalid value: 'input_image'. These models take no pictures."
        raise ClientError("invalid_value", message, "item.content.type")
    if content.type in ("input_audio", "output_audio", "audio"):
        if content.transcript is None:
            message = "Audio in an item needs its transcript: append it to the input buffer."
            raise ClientError("invalid_value", message, "item.content.transcript")
        return ItemPart(True, whole_text(content.transcript))
    return ItemPart(False, whole_text(_wanted(content.text, "item.content.text")))


def item_wire(item: Item) -> dict[str, Any]:
    """The item as clients parse it."""
    wire: dict[str, Any] = {"id": item.id, "object": "realtime.item"}
    if item.kind == "result":
        output = {"call_id": item.call_id, "output": item.text}
        return {**wire, "type": "function_call_output", "status": item.status, **output}
    if item.kind == "call":
        call = {"name": item.name, "call_id": item.call_id, "arguments": item.text}
        return {**wire, "type": "function_call", "status": item.status, **call}
    content = [_content(part, item.role == "assistant") for part in item.parts]
    return {
        **wire,
        "type": "message",
        "status": item.status,
        "role": item.role,
        "content": content,
    }


def _content(part: ItemPart, output: bool) -> dict[str, Any]:
    way = "output" if output else "input"
    if part.spoken:
        return {"type": f"{way}_audio", "transcript": part.text}
    return {"type": f"{way}_text", "text": part.text or ""}
