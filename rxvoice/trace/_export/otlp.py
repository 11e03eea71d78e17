"""OpenTelemetry's spans of each turn, in a file of OTLP's JSON, as a collector reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from rxvoice.errors import MissingDependency
from rxvoice.events import TurnMetrics
from rxvoice.telemetry import turn_spans
from rxvoice.trace._export.started import started
from rxvoice.trace._story import StoryTurn, TraceStory
from rxvoice.turn import Turn


def otlp(told: TraceStory) -> bytes:
    """A trace for each turn with a reply, as `rxvoice.telemetry.spans` makes them."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    except ImportError as error:
        raise MissingDependency(
            "an export to otlp wants OpenTelemetry's SDK: pip install 'rxvoice[trace]'"
        ) from error
    made = InMemorySpanExporter()
    resource = Resource({"service.name": "rxvoice"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer("rxvoice")
    epoch = started(told.trace)
    for turn in told.turns:
        end = turn.speech_end
        if end is not None and turn.over_at is not None and turn.over != "dropped":
            turn_spans(tracer, _metrics(turn, end), epoch + round(turn.over_at * 1e9))
    spans = [_span(it) for it in made.get_finished_spans()]
    scope = {"scope": {"name": "rxvoice"}, "spans": spans}
    about = {"attributes": _attributes(resource.attributes)}
    return json.dumps({"resourceSpans": [{"resource": about, "scopeSpans": [scope]}]}).encode()


def _metrics(turn: StoryTurn, end: float) -> TurnMetrics:
    moments: dict[str, Any] = {f"{name}_ms": ms for name, ms in turn.moments.items()}
    length = max(1, round(1000 * ((turn.ended or end) - turn.begin)))
    return TurnMetrics(
        Turn.of(np.zeros(length, np.float32), id=turn.id, sample_rate=1000),
        **moments,
        interrupted=turn.over == "interrupted",
        over_ms=round(1000 * ((turn.over_at or end) - end), 3),
    )


def _span(it: Any) -> dict[str, object]:
    parent = {} if it.parent is None else {"parentSpanId": f"{it.parent.span_id:016x}"}
    return {
        "traceId": f"{it.context.trace_id:032x}",
        "spanId": f"{it.context.span_id:016x}",
        **parent,
        "name": it.name,
        "kind": 1,
        "startTimeUnixNano": str(it.start_time),
        "endTimeUnixNano": str(it.end_time),
        "attributes": _attributes(it.attributes),
        "status": {},
    }


def _attributes(given: Any) -> list[dict[str, object]]:
    items = cast("Mapping[str, Any]", given or {}).items()
    return [{"key": key, "value": _value(value)} for key, value in items]


def _value(value: Any) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}
