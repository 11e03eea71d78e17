"""Logs what is said, for whoever asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("rxvoice")

_SAID = {
    "conversation.item.input_audio_transcription.completed": ("user", "transcript"),
    "response.output_audio_transcript.done": ("assistant", "transcript"),
    "response.output_text.done": ("assistant", "text"),
    "response.function_call_arguments.done": ("call", "arguments"),
}


def logging_content(rewrite: Callable[[Any], list[Any]] | None) -> Callable[[Any], list[Any]]:
    """Log what each event of a session says, and pass it on.

    Args:
        rewrite: what makes of an event the events that are sent; None for the event itself.
    """
    session = ""

    def passed(event: Any) -> list[Any]:
        nonlocal session
        if event["type"] == "session.created":
            session = event["session"]["id"]
        if (found := _SAID.get(event["type"])) is not None:
            who, field = found
            _log.info("%s %s: %s", session, who, ascii(event[field]))
        return [event] if rewrite is None else rewrite(event)

    return passed
