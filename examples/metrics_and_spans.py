"""How long each part of a turn took: as an event, as OpenTelemetry spans, and for Prometheus.

    python examples/metrics_and_spans.py

Prints the spans of each turn of a recording, and what Prometheus would be told.
"""

from importlib.resources import files

try:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from prometheus_client import CollectorRegistry, Histogram
except ImportError as error:
    wanted = "pip install 'rxvoice[offline,otel,serve]' opentelemetry-sdk"
    raise SystemExit(f"{error}: {wanted}") from error

import rxvoice as rxv
from rxvoice import events, offline
from rxvoice import operators as vox

RECORDING = str(files("rxvoice") / "data" / "demo.wav")

exporter = InMemorySpanExporter()  # in your program: an OTLPSpanExporter, in a BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
registry = CollectorRegistry()
latency = Histogram("first_audio_seconds", "End of speech to first sound.", registry=registry)


def tell(event: object) -> None:
    if isinstance(event, events.TurnMetrics) and event.first_audio_ms is not None:
        latency.observe(event.first_audio_ms / 1000)


def main() -> None:
    sink = rxv.sinks.null()
    turns = rxv.sources.wav(RECORDING).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
    )
    listen = vox.transcribe(offline.stt())
    reply = vox.respond(offline.llm()), vox.synthesize(offline.tts())
    pipe = turns.pipe(
        vox.converse(listen, *reply, sink=sink),
        vox.metrics(sink=sink),
        rxv.telemetry.spans(provider),
    )
    rxv.live(pipe).run(tell)
    spans = exporter.get_finished_spans()
    print("spans:", *sorted({it.name.removeprefix("rxvoice.") for it in spans}))
    print("turns:", int(registry.get_sample_value("first_audio_seconds_count") or 0))


if __name__ == "__main__":
    main()
