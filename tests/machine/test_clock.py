"""The wall clock is set back and forward in the midst of a conversation: nothing goes by it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from reactivex import operators as ops
from starlette.applications import Starlette
from starlette.testclient import TestClient

import rxvoice as rxv
from rxvoice import events, sinks, trace
from rxvoice import operators as vox
from rxvoice.recorder import StereoRecorder
from rxvoice.serve._access_log import AccessLog
from rxvoice.serve._keys import Keys
from rxvoice.trace import _writer

RATE = 16_000


class WallClock:
    """The time of day, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = 0.0
        real, now = time.time, datetime.now
        monkeypatch.setattr(time, "time", lambda: real() + self.off)
        shifted = lambda: now(UTC) + timedelta(seconds=self.off)  # noqa: E731
        for name in ("scheduler.scheduler", "internal.basic"):
            monkeypatch.setattr(f"reactivex.{name}.default_now", shifted)
        monkeypatch.setattr("rxvoice.sinks._monotonic_loop.default_now", shifted)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


def heard(sink: Any, jump: Any, recorder: StereoRecorder) -> Any:
    """Half a second is said, twice; the first word of each reply makes the clock jump."""
    said = np.concatenate([np.full(8_000, 0.5), np.zeros(9_600)] * 2).astype(np.float32)
    return rxv.sources.array(said, RATE, realtime=True).pipe(
        ops.do_action(lambda it: recorder.mic(it) if isinstance(it, rxv.AudioChunk) else None),
        vox.chunk(512),
        vox.vad(lambda it: bool(it.max() > 0.1)),
        vox.turn_window(rxv.silence(200)),
        vox.converse(
            vox.transcribe(lambda audio: f"{len(audio)} samples"),
            vox.respond(lambda text: ["Yes."], timeout_ms=20_000),
            vox.synthesize(lambda text: [np.full(2_400, 0.25, np.float32)]),
            sink=sink,
            idle_ms=60_000,
        ),
        ops.do_action(lambda it: jump() if isinstance(it, events.ReplyStarted) else None),
        vox.metrics(sink=sink),
    )


def test_a_conversation_goes_on_as_if_nothing_had_been(wall: WallClock, tmp_path: Path) -> None:
    jumps = iter((-7_200.0, 86_400.0))

    def jump() -> None:
        wall.off += next(jumps, 0.0)  # a replay asks, too

    out: list[Any] = []
    began = time.monotonic()
    with StereoRecorder(tmp_path / "talk.wav", RATE) as recorder:
        sink = rxv.echo.tap(recorder.tap(sinks.null(realtime=True)))
        pipe = heard(sink, jump, recorder)
        rxv.live(pipe, trace=tmp_path / "trace").run(out.append)
    lasted = time.monotonic() - began
    for writer in [*_writer._at_work]:
        assert writer.join(30)
    assert next(jumps, None) is None, "it jumped twice"
    assert [it.assistant_text for it in out if isinstance(it, rxv.FinishedTurn)] == ["Yes."] * 2
    assert lasted < 60, "nothing waited for the time of day"
    for it in out:
        if isinstance(it, events.TurnMetrics):
            assert 0 <= it.turn_ended_ms <= it.first_token_ms <= it.first_heard_ms < 60_000
    # The trace has the times of the monotonic clock, and runs again.
    found = trace.read(tmp_path / "trace")
    times = [it.time for it in found.lines]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < lasted
    again: list[Any] = []
    rxv.replay(found.path, pipe).subscribe(again.append)
    assert [type(it) for it in again] == [type(it) for it in out]
    # In the recording, each reply is where it was heard: after its turn.
    sound, _ = soundfile.read(tmp_path / "talk.wav")
    assert len(sound) < (lasted + 1) * RATE
    replies = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(sound[:, 1]) > 0.1])) > 0)
    assert replies[0] > 8_000 + 3_200 - RATE // 10
    assert np.sum(np.abs(sound[:, 1]) > 0.1) == pytest.approx(2 * 1_600, abs=80)


def test_a_secret_goes_by_the_time_of_day(wall: WallClock) -> None:
    """So that every replica knows when it expires: a clock that is set moves that moment."""
    keys = Keys("sk-1", clock=lambda: time.time())
    secret = keys.secret(600)
    brought = {"authorization": f"Bearer {secret.value}"}
    assert keys.allows(brought)
    wall.off = -7_200
    assert keys.allows(brought)
    assert keys.secret(600).expires_at == pytest.approx(secret.expires_at - 7_200, abs=30)
    wall.off = 599 - 30
    assert keys.allows(brought)
    wall.off = 601
    assert not keys.allows(brought)


def test_the_log_of_a_server_counts_no_time_below_0(
    wall: WallClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        wall.off -= 7_200
        await Starlette()(scope, receive, send)

    caplog.set_level("INFO", "rxvoice.access")
    TestClient(AccessLog(app)).get("/nowhere")
    [told] = caplog.messages
    assert told.startswith("testclient GET /nowhere 404 in ")
    assert 0 <= int(told.split()[-2]) < 60_000
