"""From the last text of a reply to its first sound, at a client over loopback."""

from __future__ import annotations

from benchmarks.peers._row import Cannot, Probe, Row

_PROGRAM = "benchmarks.peers._wire_client"

ROWS = (
    Row(
        2,
        "wire",
        "last text of a reply to its first sound, at a client over loopback",
        "ms",
        {
            "rxvoice": Probe(
                _PROGRAM,
                ("rxvoice",),
                "the OpenAI Realtime protocol: sound as base64 in JSON, in order with its "
                "transcript, sent no faster than it is heard",
            ),
            "pipecat": Probe(
                _PROGRAM, ("pipecat",), "its WebSocket transport, with raw sound in the messages"
            ),
            "livekit": Probe(
                _PROGRAM,
                ("livekit",),
                "raw sound straight into a WebSocket; its own way is WebRTC, through a LiveKit "
                "server, which is not measured",
            ),
            "mlx-audio": Cannot("VoicePipeline has a loudspeaker and no clients"),
        },
        note="The models are stubs: three pieces of text, half a second of sound at once.",
        headline="last text to first sound, at a client",
    ),
)
