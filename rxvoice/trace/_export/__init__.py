"""Traces in the formats of other tools.

| file | writes |
|---|---|
| `export` | `export`, which chooses one of them |
| `spans` | what happened, as named spans on tracks: what most formats want |
| `perfetto` | a trace for ui.perfetto.dev |
| `mcap` | a recording for Foxglove, with both sides' sound |
| `labels` | captions (WebVTT), and a label track for Audacity |
| `otlp` | OpenTelemetry's spans, as `rxvoice.telemetry` makes them |
| `table` | a row for each turn (CSV) |
"""

from __future__ import annotations

from rxvoice.trace._export.export import FORMATS, Format, export

__all__ = ["FORMATS", "Format", "export"]
