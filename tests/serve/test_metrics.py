"""What Prometheus is told, and what a probe is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from rxvoice.events import TurnMetrics
from rxvoice.mlx import MlxScheduler
from rxvoice.remote import ServerState
from rxvoice.serve._drain import Drain
from rxvoice.serve._health import routes
from rxvoice.serve._metrics import Metrics
from rxvoice.turn import TurnWriter

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")

TURN = TurnWriter(1, 0, 16_000).turn


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"rxvoice_{name}", labels)


def test_sessions_are_counted_with_the_reason_of_their_end_and_how_long_they_lasted() -> None:
    now = 0.0
    metrics = Metrics(clock=lambda: now)
    metrics.session_opened("a")
    metrics.session_opened("b")
    now = 42.0
    metrics.session_closed("a", "client")
    metrics.session_closed("never opened", "failed")
    metrics.refused("full")
    assert _value(metrics, "sessions_opened_total") == 2
    assert _value(metrics, "sessions_closed_total", reason="client") == 1
    assert _value(metrics, "session_seconds_sum") == 42
    assert _value(metrics, "session_seconds_count") == 1
    assert _value(metrics, "refused_total", reason="full") == 1


def test_each_stage_of_a_turn_has_the_time_between_two_moments() -> None:
    metrics = Metrics()
    metrics.turn_metrics(
        TurnMetrics(
            TURN,
            turn_ended_ms=800,
            transcript_ms=900,
            first_token_ms=1200,
            first_audio_ms=1300,
            first_heard_ms=1310,
        )
    )
    sums = {
        stage: _value(metrics, "stage_seconds_sum", stage=stage)
        for stage in ("endpoint", "transcribe", "respond", "synthesize", "play")
    }
    wanted = {"endpoint": 0.8, "transcribe": 0.1, "respond": 0.3, "synthesize": 0.1, "play": 0.01}
    assert sums == pytest.approx(wanted)
    assert _value(metrics, "reply_latency_seconds_sum") == pytest.approx(1.3)
    assert _value(metrics, "turns_total") == 1


def test_a_stage_that_a_turn_did_not_reach_is_not_counted() -> None:
    metrics = Metrics()
    # A transcript may be there before the turn ends: that stage took no time then.
    metrics.turn_metrics(TurnMetrics(TURN, turn_ended_ms=500, transcript_ms=400, interrupted=True))
    assert _value(metrics, "stage_seconds_sum", stage="transcribe") == 0
    assert _value(metrics, "stage_seconds_count", stage="respond") is None
    assert _value(metrics, "reply_latency_seconds_count") == 0


def test_interruptions_dropped_audio_and_waiting_messages() -> None:
    metrics = Metrics()
    metrics.interrupted()
    metrics.audio_heard(24_000, 16_000, 8_000)
    metrics.loop_lag(0.004)
    metrics.queue_depth(3)
    assert _value(metrics, "interruptions_total") == 1
    assert _value(metrics, "audio_received_seconds_total") == 1.5
    assert _value(metrics, "audio_judged_seconds_total") == 1
    assert _value(metrics, "audio_dropped_seconds_total") == 0.5
    assert _value(metrics, "loop_lag_seconds_bucket", le="0.002") == 0
    assert _value(metrics, "loop_lag_seconds_bucket", le="0.005") == 1
    assert _value(metrics, "messages_waiting_bucket", le="2.0") == 0
    assert _value(metrics, "messages_waiting_bucket", le="4.0") == 1


def test_what_is_looked_at_when_it_is_scraped() -> None:
    metrics = Metrics()
    drain = Drain(2, 30)
    metrics.watch(drain)
    assert (_value(metrics, "ready"), _value(metrics, "max_sessions")) == (0, 2)
    drain.loaded()
    with drain.session(lambda code, reason: None):
        assert (_value(metrics, "ready"), _value(metrics, "sessions")) == (1, 1)
    servers = [ServerState("http://a/v1", 3, True), ServerState("http://b/v1", 0, False)]
    metrics.watch_servers("llm", lambda: servers)
    there = {"model": "llm"}
    assert _value(metrics, "llm_server_in_progress", **there, server="http://a/v1") == 3
    assert _value(metrics, "llm_server_available", **there, server="http://b/v1") == 0


def test_the_queue_of_the_model_thread_is_shown_by_lane() -> None:
    metrics = Metrics()
    with MlxScheduler() as models:
        metrics.watch_lanes(SimpleNamespace(listening=None, text=models.text, speech=models.speech))
        models.text.schedule_relative(3600, lambda *_: None)
        assert _value(metrics, "model_queue", lane="text") == 0  # not due
        assert _value(metrics, "model_queue", lane="speech") == 0
        assert _value(metrics, "model_queue", lane="listening") is None
    metrics.watch_lanes(None)


def test_probes_say_whether_it_lives_and_whether_it_takes_a_session() -> None:
    drain, metrics = Drain(1, 30), Metrics()
    metrics.watch(drain)
    with TestClient(Starlette(routes=routes(drain, metrics))) as client:

        def ready() -> tuple[int, str, str | None]:
            got = client.get("/readyz")
            return got.status_code, got.json()["status"], got.headers.get("retry-after")

        assert client.get("/healthz").json() == {"status": "ok"}
        assert ready() == (503, "loading", "5")
        drain.loaded()
        assert ready() == (200, "ready", None)
        with drain.session(lambda code, reason: None):
            assert ready() == (503, "full", "5")
            assert client.get("/readyz").json()["sessions"] == 1
        drain.begin()
        assert ready() == (503, "draining", "1")
        assert client.get("/healthz").status_code == 200
        scraped = client.get("/metrics")
        assert scraped.headers["content-type"].startswith("text/plain; version=")
        assert "\nrxvoice_ready 0.0\n" in scraped.text
        assert "process_resident_memory_bytes" in scraped.text
        form = {"accept": "application/openmetrics-text; version=1.0.0"}
        assert client.get("/metrics", headers=form).text.endswith("# EOF\n")
    with TestClient(Starlette(routes=routes(drain, None))) as client:
        assert client.get("/metrics").status_code == 404
