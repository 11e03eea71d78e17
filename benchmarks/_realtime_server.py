"""The server that `benchmarks.realtime` talks to. Its process takes commands as lines of stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import uvicorn

import rxvoice as rxv
from benchmarks._measure import resident_mb
from rxvoice import serve

SOUND = np.full(12_000, 0.25, np.float32)
EVERY = 0.005
WRITTEN: list[float] = []
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


async def main(vad: str) -> None:
    silero = rxv.offline.silero(gather_ms=8)
    silero.load()
    llm = StubLlm()
    models = serve.Models(
        stt=lambda audio: f"{len(audio)} samples",
        llm=lambda: llm,
        tts=speak,
        vad=silero.fresh if vad == "silero" else lambda: loud,
    )
    app = serve.app(models, max_sessions=10_000)
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(
        app, log_level="error", ws="websockets-sansio", ws_max_size=serve.MAX_MESSAGE_BYTES
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    lags: list[float] = []

    async def beat() -> None:
        while True:
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            lags.append(1000 * (loop.time() - due))

    def answer(question: str) -> dict[str, float]:
        if question == "lag":
            measured, lags[:] = lags.copy(), []
            return {"p99": float(np.percentile(measured or [0.0], 99))}
        if question == "written":
            return {"at": WRITTEN[-1]}
        gc.collect()
        things = [type(thing).__name__ for thing in gc.get_objects()]
        names = ("RealtimeSession", "Dialogue", "Pipe", "Task")
        return {
            "active": app.state.drain.sessions,
            "threads": threading.active_count(),
            "parts": sum(things.count(name) for name in names),
            "mb": resident_mb(),
        }

    def ask() -> None:
        for line in sys.stdin:
            asked: asyncio.Future[dict[str, float]] = asyncio.run_coroutine_threadsafe(
                asyncio.to_thread(answer, line.strip()), loop
            )  # type: ignore[assignment]
            print(json.dumps(asked.result()), flush=True)
        server.should_exit = True

    threading.Thread(target=ask, daemon=True).start()
    beating = asyncio.create_task(beat())
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    await server.serve([listening])
    beating.cancel()


def loud(samples: rxv.Samples) -> bool:
    return bool(samples[0] > 0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
