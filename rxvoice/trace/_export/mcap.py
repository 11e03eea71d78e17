"""A recording for Foxglove: both sides' sound, what was said, and what happened."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from rxvoice.errors import MissingDependency
from rxvoice.trace._export.spans import Tracks, said
from rxvoice.trace._export.started import started
from rxvoice.trace._sounding import Wave, loudspeaker_on_axis, microphone_on_axis
from rxvoice.trace._story import TraceStory

_PIECE_S = 0.1
"""Of sound in one message."""
_INFO, _ERROR = 2, 4

_SCHEMAS: dict[str, dict[str, object]] = {
    "/speech": {"probability": {"type": "number"}},
    "/span": {
        "track": {"type": "string"},
        "name": {"type": "string"},
        "seconds": {"type": "number"},
        "about": {"type": "string"},
    },
    "/latency": {
        "turn": {"type": "integer"},
        "total_ms": {"type": "number"},
        "parts": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}


def mcap(told: TraceStory) -> bytes:
    """The conversation as MCAP: ``/microphone`` and ``/loudspeaker`` are `foxglove.RawAudio`.

    ``/log`` is `foxglove.Log`; ``/speech``, ``/span`` and ``/latency`` are JSON.
    """
    try:
        from foxglove_schemas_protobuf.Log_pb2 import Log
        from foxglove_schemas_protobuf.RawAudio_pb2 import RawAudio
        from mcap.writer import Writer
        from mcap_protobuf.schema import register_schema
    except ImportError as error:
        raise MissingDependency(
            "an export to mcap wants mcap and Foxglove's schemas: pip install 'rxvoice[trace]'"
        ) from error
    file = io.BytesIO()
    writer: Any = Writer(file)
    writer.start(profile="", library="rxvoice")
    epoch = started(told.trace)

    def channel(topic: str, schema: int, encoding: str) -> Callable[[float, bytes], None]:
        number = writer.register_channel(topic, encoding, schema)

        def write(seconds: float, data: bytes) -> None:
            at = epoch + max(0, round(seconds * 1e9))
            writer.add_message(channel_id=number, log_time=at, publish_time=at, data=data)

        return write

    def stamped(message: Any, seconds: float) -> Any:
        message.timestamp.FromNanoseconds(epoch + max(0, round(seconds * 1e9)))
        return message

    told_json = {
        topic: channel(topic, writer.register_schema(topic[1:], "jsonschema", _schema(of)), "json")
        for topic, of in _SCHEMAS.items()
    }
    write_log = channel("/log", register_schema(writer, Log), "protobuf")

    def log(seconds: float, level: int, name: str, text: str) -> None:
        message: Any = stamped(Log(), seconds)
        message.level, message.name, message.message = level, name, text
        write_log(seconds, message.SerializeToString())

    audio = register_schema(writer, RawAudio)
    sides = {"/microphone": microphone_on_axis(told), "/loudspeaker": loudspeaker_on_axis(told)}
    for topic, wave in sides.items():
        sound = channel(topic, audio, "protobuf")
        for at, data in _pieces(wave):
            message = stamped(RawAudio(), at)
            message.data, message.format = data, "pcm-s16"
            message.sample_rate, message.number_of_channels = wave[1], 1
            sound(at, message.SerializeToString())
    for it in said(told):
        log(it.start, _INFO, it.who, it.text)
    for it in told.marks:
        level = _ERROR if it.kind in ("failed", "lost", "underrun") else _INFO
        log(it.time, level, it.kind, it.text)
    for at, value in zip(told.judged.ends, told.judged.values, strict=True):
        told_json["/speech"](at, _json({"probability": value}))
    for name, spans in Tracks.of(told).spans.items():
        for it in spans:
            span = {"track": name, "name": it.name, "about": it.about}
            told_json["/span"](it.start, _json({**span, "seconds": it.end - it.start}))
    for turn in told.turns:
        if turn.latency_ms is not None and turn.speaking is not None:
            parts = {it.name: it.ms for it in turn.parts}
            latency = {"turn": turn.id, "total_ms": turn.latency_ms, "parts": parts}
            told_json["/latency"](turn.speaking, _json(latency))
    writer.finish()
    return file.getvalue()


def _pieces(wave: Wave) -> Iterator[tuple[float, bytes]]:
    pcm, rate = wave
    size = round(_PIECE_S * rate)
    for at in range(0, len(pcm), size or 1):
        yield at / rate, pcm[at : at + size].astype("<i2").tobytes()


def _schema(of: dict[str, object]) -> bytes:
    return _json({"type": "object", "properties": of})


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
