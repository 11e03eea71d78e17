"""A trace for Perfetto: tracks of slices, instants and counters (TrackEvent)."""

from __future__ import annotations

from itertools import count
from typing import Any

from rxvoice.errors import MissingDependency
from rxvoice.trace._export.spans import TraceSpan, Tracks
from rxvoice.trace._story import TraceStory

_PROCESS, _SEQUENCE = 1, 1
_SPEECH = "Speech probability"


def perfetto(told: TraceStory) -> bytes:
    """The conversation as a Perfetto trace. Its time 0 is the beginning of the trace."""
    try:
        from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (
            Trace,
            TrackEvent,
        )
    except ImportError as error:
        raise MissingDependency(
            "an export to perfetto wants perfetto: pip install 'rxvoice[trace]'"
        ) from error
    trace: Any = Trace()
    numbers = count(_PROCESS + 1)
    described = _packet(trace, 0.0).track_descriptor
    described.uuid = _PROCESS
    described.process.pid = 1
    described.process.process_name = "conversation"

    def track(name: str, rank: int) -> int:
        described = _packet(trace, 0.0).track_descriptor
        described.uuid, described.parent_uuid = next(numbers), _PROCESS
        described.name = name
        described.sibling_order_rank = rank
        return described.uuid

    described = _packet(trace, 0.0).track_descriptor
    described.uuid, described.parent_uuid, described.name = next(numbers), _PROCESS, _SPEECH
    described.counter.unit_name = "probability"
    judged = told.judged
    for at, value in zip(judged.ends, judged.values, strict=True):
        event = _packet(trace, at).track_event
        event.type, event.track_uuid = TrackEvent.TYPE_COUNTER, described.uuid
        event.double_counter_value = value
    for rank, (name, spans) in enumerate(Tracks.of(told).spans.items(), 1):
        free: list[tuple[int, float]] = []  # rows of this track, and until when each is taken
        for span in spans:
            row = next((n for n, (_, until) in enumerate(free) if span.start >= until), None)
            if row is None:  # slices of one row must not overlap
                row = len(free)
                free.append((track(name, rank), 0.0))
            free[row] = (free[row][0], span.end)
            _slice(trace, TrackEvent, free[row][0], span)
    return trace.SerializeToString()


def _slice(trace: Any, kinds: Any, row: int, span: TraceSpan) -> None:
    event = _packet(trace, span.start).track_event
    event.track_uuid, event.name = row, span.name
    event.type = kinds.TYPE_SLICE_BEGIN if span.end > span.start else kinds.TYPE_INSTANT
    if span.about:
        note = event.debug_annotations.add()
        note.name, note.string_value = "about", span.about
    if span.end > span.start:
        event = _packet(trace, span.end).track_event
        event.type, event.track_uuid = kinds.TYPE_SLICE_END, row


def _packet(trace: Any, seconds: float) -> Any:
    packet = trace.packet.add()
    packet.timestamp = max(0, round(seconds * 1e9))
    packet.trusted_packet_sequence_id = _SEQUENCE
    return packet
