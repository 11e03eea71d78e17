from __future__ import annotations

import logging
import sys
from typing import Any

import numpy as np
import pytest
import reactivex as rx

from rxvoice import telemetry
from rxvoice.errors import MissingDependency
from rxvoice.events import Finished, Notice, TurnMetrics
from rxvoice.testing.check import check_operator
from rxvoice.turn import Turn

trace = pytest.importorskip("opentelemetry.sdk.trace")
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)

NOW_NS = 1_000_000_000_000
TURN = Turn.of(np.zeros(500, np.float32), id=3, sample_rate=1000)  # half a second
WHOLE = TurnMetrics(
    TURN,
    turn_ended_ms=100,
    transcript_ms=150,
    first_token_ms=300,
    first_audio_ms=320.5,
    first_heard_ms=350,
    over_ms=2000,
    samples_lost=7,
)


@pytest.fixture
def exported() -> tuple[Any, Any]:
    """Make a provider, and the exporter that keeps its spans."""
    exporter = InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


@pytest.fixture(autouse=True)
def still_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry.time, "time_ns", lambda: NOW_NS)


def spans(exported: tuple[Any, Any], *elements: Any) -> dict[str, tuple[float, float]]:
    """When each span begins and ends, by name, in ms from the end of the user's speech."""
    provider, exporter = exported
    rx.of(*elements).pipe(telemetry.spans(provider)).subscribe()
    zero = NOW_NS - 2000 * 1_000_000
    return {
        it.name.removeprefix("rxvoice."): ((it.start_time - zero) / 1e6, (it.end_time - zero) / 1e6)
        for it in exporter.get_finished_spans()
    }


def test_passes_the_battery(exported: tuple[Any, Any]) -> None:
    check_operator(
        lambda: telemetry.spans(exported[0]), elements=[WHOLE, Notice("x")], name="spans"
    )


def test_a_span_for_each_stage_within_that_of_the_turn(exported: tuple[Any, Any]) -> None:
    assert spans(exported, WHOLE) == {
        "turn": (-400, 2000),
        "listen": (-400, 0),
        "endpoint": (0, 100),
        "transcribe": (100, 150),
        "respond": (150, 300),
        "synthesize": (300, 320.5),
        "play": (320.5, 350),
        "speak": (350, 2000),
    }
    made = exported[1].get_finished_spans()
    (turn,) = [it for it in made if it.name == "rxvoice.turn"]
    assert turn.parent is None
    assert {it.parent.span_id for it in made if it is not turn} == {turn.context.span_id}
    assert {it.context.trace_id for it in made} == {turn.context.trace_id}
    assert turn.instrumentation_scope.name == "rxvoice"


def test_the_attributes_are_the_metrics(exported: tuple[Any, Any]) -> None:
    spans(exported, WHOLE)
    (turn,) = [it for it in exported[1].get_finished_spans() if it.name == "rxvoice.turn"]
    assert dict(turn.attributes) == {
        "rxvoice.turn": 3,
        "rxvoice.turn_ended_ms": 100,
        "rxvoice.transcript_ms": 150,
        "rxvoice.first_token_ms": 300,
        "rxvoice.first_audio_ms": 320.5,
        "rxvoice.first_heard_ms": 350,
        "rxvoice.over_ms": 2000,
        "rxvoice.interrupted": False,
        "rxvoice.samples_lost": 7,
        "rxvoice.underrun_samples": 0,
        "rxvoice.queued_ms": 0,
    }


def test_a_stage_that_was_not_reached_has_no_span(exported: tuple[Any, Any]) -> None:
    short = TurnMetrics(TURN, turn_ended_ms=100, first_token_ms=300, over_ms=2000, interrupted=True)
    assert spans(exported, short) == {
        "turn": (-400, 2000),
        "listen": (-400, 0),
        "endpoint": (0, 100),
        "respond": (100, 300),
        "speak": (300, 2000),
    }


def test_the_time_to_a_whole_sentence_is_not_the_voices(exported: tuple[Any, Any]) -> None:
    whole = TurnMetrics(
        TURN, first_token_ms=300, first_sentence_ms=380, first_audio_ms=400, over_ms=2000
    )
    made = spans(exported, whole)
    assert made["sentence"] == (300, 380)
    assert made["synthesize"] == (380, 400)


def test_a_stage_that_was_early_takes_no_time(exported: tuple[Any, Any]) -> None:
    early = TurnMetrics(TURN, turn_ended_ms=100, transcript_ms=150, first_token_ms=90, over_ms=2000)
    made = spans(exported, early)
    assert made["respond"] == (150, 150)
    assert made["speak"] == (150, 2000)


def test_each_turn_is_a_trace_of_its_own(exported: tuple[Any, Any]) -> None:
    spans(exported, WHOLE, Finished(TURN, ""), WHOLE)
    made = exported[1].get_finished_spans()
    assert len({it.context.trace_id for it in made}) == 2
    assert len(made) == 16


def test_what_an_exporter_raises_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(trace.TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            return object()

    seen: list[Any] = []
    with caplog.at_level(logging.ERROR, "rxvoice"):
        rx.of(WHOLE, WHOLE).pipe(telemetry.spans(Broken())).subscribe(seen.append)
    assert seen == [WHOLE, WHOLE]
    assert "the spans of turn 3 could not be exported" in caplog.text


def test_without_opentelemetry_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingDependency, match=r"pip install 'rxvoice\[otel\]'"):
        telemetry.spans()
