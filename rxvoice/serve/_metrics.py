"""`Metrics`: what a server's sessions tell, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from rxvoice.errors import MissingDependency
from rxvoice.events import TurnMetrics
from rxvoice.remote import ServerState
from rxvoice.serve._drain import Drain

if TYPE_CHECKING:
    from prometheus_client import Gauge
    from prometheus_client.metrics_core import Metric

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_MESSAGES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
_LAGS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
_RATE = 16_000  # Hz of the audio that is listened to

_STAGES = (
    ("endpoint", "turn_ended_ms"),
    ("transcribe", "transcript_ms"),
    ("respond", "first_token_ms"),
    ("synthesize", "first_audio_ms"),
    ("play", "first_heard_ms"),
)
"""Each stage of a turn, and the moment when it is over. It begins where the one before it ends."""


class Metrics:
    """An `Observer` that counts. Everything is in one registry of its own.

    Args:
        clock: seconds, for how long a session lasts.

    Raises:
        MissingDependency: prometheus-client is not installed.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            from prometheus_client import (
                CollectorRegistry,
                Counter,
                Gauge,
                Histogram,
                PlatformCollector,
                ProcessCollector,
            )
        except ImportError as error:
            raise MissingDependency(
                "the metrics need prometheus-client: pip install 'rxvoice[serve]'"
            ) from error
        self.registry = registry = CollectorRegistry()
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
        self._clock = clock
        self._began: dict[str, float] = {}

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"rxvoice_{name}", what, labels, registry=registry)

        def histogram(
            name: str, what: str, *labels: str, buckets: Sequence[float] = _SECONDS
        ) -> Histogram:
            return Histogram(f"rxvoice_{name}", what, labels, registry=registry, buckets=buckets)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"rxvoice_{name}", what, labels, registry=registry)

        self._gauge = gauge
        self._opened = counter("sessions_opened", "Sessions that have begun.")
        self._closed = counter("sessions_closed", "Sessions that are over.", "reason")
        self._lasted = histogram(
            "session_seconds", "How long a session lasted.", buckets=(1, 10, 60, 300, 900, 1800)
        )
        self._refused = counter("refused", "Clients that were not let in.", "reason")
        self._turns = counter("turns", "Turns of a user whose reply is over.")
        self._interruptions = counter("interruptions", "Replies that a user interrupted.")
        self._stage = histogram("stage_seconds", "How long a stage of a turn took.", "stage")
        self._latency = histogram(
            "reply_latency_seconds",
            "From the end of speech to the first sound of the reply.",
        )
        self._received = counter("audio_received_seconds", "Audio of sessions that are over.")
        self._judged = counter("audio_judged_seconds", "Of that, what was judged as speech or not.")
        self._dropped = counter("audio_dropped_seconds", "Of that, what was not listened to.")
        self._lag = histogram(
            "loop_lag_seconds", "How late the event loop is, 20 times a second.", buckets=_LAGS
        )
        self._waiting = histogram(
            "messages_waiting", "Messages that waited for a client.", buckets=_MESSAGES
        )

    def watch(self, drain: Drain) -> None:
        """Show how many sessions there are, how many there may be, and whether one is taken."""
        self._gauge("sessions", "Sessions now.").set_function(lambda: drain.sessions)
        self._gauge("max_sessions", "Sessions that there may be.").set(drain.max_sessions)
        ready = self._gauge("ready", "1 if a session would be taken.")
        ready.set_function(lambda: drain.unready is None)

    def watch_lanes(self, workers: object) -> None:
        """Show how many steps wait for the model thread, in each lane of it that is used.

        Args:
            workers: has attributes ``listening``, ``text`` and ``speech``.
        """
        lanes = {it: getattr(workers, it, None) for it in ("listening", "text", "speech")}
        used = [(name, lane) for name, lane in lanes.items() if isinstance(lane, _Queue)]
        if used:
            gauge = self._gauge("model_queue", "Steps that wait for the model thread.", "lane")
            for name, lane in used:
                gauge.labels(name).set_function(lambda lane=lane: lane.waiting)

    def watch_servers(self, model: str, states: Callable[[], Iterable[ServerState]]) -> None:
        """Show how the servers of a model fare.

        Args:
            model: ``"stt"``, ``"llm"`` or ``"tts"``.
        """
        self.registry.register(_Servers(model, states))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the form that a scraper accepts, and the name of the form."""
        from prometheus_client.exposition import choose_encoder

        encode, media = choose_encoder(accept)
        return encode(self.registry), media

    def session_opened(self, session_id: str) -> None:
        """Count a session."""
        self._opened.inc()
        self._began[session_id] = self._clock()

    def session_closed(self, session_id: str, reason: str) -> None:
        """Count the end of a session."""
        self._closed.labels(reason).inc()
        if (began := self._began.pop(session_id, None)) is not None:
            self._lasted.observe(self._clock() - began)

    def refused(self, reason: str) -> None:
        """Count a client that was not let in."""
        self._refused.labels(reason).inc()

    def turn_metrics(self, metrics: TurnMetrics) -> None:
        """Count a turn, and how long each of its stages took."""
        self._turns.inc()
        before = 0.0
        for stage, name in _STAGES:
            reached: float | None = getattr(metrics, name)
            if reached is not None:
                self._stage.labels(stage).observe(max(0.0, reached - before) / 1000)
                before = max(before, reached)
        if metrics.first_audio_ms is not None:
            self._latency.observe(max(0.0, metrics.first_audio_ms) / 1000)

    def interrupted(self) -> None:
        """Count an interruption."""
        self._interruptions.inc()

    def audio_heard(self, received: int, judged: int, dropped: int) -> None:
        """Count the audio of a session at 16 kHz, and what became of it."""
        self._received.inc(received / _RATE)
        self._judged.inc(judged / _RATE)
        self._dropped.inc(dropped / _RATE)

    def loop_lag(self, seconds: float) -> None:
        """Take note of how late the event loop is."""
        self._lag.observe(seconds)

    def queue_depth(self, count: int) -> None:
        """Take note of how many messages wait for a client."""
        self._waiting.observe(count)


@runtime_checkable
class _Queue(Protocol):
    """A worker that tells how many steps wait for it, such as `rxvoice.mlx.Lane`."""

    @property
    def waiting(self) -> int: ...


class _Servers:
    """Asks how the servers of a model fare when it is scraped."""

    def __init__(self, model: str, states: Callable[[], Iterable[ServerState]]) -> None:
        self._model = model
        self._states = states

    def collect(self) -> list[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        labels = ("model", "server")
        name = f"rxvoice_{self._model}_server"
        up = GaugeMetricFamily(f"{name}_available", "0 while it is left out.", labels=labels)
        busy = GaugeMetricFamily(f"{name}_in_progress", "Answers in progress.", labels=labels)
        for it in self._states():
            up.add_metric((self._model, it.base_url), it.is_available)
            busy.add_metric((self._model, it.base_url), it.in_progress)
        return [up, busy]
