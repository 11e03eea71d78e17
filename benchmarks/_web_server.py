"""The server that `benchmarks.web` talks to. Its process takes commands as lines of stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading

import numpy as np
import uvicorn
from reactivex import Observable
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

import rxvoice as rxv
from benchmarks._measure import resident_mb
from rxvoice import operators as vox
from rxvoice import web

SOUND = np.full(12_000, 0.25, np.float32)
EVERY = 0.005


def loud(samples: rxv.Samples) -> bool:
    return bool(samples[0] > 0.1)


def converse(client: web.Client) -> Observable[rxv.FinishedTurn | rxv.Event]:
    """Reply to every turn with one second of sound."""
    turns = client.microphone.pipe(
        vox.chunk(512), vox.vad(loud), vox.preroll(250), vox.turn_window(rxv.silence(480))
    )
    return turns.pipe(
        vox.transcribe(lambda audio: f"{len(audio)} samples"),
        vox.respond(lambda text: iter(("You said ", text, "."))),
        vox.synthesize(lambda text: iter((SOUND, SOUND))),
        vox.play(client.speaker),
    )


async def main() -> None:
    sessions = web.sessions(
        converse, limits=web.Limits(max_sessions=10_000, max_per_address=10_000)
    )
    app = Starlette(routes=[WebSocketRoute("/talk", sessions.serve)])
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(app, log_level="error", lifespan="off", ws="websockets-sansio")
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
        gc.collect()
        things = [type(thing).__name__ for thing in gc.get_objects()]
        names = ("Session", "RemoteSpeaker", "Client", "Task")
        return {
            "active": sessions.active,
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


if __name__ == "__main__":
    asyncio.run(main())
