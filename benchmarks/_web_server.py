"""The server that `benchmarks.web` talks to."""

from __future__ import annotations

import asyncio

import numpy as np
from reactivex import Observable
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

import rxvoice as rxv
from benchmarks._session_server import run
from rxvoice import operators as vox
from rxvoice import web

SOUND = np.full(12_000, 0.25, np.float32)


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
    names = ("Session", "RemoteSpeaker", "Client", "Task")
    await run(app, lambda: sessions.active, names, lifespan="off")


if __name__ == "__main__":
    asyncio.run(main())
