"""Runs the app of a benchmark. The process takes questions as lines of stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn

from benchmarks._measure import resident_mb
from rxvoice.serve._drain import Drain
from rxvoice.serve._garbage import collect_garbage
from rxvoice.serve._lag import watch_lag

_EVERY_S = 0.005

Answer = Callable[[], dict[str, float]]


async def run(
    app: Any,
    active: Callable[[], int],
    parts: tuple[str, ...],
    answers: dict[str, Answer] | None = None,
    drain: Drain | None = None,
    **config: Any,
) -> None:
    """Serve until stdin ends. Prints the port, and then an answer to each question.

    ``lag`` is the p99 of the event loop's lag since the last such question, in ms, ``mb`` the
    memory, and ``cpu`` the time that the process has computed. Anything else is what is left:
    sessions, threads, objects, and memory.

    Args:
        active: how many sessions there are.
        parts: the names of the classes whose objects are counted.
        answers: to further questions.
        drain: of `rxvoice serve`, which has a say in when garbage is collected.
        config: for uvicorn.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", ws="websockets-sansio", **config)
    )
    lags: list[float] = []

    def answer(question: str) -> dict[str, float]:
        if question == "lag":
            measured, lags[:] = lags.copy(), []
            return {"p99": 1000 * float(np.percentile(measured or [0.0], 99))}
        if question == "mb":
            return {"mb": resident_mb()}
        if question == "cpu":
            return {"seconds": time.process_time()}
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
            print(json.dumps(answer(line.strip())), flush=True)
        server.should_exit = True

    threading.Thread(target=ask, daemon=True).start()
    beside = [asyncio.create_task(watch_lag(lags.append, every_s=_EVERY_S))]
    if drain is not None:
        beside.append(asyncio.create_task(collect_garbage(drain)))
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    await server.serve([listening])
    for task in beside:
        task.cancel()
