"""A client's events become commands of a dialogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pybase64 import b64decode

from rxvoice.serve.realtime import _client_events as wire
from rxvoice.serve.realtime._audio import SoundDecoder
from rxvoice.serve.realtime._errors import ClientError, error_of
from rxvoice.serve.realtime._items import item_of
from rxvoice.serve.realtime._session_config import merged
from rxvoice.serve.realtime._settings import dialogue_settings, reply_settings
from rxvoice.serve.session.dialogue import Dialogue
from rxvoice.serve.session.items import Item
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.request import ReplyRequest

_BLOCK_MS = 100
"""Milliseconds of sound that are heard before others have their turn."""


def updated(config: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A session's configuration with what a client wants to change.

    Raises:
        ClientError: a field is wrong, or the type of the session would change.
    """
    change = wire.read_session(given)
    kind = change.pop("type", None) or config["type"]
    if kind != config["type"]:
        message = f"Invalid value: {kind!r}. The session's type cannot change."
        raise ClientError("invalid_value", message, "session.type")
    if kind == "transcription":
        change = {key: change[key] for key in ("audio", "include", "x_rxvoice") if key in change}
        (change.get("audio") or {}).pop("output", None)
    return merged(config, change)


class WireCommands:
    """Follows the events of one client.

    Args:
        dialogue: follows the commands.
        config: the session's configuration.
        new_id: makes ids.
        on_updated: called with the configuration after each change.

    Attributes:
        config: the session's configuration.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        config: dict[str, Any],
        new_id: Callable[[str], str],
        on_updated: Callable[[dict[str, Any]], None],
    ) -> None:
        self._dialogue = dialogue
        self.config = config
        self._new_id = new_id
        self._on_updated = on_updated
        self._decoder = SoundDecoder(config["audio"]["input"]["format"]["type"])

    def follow(self, text: str) -> Iterator[None]:
        """Do what a message says, step by step: between two steps others may run.

        Raises:
            ClientError: it cannot be done. `event_id` of the error's event is the client's.
        """
        append = wire.read_append(text)
        message = wire.read_message(text) if append is None else {}
        event_id, kind = wire.event_id_of(message), message.get("type", "")
        if append is not None:
            event_id = append.event_id
        try:
            yield from self._follow(append or wire.read_event(message))
        except Refused as refused:
            error = error_of(refused, kind)
            error.event_id = event_id
            raise error from None
        except ClientError as error:
            error.event_id = event_id
            raise

    def _follow(self, event: wire.ClientEvent) -> Iterator[None]:
        dialogue = self._dialogue
        match event:
            case wire.AppendAudio():
                yield from self._hear(event.audio)
            case wire.UpdateSession():
                self._update(event)
            case wire.BufferEvent(type="input_audio_buffer.commit"):
                dialogue.hear(self._decoder.end())
                dialogue.commit()
            case wire.BufferEvent(type="input_audio_buffer.clear"):
                self._decoder.end()
                dialogue.clear()
            case wire.BufferEvent():
                dialogue.stop_sound()
            case wire.CreateItem():
                item = item_of(event.item, self._new_id)
                dialogue.add_item(item, event.previous_item_id)
            case wire.ItemEvent(type="conversation.item.delete"):
                dialogue.delete_item(event.item_id)
            case wire.ItemEvent():
                dialogue.show_item(event.item_id)
            case wire.TruncateItem():
                dialogue.cut_item(event.item_id, event.content_index, event.audio_end_ms)
            case wire.CreateResponse():
                dialogue.create_reply(self._request(event.response or {}))
            case wire.CancelResponse():
                dialogue.cancel_reply(event.response_id)

    def _hear(self, audio: str) -> Iterator[None]:
        try:
            data = b64decode(audio, validate=True)
        except ValueError:
            message = "Invalid audio: wanted base64."
            raise ClientError("invalid_value", message, "audio") from None
        width = self._decoder.width
        if len(data) % width:
            message = f"Invalid audio: wanted samples of {width} bytes, got {len(data)} bytes."
            raise ClientError("invalid_value", message, "audio")
        block = self._decoder.bytes_of(_BLOCK_MS)
        for at in range(0, len(data), block):
            self._dialogue.hear(self._decoder.read(data[at : at + block]))
            yield

    def _update(self, event: wire.UpdateSession) -> None:
        given = dict(event.session)
        if event.type == "transcription_session.update":
            given["type"] = "transcription"
        self.config = updated(self.config, given)
        encoding = self.config["audio"]["input"]["format"]["type"]
        if encoding != self._decoder.encoding:
            self._decoder = SoundDecoder(encoding)
        self._dialogue.configure(dialogue_settings(self.config))
        self._on_updated(self.config)

    def _request(self, given: dict[str, Any]) -> ReplyRequest:
        if self.config["type"] == "transcription":
            raise Refused("only_listens", "")
        response, change = wire.read_response(given)
        if response.conversation not in (None, "auto", "none"):
            message = f"Invalid value: {response.conversation!r}. Wanted 'auto' or 'none'."
            raise ClientError("invalid_value", message, "response.conversation")
        config = merged(self.config, change)
        return ReplyRequest(
            settings=reply_settings(config, response.metadata),
            aside=response.conversation == "none",
            given=None if response.input is None else list(map(self._given, response.input)),
        )

    def _given(self, item: wire.ItemWire) -> Item:
        if item.type == "item_reference":
            return self._dialogue.item(item.id or "")
        return item_of(item, self._new_id)
