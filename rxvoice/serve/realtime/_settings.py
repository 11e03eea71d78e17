"""A session's configuration becomes the settings of a dialogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from rxvoice.serve.realtime._audio import Format
from rxvoice.serve.session.settings import DialogueSettings, ReplySettings, TurnTaking

_PATIENCE_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}


@dataclass(frozen=True, slots=True)
class FrozenConfig:
    """What the wire needs of a response's configuration; frozen when it begins.

    Args:
        encoding: of its sound.
        wire: the fields of the response object that come from its configuration.
    """

    encoding: Format = "audio/pcm"
    wire: dict[str, Any] = field(default_factory=dict[str, Any])


def dialogue_settings(config: dict[str, Any]) -> DialogueSettings:
    """The settings that a session's configuration stands for."""
    heard = config["audio"]["input"]
    transcribes = config["type"] == "transcription"
    extra: dict[str, Any] = config.get("x_rxvoice") or {}
    return DialogueSettings(
        turns=_turns(heard.get("turn_detection"), extra.get("interrupt_on") == "words"),
        reply=ReplySettings() if transcribes else reply_settings(config),
        only_listens=transcribes,
        tells_words=transcribes or heard.get("transcription") is not None,
        tells_activity=bool(extra.get("voice_activity")),
    )


def _turns(given: dict[str, Any] | None, on_words: bool) -> TurnTaking | None:
    if given is None:
        return None
    if given["type"] == "semantic_vad":
        return TurnTaking(
            patience_ms=_PATIENCE_MS[given["eagerness"]],
            replies=given["create_response"],
            interrupts=given["interrupt_response"],
            on_words=on_words,
        )
    return TurnTaking(
        threshold=given["threshold"],
        prefix_ms=given["prefix_padding_ms"],
        silence_ms=given["silence_duration_ms"],
        replies=given["create_response"],
        interrupts=given["interrupt_response"],
        on_words=on_words,
        idle_ms=given["idle_timeout_ms"],
    )


def reply_settings(config: dict[str, Any], metadata: object = None) -> ReplySettings:
    """The settings of a reply, for a session's configuration or one that is merged from it."""
    spoken = config["audio"]["output"]
    tokens, choice = config["max_output_tokens"], config["tool_choice"]
    voice = spoken.get("voice") or ""
    output = {"format": dict(spoken["format"]), "voice": voice}
    wire: dict[str, Any] = {
        "output_modalities": list(config["output_modalities"]),
        "max_output_tokens": tokens,
        "audio": {"output": output},
        "metadata": metadata,
    }
    return ReplySettings(
        instructions=config["instructions"],
        speaks="audio" in config["output_modalities"],
        voice=voice if isinstance(voice, str) else "",
        speed=spoken["speed"],
        max_tokens=None if tokens == "inf" else tokens,
        tools=tuple(_tools(config["tools"], choice)),
        extra=FrozenConfig(spoken["format"]["type"], wire),
    )


def _tools(given: list[dict[str, Any]], choice: object) -> list[dict[str, Any]]:
    """The tools as chat templates take them. A choice of one tool offers no other."""
    if choice == "none":
        return []
    named = cast("dict[str, object]", choice) if isinstance(choice, dict) else {}
    only = named.get("name")
    return [
        {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool.get("description") or "",
                "parameters": tool.get("parameters") or {"type": "object", "properties": {}},
            },
        }
        for tool in given
        if tool.get("type", "function") == "function"
        and tool.get("name")
        and (only is None or tool["name"] == only)
    ]
