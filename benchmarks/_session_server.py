"""Runs the app of a benchmark. The process takes questions as lines of stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn

from benchmarks._measure import resident_mb

_EVERY = 0.005

Answer = Callable[[], dict[str, float]]


async def run(
    app: Any,
    active: Callable[[], int],
    parts: tuple[str, ...],
    answers: dict[str, Answer] | None = None,
    **config: Any,
) -> None:
    """Serve until stdin ends. Prints the port, and then an answer to each question.

    ``lag`` is the p99 of the event loop's lag since the last such question, in ms. Anything else is
    what is left: sessions, threads, objects, and memory.

    Args:
        active: how many sessions there are.
        parts: the names of the classes whose objects are counted.
        answers: to further questions.
        config: for uvicorn.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", ws="websockets-sansio", **config)
    )
    loop = asyncio.get_running_loop()
    lags: list[float] = []

    async def beat() -> None:
        while True:
            due = loop.time() + _EVERY
            await asyncio.sleep(_EVERY)
            lags.append(1000 * (loop.time() - due))

    def answer(question: str) -> dict[str, float]:
        if question == "lag":
            measured, lags[:] = lags.copy(), []
            return {"p99": float(np.percentile(measured or [0.0], 99))}
        if answers and question in answers:
            return answers[question]()
        gc.collect()
        things = [type(thing).__name__ for thing in gc.get_objects()]
        return {
            "active": active(),
            "threads": threading.active_count(),
            "parts": sum(things.count(name) for name in parts),
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
