"""`rxv.live(pipe).run()`, and programs that end too early."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler, NewThreadScheduler
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.sinks.memory import MemorySink

WAIT_S = 60
BOOM = RuntimeError("boom")
TURN = rxv.Turn.of(np.zeros(4, np.float32))


def spoken() -> rx.Observable[Any]:
    return rx.of(TURN).pipe(
        vox.transcribe(lambda audio: "hello"),
        vox.respond(lambda text: "Hi."),
        vox.synthesize(lambda text: [np.zeros(3, np.float32)]),
    )


def test_it_tells_each_element_and_gives_the_last() -> None:
    seen: list[int] = []
    assert rxv.live(rx.of(1, 2, 3)).run(seen.append) == 3
    assert seen == [1, 2, 3]


def test_a_sink_may_be_given_as_to_subscribe() -> None:
    sink = MemorySink()
    last = rxv.live(spoken()).run(sink)
    assert isinstance(last, rxv.Speech)
    assert len(sink.samples) == 3
    with pytest.raises(rxv.SinkStalled, match="has been stopped"):
        sink.write_samples(np.zeros(1, np.float32))


def test_an_error_of_the_conversation_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    for observer in (None, seen.append, MemorySink()):
        with pytest.raises(RuntimeError, match=r"^boom$"):
            rxv.live(rx.throw(BOOM)).run(observer)
    # The sink notes it too, since RxPY may swallow what an observer raises.
    assert len(caplog.records) == 1


def test_a_function_that_raises_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    def tell(n: int) -> None:
        seen.append(n)
        raise BOOM

    assert rxv.live(rx.of(1, 2)).run(tell) == 2
    assert seen == [1, 2]
    assert len(caplog.records) == 2


def test_an_observer_that_cannot_complete_does_not_hold_it_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(MemorySink):
        def flush(self) -> None:
            raise BOOM

    assert rxv.live(rx.empty()).run(Broken()) is None
    (record,) = caplog.records
    assert "raised at the end" in record.message


def test_what_is_no_observer() -> None:
    with pytest.raises(rxv.ConfigError, match="run takes a function such as print, or an observer"):
        rxv.live(rx.empty()).run(EventLoopScheduler())  # type: ignore[arg-type]


@pytest.mark.parametrize("others", [None, EventLoopScheduler])
def test_a_turn_on_its_way_to_the_app_is_listened_to(others: Any) -> None:
    """`take(1)` disposes before the app's thread has seen the turn."""
    chunks = [
        rxv.AudioChunk(np.full(512, 0.5, np.float32), start=512 * n, speech=n < 3) for n in range(8)
    ]
    there = others and others()
    heard: list[int] = []

    def hear(turn: Any) -> None:
        turn.subscribe(heard.append, heard.append, lambda: heard.append(turn.ms))

    pipe = rx.from_iterable(chunks).pipe(vox.turn_window(rxv.silence(64)), ops.take(1))
    rxv.live(pipe, deliver_on=there).run(hear)
    assert heard[-1] == 5 * 32
    if there:
        there.dispose()


# Programs


def program(code: str) -> subprocess.CompletedProcess[str]:
    head = "import numpy as np\nimport reactivex as rx\nimport rxvoice as rxv\n"
    head += "from reactivex import operators as ops\nfrom rxvoice import operators as vox\n"
    return subprocess.run(
        [sys.executable, "-c", head + code],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


CUT_SHORT = "the program ends in the middle of a conversation"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("rxv.live(rx.never()).subscribe(print)", True),
        ("life = rxv.live(rx.never()).subscribe(print)\nlife.dispose()", False),
        ("rxv.live(rx.timer(0.01)).run(print)", False),
        (
            "import threading\nover = threading.Event()\n"
            "rxv.live(rx.of(1)).subscribe(print, print, over.set)\nover.wait(10)",
            False,
        ),
    ],
    ids=["last line", "disposed", "run", "over"],
)
def test_a_program_that_ends_in_the_middle_of_a_conversation_says_so(code: str, said: bool) -> None:
    done = program(code)
    assert done.returncode == 0
    assert (CUT_SHORT in done.stderr) is said
    assert said or done.stderr == ""


def test_a_program_that_fails_says_why() -> None:
    done = program("rxv.live(rx.throw(RuntimeError('boom'))).run(print)")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "RuntimeError: boom"


# A worker, and nowhere to come back to


WORKED: list[Any] = [vox.transcribe, vox.respond, vox.synthesize]


@pytest.mark.parametrize("make", WORKED)
def test_a_worker_without_a_scheduler_is_warned_of(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage = make(lambda _: [], worker=EventLoopScheduler())
    with caplog.at_level(logging.WARNING, "rxvoice"):
        for _ in range(2):  # it is told once
            rx.never().pipe(stage).subscribe().dispose()
    (record,) = caplog.records
    assert "() has a worker, and was subscribed to without a scheduler" in record.getMessage()
    assert "rxv.live(pipe).run()" in record.getMessage()


@pytest.mark.parametrize("make", WORKED)
def test_with_a_scheduler_it_is_not(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    stage = make(lambda _: [], worker=EventLoopScheduler())
    for scheduler in (EventLoopScheduler(), NewThreadScheduler()):  # as `Observable.run` brings
        rx.never().pipe(stage).subscribe(scheduler=scheduler).dispose()
    assert caplog.records == []


ON_ITS_THREAD = """
import numpy as np
import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

turn = rxv.Turn.of(np.zeros(8_000, np.float32))
pipe = rx.of(turn).pipe(vox.transcribe(offline.demo_stt()))
rxv.live(pipe).run()
"""


@pytest.mark.models
@pytest.mark.slow
def test_a_model_of_mlx_on_the_conversation_thread_does_not_abort_at_exit() -> None:
    """It aborts in 5 of 6 runs if the thread does not let go of MLX's streams."""
    script = "import reactivex as rx\n" + ON_ITS_THREAD
    for _ in range(6 if THOROUGH else 2):
        left = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert left.returncode == 0, left.stderr
