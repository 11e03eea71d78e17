"""The server that `benchmarks.realtime` talks to."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import uvloop

import rxvoice as rxv
from benchmarks._session_server import run
from rxvoice import serve

SOUND = np.full(12_000, 0.25, np.float32)
WRITTEN: deque[float] = deque(maxlen=1)
"""When each reply's last piece of text was written, by the clock of all processes."""


class StubLlm:
    """Writes a sentence in three pieces."""

    def respond(self, text: str) -> Iterator[str]:
        yield "You "
        yield "said "
        yield "it."
        WRITTEN.append(time.monotonic())


def speak(text: str) -> Iterator[rxv.Samples]:
    yield SOUND
    yield SOUND


def models(vad: str) -> serve.Models:
    """Stubs, beside the detector of voice activity: "silero", or "stub"."""
    silero = rxv.offline.silero(gather_ms=8)
    if vad == "silero":
        silero.load()
    llm = StubLlm()
    return serve.Models(
        stt=lambda audio: f"{len(audio)} samples",
        llm=lambda: llm,
        tts=speak,
        vad=silero.fresh if vad == "silero" else lambda: loud,
    )


async def main(vad: str, most: int) -> None:
    app = serve.app(models(vad), max_sessions=most)
    await run(
        app,
        lambda: app.state.drain.sessions,
        ("RealtimeSession", "Dialogue", "Pipe", "Task"),
        {"written": lambda: {"at": WRITTEN[-1]}},
        app.state.drain,
        ws_max_size=serve.MAX_MESSAGE_BYTES,
    )


def loud(samples: rxv.Samples) -> bool:
    return bool(abs(samples).max() > 0.02)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `rxvoice serve`
        runner.run(main(sys.argv[1], int(sys.argv[2])))
