"""What goes wrong with a client's event, as the client is told."""

from __future__ import annotations

from rxvoice.serve.session.refusal import Refused


class ClientError(Exception):
    """An event that cannot be followed. The session goes on.

    Attributes:
        code: names the reason, for programs.
        param: the field that is wrong, or None.
        event_id: the client's name for the event, or None.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.event_id: str | None = None

    def wire(self) -> dict[str, object]:
        """The error as clients parse it."""
        return {
            "type": "invalid_request_error",
            "code": self.code,
            "message": str(self),
            "param": self.param,
            "event_id": self.event_id,
        }


_NO_ITEM = {
    "conversation.item.retrieve": ("item_retrieve_invalid_item_id", "retrieving"),
    "conversation.item.delete": ("item_delete_invalid_item_id", "deleting"),
    "conversation.item.truncate": ("item_truncate_invalid_item_id", "truncating"),
}


def error_of(refused: Refused, event_type: str) -> ClientError:
    """The error for a command that a dialogue refused."""
    about = refused.about
    match refused.reason:
        case "busy":
            return ClientError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {about}. Wait until "
                "the response is finished before creating a new one.",
            )
        case "not_replying":
            which = f" with id {about!r}" if about else ""
            message = f"Cancellation failed: no active response{which} found"
            return ClientError("response_cancel_not_active", message)
        case "too_short":
            return ClientError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms "
                f"of audio, but buffer only has {about}ms of audio.",
            )
        case "no_item":
            code, doing = _NO_ITEM.get(event_type, ("invalid_value", "finding"))
            message = f"Error {doing} item: the item with id {about!r} does not exist."
            return ClientError(code, message, "item_id")
        case "duplicate":
            message = f"Error adding item: an item with id {about!r} already exists."
            return ClientError("item_create_duplicate_item_id", message, "item.id")
        case "no_previous":
            message = f"Error adding item: the previous item with id {about!r} does not exist."
            return ClientError("invalid_value", message, "previous_item_id")
        case "not_spoken":
            message = f"Error truncating item: {about!r} is no spoken message of the assistant."
            return ClientError("invalid_value", message, "item_id")
        case "too_long":
            message = (
                f"Error adding item: the conversation is too long, with {about} items. Delete "
                "some, or begin another session."
            )
            return ClientError("conversation_too_long", message, "item")
        case "too_many":
            message = (
                f"Too many responses outside of the conversation: {about} are in progress. Wait "
                "until one is finished."
            )
            return ClientError("rate_limit_exceeded", message)
        case "only_listens":
            message = "This is a transcription session: it gives no responses."
            return ClientError("invalid_event", message, "type")
