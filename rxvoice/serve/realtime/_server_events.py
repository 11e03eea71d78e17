"""What happens in a dialogue becomes the events of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any, TypeAlias

from pybase64 import b64encode_as_string

from rxvoice.serve.realtime._audio import SoundEncoder
from rxvoice.serve.realtime._items import item_wire
from rxvoice.serve.session import happenings as it

Event: TypeAlias = dict[str, Any]

_REASONS = {
    "user": "turn_detected",
    "client": "client_cancelled",
    "max_tokens": "max_output_tokens",
}
_CONTENT = {"content_index": 0}


class ServerEvents:
    """Writes the events of one session.

    Args:
        conversation_id: the id of its conversation.
        new_id: makes ids.
    """

    def __init__(
        self,
        conversation_id: str,
        new_id: Callable[[str], str] = lambda kind: f"{kind}_{token_hex(10)}",
    ) -> None:
        self.conversation_id = conversation_id
        self._new_id = new_id
        self._writers: dict[str, SoundEncoder] = {}  # of the responses that are not over

    def event(self, type: str, **fields: Any) -> Event:
        """An event of any kind."""
        return {"type": type, "event_id": self._new_id("event"), **fields}

    def of(self, happening: it.Happening) -> Iterator[Event]:
        """The events that tell this."""
        match happening:
            case it.OutputAdded() | it.OutputDone() | it.CallWritten():
                yield from self._output(happening)
            case it.ReplyBegan(reply):
                frozen = reply.settings.extra
                self._writers[reply.id] = SoundEncoder(frozen.encoding)
                yield self.event("response.created", response=self._response(reply))
                yield self.event("rate_limits.updated", rate_limits=[])
            case it.ReplyOver(reply):
                self._writers.pop(reply.id, None)
                yield self.event("response.done", response=self._response(reply))
            case it.OutputEvent():
                yield from self._part(happening)
            case it.ItemAdded() | it.ItemDone() | it.ItemDeleted() | it.ItemShown() | it.ItemCut():
                yield self._item(happening)
            case _:
                yield self._heard(happening)

    def _heard(self, happening: it.Happening) -> Event:
        buffer, words = "input_audio_buffer", "conversation.item.input_audio_transcription"
        match happening:
            case it.SpeechStarted(item_id, at_ms):
                return self.event(f"{buffer}.speech_started", audio_start_ms=at_ms, item_id=item_id)
            case it.SpeechStopped(item_id, at_ms):
                return self.event(f"{buffer}.speech_stopped", audio_end_ms=at_ms, item_id=item_id)
            case it.SoundTaken(item_id, after):
                return self.event(f"{buffer}.committed", previous_item_id=after, item_id=item_id)
            case it.SoundCleared():
                return self.event(f"{buffer}.cleared")
            case it.TimedOut(item_id, start_ms, end_ms):
                times = {"audio_start_ms": start_ms, "audio_end_ms": end_ms}
                return self.event(f"{buffer}.timeout_triggered", item_id=item_id, **times)
            case it.WordsGrew(item_id, new):
                return self.event(f"{words}.delta", item_id=item_id, **_CONTENT, delta=new)
            case it.WordsKnown(item_id, text, seconds):
                usage = {"type": "duration", "seconds": round(seconds, 3)}
                told = {"transcript": text, "usage": usage}
                return self.event(f"{words}.completed", item_id=item_id, **_CONTENT, **told)
            case it.WordsFailed(item_id):
                message = "The words could not be recognised."
                error = {"type": "transcription_error", "code": "failed", "message": message}
                return self.event(f"{words}.failed", item_id=item_id, **_CONTENT, error=error)
            case it.Activity(probability, at_ms):
                told = {"probability": round(probability, 3), "audio_ms": at_ms}
                return self.event("x_rxvoice.voice_activity", **told)
            case _:
                raise TypeError(f"no event tells {happening!r}")

    def _item(self, happening: it.Happening) -> Event:
        item = "conversation.item"
        match happening:
            case it.ItemAdded(added, after):
                return self.event(f"{item}.added", previous_item_id=after, item=item_wire(added))
            case it.ItemDone(done, after):
                return self.event(f"{item}.done", previous_item_id=after, item=item_wire(done))
            case it.ItemDeleted(item_id):
                return self.event(f"{item}.deleted", item_id=item_id)
            case it.ItemShown(shown):
                return self.event(f"{item}.retrieved", item=item_wire(shown))
            case it.ItemCut(item_id, part, at_ms, heard):
                told = {"content_index": part, "audio_end_ms": at_ms}
                extra = {"x_rxvoice": {"heard": heard}}
                return self.event(f"{item}.truncated", item_id=item_id, **told, **extra)
            case _:
                raise TypeError(f"no event tells {happening!r}")

    def _output(
        self, happening: it.OutputAdded | it.OutputDone | it.CallWritten
    ) -> Iterator[Event]:
        where = {"response_id": happening.reply_id, "output_index": happening.index}
        item = happening.item
        if isinstance(happening, it.CallWritten):
            call = {**where, "item_id": item.id, "call_id": item.call_id}
            arguments = "response.function_call_arguments"
            yield self.event(f"{arguments}.delta", **call, delta=item.text)
            yield self.event(f"{arguments}.done", **call, name=item.name, arguments=item.text)
            return
        how = "added" if isinstance(happening, it.OutputAdded) else "done"
        yield self.event(f"response.output_item.{how}", **where, item=item_wire(item))

    def _part(self, happening: it.OutputEvent) -> Iterator[Event]:
        where = {
            "response_id": happening.reply_id,
            "item_id": happening.item_id,
            "output_index": happening.index,
            **_CONTENT,
        }
        text = "output_audio_transcript" if happening.spoken else "output_text"
        named = "transcript" if happening.spoken else "text"
        match happening:
            case it.PartAdded():
                part = _part(happening.spoken, "")
                yield self.event("response.content_part.added", **where, part=part)
            case it.PartDone():
                part = _part(happening.spoken, happening.text)
                yield self.event("response.content_part.done", **where, part=part)
            case it.TextGrew():
                yield self.event(f"response.{text}.delta", **where, delta=happening.new)
            case it.TextDone():
                yield self.event(f"response.{text}.done", **where, **{named: happening.text})
            case it.SoundGrew():
                yield from self._sound(happening, where)
            case it.SoundDone():
                for data in self._writers[happening.reply_id].end():
                    yield self._delta(where, data)
                yield self.event("response.output_audio.done", **where)
            case _:
                raise TypeError(f"no event tells {happening!r}")

    def _sound(self, sound: it.SoundGrew, where: Event) -> Iterator[Event]:
        extra: dict[str, Any] = {}
        if sound.span is not None:
            extra["text_start"], extra["text_end"] = sound.span
        if sound.moments:
            extra["moments"] = dict(sound.moments)
        writer = self._writers[sound.reply_id]
        for data in writer.write(sound.samples, sound.sample_rate):
            event = self._delta(where, data)
            if extra:
                event["x_rxvoice"], extra = extra, {}
            yield event

    def _delta(self, where: Event, data: bytes) -> Event:
        return self.event("response.output_audio.delta", **where, delta=b64encode_as_string(data))

    def _response(self, reply: it.ReplyView) -> Event:
        details: Event | None = None
        if reply.status == "failed":
            error = {"type": "server_error", "code": "model_failed"}
            details = {"type": "failed", "error": error}
        elif reply.reason:
            details = {"type": reply.status, "reason": _REASONS[reply.reason]}
        return {
            "object": "realtime.response",
            "id": reply.id,
            "status": reply.status,
            "status_details": details,
            "output": [item_wire(item) for item in reply.items],
            "conversation_id": None if reply.aside else self.conversation_id,
            **reply.settings.extra.wire,
            "usage": _usage(reply.usage),
        }


def _part(spoken: bool, text: str) -> Event:
    return {"type": "audio", "transcript": text} if spoken else {"type": "text", "text": text}


def _usage(usage: it.Usage | None) -> Event | None:
    if usage is None:
        return None
    known = {"text_tokens": usage.known, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": usage.read + usage.written,
        "input_tokens": usage.read,
        "output_tokens": usage.written,
        "input_token_details": {
            "text_tokens": usage.read,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": usage.known,
            "cached_tokens_details": known,
        },
        "output_token_details": {"text_tokens": usage.written, "audio_tokens": 0},
    }
