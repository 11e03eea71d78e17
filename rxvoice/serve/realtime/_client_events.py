"""The events of a client, parsed strictly where they matter and leniently where they do not."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.realtime._session_config import ReplyConfig, SessionUpdate, from_beta

LONGEST_ID = 64
_APPENDS = '"input_audio_buffer.append"'


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _ClientEvent(_Wire):
    event_id: str | None = None


class UpdateSession(_ClientEvent):
    """Change the configuration."""

    type: Literal["session.update", "transcription_session.update"]
    session: dict[str, Any]


class AppendAudio(_ClientEvent):
    """Sound of the microphone."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class BufferEvent(_ClientEvent):
    """What happens to the sound so far."""

    type: Literal[
        "input_audio_buffer.commit", "input_audio_buffer.clear", "output_audio_buffer.clear"
    ]


class ContentWire(_Wire):
    """A part of a message."""

    type: Literal[
        "input_text", "input_audio", "input_image", "text", "audio", "output_text", "output_audio"
    ]
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None


class ItemWire(_Wire):
    """An item, or a reference to one."""

    type: Literal["message", "function_call", "function_call_output", "item_reference"]
    id: str | None = Field(None, max_length=LONGEST_ID)
    role: Literal["user", "assistant", "system"] | None = None
    content: list[ContentWire] | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None


class CreateItem(_ClientEvent):
    """Add an item."""

    type: Literal["conversation.item.create"]
    item: ItemWire
    previous_item_id: str | None = None


class ItemEvent(_ClientEvent):
    """Show or remove an item."""

    type: Literal["conversation.item.delete", "conversation.item.retrieve"]
    item_id: str


class TruncateItem(_ClientEvent):
    """Keep what was heard."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0)


class ResponseWire(ReplyConfig):
    """How a response differs from the session's configuration."""

    conversation: str | None = None
    input: list[ItemWire] | None = None
    metadata: dict[str, Any] | None = None


class CreateResponse(_ClientEvent):
    """Ask for a response."""

    type: Literal["response.create"]
    response: dict[str, Any] | None = None


class CancelResponse(_ClientEvent):
    """End a response."""

    type: Literal["response.cancel"]
    response_id: str | None = None


ClientEvent = (
    UpdateSession
    | AppendAudio
    | BufferEvent
    | CreateItem
    | ItemEvent
    | TruncateItem
    | CreateResponse
    | CancelResponse
)

_EVENTS: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="type")])
_APPEND = TypeAdapter(AppendAudio)
_RESPONSE = TypeAdapter(ResponseWire)
_SESSION = TypeAdapter(SessionUpdate)


def event_id_of(message: object) -> str | None:
    """The client's name for the event, if it has a usable one."""
    found = cast("dict[str, object]", message).get("event_id") if _is_object(message) else None
    return found if isinstance(found, str) else None


def read_message(text: str) -> dict[str, Any]:
    """The JSON object of a message.

    Raises:
        ClientError: it is none.
    """
    try:
        message = read_json(text, "the message", finite=True)
    except ConfigError:
        raise ClientError("invalid_json", "Invalid JSON: the message cannot be parsed.") from None
    if not _is_object(message) or not isinstance(cast("Any", message).get("type"), str):
        error = ClientError("invalid_event", 'Invalid event: wanted an object with a "type".')
        error.event_id = event_id_of(message)
        raise error
    return cast("dict[str, Any]", message)


def read_append(text: str) -> AppendAudio | None:
    """The event, if the message appends sound: nearly all do, so this has to be quick."""
    if _APPENDS not in text[:128] and _APPENDS not in text[-128:]:
        return None
    try:
        return _APPEND.validate_json(text)
    except ValidationError:
        return None  # `read_message` and `read_event` say why


def read_event(message: dict[str, Any]) -> ClientEvent:
    """The event of a message.

    Raises:
        ClientError: there is no such event, or one of its fields is wrong.
    """
    given = {key: it for key, it in message.items() if key != "event_id" or isinstance(it, str)}
    try:
        return _EVENTS.validate_python(given)
    except ValidationError as error:
        raise _invalid(error, drop=1) from None


def read_session(given: dict[str, Any]) -> dict[str, Any]:
    """What is to change of a session, in today's names, with only the fields that came."""
    try:
        read = _SESSION.validate_python(from_beta(given))
    except ValidationError as error:
        raise _invalid(error, prefix="session.") from None
    return read.model_dump(exclude_unset=True)


def read_response(given: dict[str, Any]) -> tuple[ResponseWire, dict[str, Any]]:
    """A response's own configuration, parsed, and as the fields that came."""
    try:
        read = _RESPONSE.validate_python(from_beta(given))
    except ValidationError as error:
        raise _invalid(error, prefix="response.") from None
    return read, read.model_dump(exclude_unset=True, exclude={"input", "conversation", "metadata"})


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _invalid(error: ValidationError, *, prefix: str = "", drop: int = 0) -> ClientError:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "union_tag_invalid":
        kind = str(cast("dict[str, object]", first["input"]).get("type"))[:80]
        return ClientError("invalid_value", f"Invalid value: {kind!r}.", "type")
    where = prefix + ".".join(map(str, first["loc"][drop:]))
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    if first["type"] == "missing":
        return ClientError("invalid_value", f"Missing required parameter: '{where}'.", where)
    wanted = first["msg"].removeprefix("Value error, ")
    return ClientError("invalid_value", f"Invalid value: {shown}. {wanted}.", where)
