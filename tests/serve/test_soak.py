"""`benchmarks.soak`, with two clients for half a minute of virtual time."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from serve.virtual_loop import run

from benchmarks import soak
from benchmarks._realtime_server import models
from benchmarks._scrape import Scraped
from benchmarks._visitor import Counts
from rxvoice import serve
from rxvoice.serve.session.dialogue import Dialogue

CLIENTS = 2


class Here:
    """A server on this loop, in place of one in a process of its own."""

    def __init__(self, url: str, sessions: Callable[[], int]) -> None:
        self.url = url
        self._sessions = sessions

    async def ask(self, question: str) -> dict[str, float]:
        if question != "left":
            return {"p99": 0.0, "mb": 1.0}
        gc.collect()
        return {
            "active": self._sessions(),
            "threads": threading.active_count(),
            "parts": sum(isinstance(it, Dialogue) for it in gc.get_objects()),
        }


async def _soaked(told: list[str]) -> soak.Soak:
    app: Any = serve.app(models("stub"), max_sessions=CLIENTS + 1)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", ws="websockets-sansio", ws_max_size=2**20)
    )
    serving = asyncio.create_task(server.serve([listening]))
    url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/realtime"
    here = Here(url, lambda: app.state.drain.sessions)
    seen = await soak.soak(here, CLIENTS, 30, told.append)
    server.should_exit = True
    await serving
    return seen


def test_clients_talk_interrupt_break_off_and_come_again_and_all_sound_is_accounted_for() -> None:
    told: list[str] = []
    seen = run(_soaked(told))
    rows = soak.rows(seen, CLIENTS, "as the test says")
    assert [row.name for row in rows if not row.ok] == []
    assert seen.counts.visits > CLIENTS
    assert seen.counts.replies > 2
    assert seen.counts.broken_off
    assert seen.metrics.sum("interruptions_total")
    assert seen.metrics.sum("audio_received_seconds_total") > 40
    assert len(told) == 6
    assert "0 refused, 0 errors" in told[-1]


METRICS = """\
rxvoice_sessions_closed_total{reason="failed"} 0.0
rxvoice_audio_received_seconds_total 1000.0
rxvoice_audio_judged_seconds_total 990.0
rxvoice_audio_dropped_seconds_total 10.0
rxvoice_loop_lag_seconds_bucket{le="0.01"} 98.0
rxvoice_loop_lag_seconds_bucket{le="0.02"} 99.0
rxvoice_loop_lag_seconds_bucket{le="+Inf"} 100.0
"""
QUIET = {"active": 0.0, "threads": 2.0, "parts": 3.0}


@pytest.mark.parametrize(
    ("wrong", "change"),
    [
        ([], {}),
        (["memory in the last third"], {"mb": [0.0] * 3 + [100.0] * 6 + [106.0] * 3}),
        (["refused, errors, and sessions that failed"], {"counts": Counts(refused=1, sent_s=1000)}),
        (["sessions, tasks and threads left after 1 s"], {"after": QUIET | {"active": 1.0}}),
        (
            ["refused, errors, and sessions that failed"],
            {"metrics": Scraped(METRICS.replace('"failed"} 0', '"failed"} 1'))},
        ),
        (
            ["sound that was neither judged nor counted as dropped"],
            {
                "metrics": Scraped(
                    METRICS.replace("judged_seconds_total 990", "judged_seconds_total 989")
                )
            },
        ),
        (["sound that was sent and not received"], {"counts": Counts(sent_s=1020)}),
    ],
)
def test_what_must_not_happen_is_said(wrong: list[str], change: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "before": QUIET,
        "after": QUIET,
        "counts": Counts(sent_s=1000),
        "metrics": Scraped(METRICS),
        "mb": [0.0] * 3 + [100.0] * 6 + [104.0] * 3,
        "lags": [1.0],
    }
    rows = soak.rows(soak.Soak(**(usual | change)), 1, "")
    assert [row.name for row in rows if not row.ok] == wrong
    assert rows[-1].value == 20  # ms
