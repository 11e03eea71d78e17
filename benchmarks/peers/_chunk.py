"""One chunk of sound through everything that hears it, with stub models."""

from __future__ import annotations

from benchmarks.peers._row import Cannot, Probe, Row

ROWS = (
    Row(
        1,
        "chunk",
        "computing for a second of sound, through all that hears it",
        "µs",
        {
            "rxvoice": Probe("benchmarks.peers._chunk_rxvoice", guarantees="..."),
            "pipecat": Cannot("..."),
            "livekit": Cannot("..."),
            "mlx-audio": Cannot("..."),
        },
    ),
)
