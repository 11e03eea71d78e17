"""Events in the names of the protocol's beta, for old clients."""

from __future__ import annotations

from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]

_TYPES = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_UNKNOWN = {"conversation.item.done"}  # the beta has no such event
_CONTENT = {"output_text": "text", "output_audio": "audio"}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}


def to_beta(event: Event) -> list[Event]:
    """The event as the beta has it; none if it has no such event."""
    kind = event["type"]
    if kind in _UNKNOWN:
        return []
    old: Event = {**event, "type": _TYPES.get(kind, kind)}
    if "session" in old:
        old["session"] = _session(old["session"])
    if "item" in old:
        old["item"] = _item(old["item"])
    if "response" in old:
        old["response"] = _response(old["response"])
    return [old]


def _item(item: Event) -> Event:
    if "content" not in item:
        return item
    content = [{**it, "type": _CONTENT.get(it["type"], it["type"])} for it in item["content"]]
    return {**item, "content": content}


def _modalities(modalities: list[str]) -> list[str]:
    return ["text", "audio"] if "audio" in modalities else ["text"]


def _response(response: Event) -> Event:
    old: Event = {**response, "output": [_item(it) for it in response["output"]]}
    audio = old.pop("audio")["output"]
    old["modalities"] = _modalities(old.pop("output_modalities"))
    old["voice"] = audio["voice"]
    old["output_audio_format"] = _FORMATS[audio["format"]["type"]]
    return old


def _session(session: Event) -> Event:
    old: Event = {key: it for key, it in session.items() if key not in ("type", "audio")}
    heard = session["audio"]["input"]
    old["input_audio_format"] = _FORMATS[heard["format"]["type"]]
    old["input_audio_transcription"] = heard["transcription"]
    old["input_audio_noise_reduction"] = heard["noise_reduction"]
    old["turn_detection"] = heard["turn_detection"]
    if "output" in session["audio"]:
        spoken = session["audio"]["output"]
        old["output_audio_format"] = _FORMATS[spoken["format"]["type"]]
        old["voice"], old["speed"] = spoken["voice"], spoken["speed"]
        old["modalities"] = _modalities(old.pop("output_modalities"))
        old["max_response_output_tokens"] = old.pop("max_output_tokens")
    return old
