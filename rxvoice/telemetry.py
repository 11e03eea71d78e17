"""OpenTelemetry: a span for every turn and each of its stages."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

from rxvoice.errors import MissingDependency
from rxvoice.events import Event, TurnMetrics
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.turn import turn_name

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["spans"]

T = TypeVar("T")

_log = logging.getLogger("rxvoice")

_STAGES = (
    ("endpoint", "turn_ended_ms"),
    ("transcribe", "transcript_ms"),
    ("respond", "first_token_ms"),
    ("sentence", "first_sentence_ms"),
    ("synthesize", "first_audio_ms"),
    ("play", "first_heard_ms"),
    ("speak", "over_ms"),
)
"""Each span, and when it ends. It begins where the one before it ends."""


def spans(tracer_provider: TracerProvider | None = None) -> Operator[T, T | Event]:
    """Export each turn as OpenTelemetry spans, made of what `metrics` measures.

    ```python
    vox.metrics(sink=speaker),
    rxv.telemetry.spans(),
    ```

    The span ``rxvoice.turn`` lasts from the user's first word to the end of the reply. It has a
    child for each stage that the turn reached: ``rxvoice.listen``, ``.endpoint`` (from the end of
    speech to the end of the turn), ``.transcribe``, ``.respond`` (to the first token),
    ``.sentence`` (to the first whole sentence), ``.synthesize`` (to the first audio), ``.play`` (to
    the first sample heard) and ``.speak``. Its attributes are the fields of `TurnMetrics`, such as
    ``rxvoice.turn_ended_ms``, and the turn's ``source``. No text and no audio is exported.

    Emits: the same elements.
    Completes: with the source.
    Errors: with the source. What the exporter raises is logged, and ends nothing.
    Drops: nothing.
    Runs on: the thread of the source. A batching exporter has a thread of its own.

    Args:
        tracer_provider: where the spans go; None for OpenTelemetry's global provider.

    Raises:
        MissingDependency: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise MissingDependency(
            "rxv.telemetry needs OpenTelemetry: pip install 'rxvoice[otel]'"
        ) from error
    tracer = trace.get_tracer("rxvoice", tracer_provider=tracer_provider)

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        def step(element: T) -> None:
            if isinstance(element, TurnMetrics):
                try:
                    # The metrics of a turn come when it is over.
                    turn_spans(tracer, element, time.time_ns())
                except Exception:
                    name = turn_name(element.turn)
                    _log.exception("the spans of turn %s could not be exported", name)
            out.emit(element)

        return step, None, None

    return stateful_on_events(start)


def turn_spans(tracer: Tracer, it: TurnMetrics, now: int) -> None:
    """Make the spans of a turn.

    Args:
        tracer: makes them.
        it: what `metrics` measured.
        now: when the turn was over, in nanoseconds since 1970. Its times are counted back from it.
    """
    from opentelemetry.trace import set_span_in_context

    spoken = now - _ns(it.over_ms)  # the end of the user's speech
    listened = it.turn.ms - (it.turn_ended_ms or 0)
    began = spoken - max(0, _ns(listened))

    def span(name: str, begin: int, parent: Span | None = None) -> Span:
        context = None if parent is None else set_span_in_context(parent)
        return tracer.start_span(f"rxvoice.{name}", context, start_time=begin)

    turn = span("turn", began)
    turn.set_attribute("rxvoice.turn", it.turn.id)
    if it.turn.source is not None:
        turn.set_attribute("rxvoice.source", it.turn.source)
    for name, value in it.as_json().items():
        if isinstance(value, (bool, int, float)) and name != "turn":
            turn.set_attribute(f"rxvoice.{name}", value)
    span("listen", began, turn).end(spoken)
    at = spoken
    for name, reached in _STAGES:
        ms: float | None = getattr(it, reached)
        if ms is not None:
            until = max(at, spoken + _ns(ms))
            span(name, at, turn).end(until)
            at = until
    turn.end(max(at, now))


def _ns(ms: float | None) -> int:
    return round((ms or 0) * 1_000_000)
