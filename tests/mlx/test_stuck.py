"""A model thread that one step holds up: who is told, what fails meanwhile, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler
from unmeasured import unmeasured

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.stuck import SharedThread, doing
from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError, ModelThreadStuck, ModelTimeout
from rxvoice.events import Notice, TurnFailed
from rxvoice.mlx.scheduler import MlxScheduler
from rxvoice.turn import Turn

WAIT = 30


def transcript(id: int = 1) -> Transcript:
    return Transcript(Turn.of(np.zeros(4, np.float32), id=id), "hi")


class Hangs:
    """A model whose first call hangs until it is released; it says what it was asked."""

    def __init__(self) -> None:
        self.hangs, self.released = threading.Event(), threading.Event()

    def __call__(self, text: str) -> str:
        if not self.hangs.is_set():
            self.hangs.set()
            assert self.released.wait(WAIT)
        return text


class Talk:
    """A conversation on the model thread, and what it was told."""

    def __init__(self, models: MlxScheduler, llm: Any = None, *, home: bool = True) -> None:
        self.home = EventLoopScheduler() if home else None
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.changed = threading.Condition()
        self.life = self.source.pipe(
            vox.respond(llm or (lambda text: text), worker=models.text),
            vox.synthesize(lambda _: np.full(8, 0.5, np.float32), worker=models.speech),
        ).subscribe(self.note, self.note, scheduler=self.home)

    def note(self, element: Any) -> None:
        with self.changed:
            self.seen.append(element)
            self.changed.notify_all()

    def ask(self, id: int) -> Talk:
        self.source.on_next(transcript(id))
        return self

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.brief()), WAIT), self.brief()
            return self.brief()

    def brief(self) -> list[str]:
        return [it for it in map(brief, self.seen) if it]

    def end(self) -> None:
        self.life.dispose()
        if self.home is not None:
            self.home.dispose()


def brief(element: Any) -> str:
    if isinstance(element, Notice):
        return "stuck" if "is stuck in" in element.message else "goes on"
    if isinstance(element, TurnFailed):
        return f"{element.turn.id} {type(element.error.cause).__name__}"
    return f"{element.turn.id} ok" if element.final else ""


@pytest.fixture
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler(stuck_ms=250) as models:
        yield models


@pytest.mark.parametrize("home", [True, False])
def test_every_conversation_is_told_once_and_its_turns_fail_until_it_goes_on(
    models: MlxScheduler, home: bool
) -> None:
    model = Hangs()
    hung = Talk(models, model, home=home).ask(1)
    assert model.hangs.wait(WAIT)
    waiting = Talk(models, home=home).ask(1)
    idle = Talk(models, home=home)
    for talk in (hung, waiting):
        assert sorted(talk.until(lambda it: len(it) == 2)) == ["1 ModelThreadStuck", "stuck"]
    assert idle.until(lambda it: bool(it)) == ["stuck"]
    for talk in (hung, waiting, idle):  # at once, and each for this reason
        talk.ask(2)
        assert talk.until(lambda it: "2" in it[-1])[-1] == "2 ModelThreadStuck"
    late = Talk(models, home=home).ask(1)
    assert late.until(lambda it: bool(it)) == ["1 ModelThreadStuck"]
    model.released.set()
    for talk in (hung, waiting, idle, late):
        assert talk.until(lambda it: "goes on" in it)[-1] == "goes on"
        talk.ask(3)
        assert talk.until(lambda it: "3 ok" in it)[-1] == "3 ok"
        assert talk.brief().count("stuck") <= 1
        assert talk.brief().count("goes on") == 1
        talk.end()


def test_the_reason_names_the_thread_the_stage_the_turn_and_the_time(models: MlxScheduler) -> None:
    model = Hangs()
    talk = Talk(models, model).ask(7)
    talk.until(lambda it: len(it) == 2)
    (failed,) = [it for it in talk.seen if isinstance(it, TurnFailed)]
    (notice,) = [it for it in talk.seen if isinstance(it, Notice)]
    cause = failed.error.cause
    assert isinstance(cause, ModelThreadStuck)
    assert isinstance(cause, ModelTimeout)
    assert 0.25 <= cause.seconds < WAIT
    wanted = "the model thread 'rxvoice-mlx' is stuck in respond (turn 7) since 0."
    assert str(cause).startswith(wanted)
    assert notice.message.startswith(wanted)
    assert notice.detail == cause
    model.released.set()
    talk.until(lambda it: it[-1] == "goes on")
    message = talk.seen[-1].message
    assert message.startswith("the model thread 'rxvoice-mlx' goes on: respond (turn 7) took 0.")
    talk.end()


def test_a_policy_that_is_asked_there_fails_its_turn_too(models: MlxScheduler) -> None:
    """By `deliver`, without an operator that has limits."""
    from reactivex.disposable import CompositeDisposable

    from rxvoice._answers.deliver import deliver

    model = Hangs()
    models.schedule(lambda *_: model("hi") and None)
    assert model.hangs.wait(WAIT)
    failed = threading.Event()
    seen: list[Any] = []
    deliver(
        lambda: True,
        seen.append,
        lambda: None,
        lambda error: (seen.append(error), failed.set())[1],
        life=CompositeDisposable(),
        worker=models.listening,
        scheduler=None,
    )
    assert failed.wait(WAIT)
    model.released.set()
    (error,) = seen
    assert "is stuck in an action that was scheduled on it" in str(error)


def test_paced_says_what_its_worker_says(models: MlxScheduler) -> None:
    class Sink:
        queued_ms = 0
        played: Subject[int] = Subject()

    sink: Any = Sink()
    assert rxv.paced(models.speech, sink).shared_thread is models.shared_thread
    assert rxv.paced(EventLoopScheduler(), sink).shared_thread is None


@pytest.mark.parametrize("stuck_ms", [0, -1, "1", True])
def test_a_bad_limit(stuck_ms: Any) -> None:
    with pytest.raises(ConfigError, match="stuck_ms must be at least 1 ms"):
        MlxScheduler(stuck_ms=stuck_ms)


# The watch over a thread, in virtual time


class Watched:
    def __init__(self, limit_s: float = 5.0) -> None:
        self.clock = TestScheduler()
        self.thread = SharedThread("models", limit_s, SubscriptionClock(self.clock))
        self.told: list[tuple[float, str]] = []
        self.life = self.thread.follow(
            lambda error, notice: self.told.append((self.clock.clock, notice.message))
        )

    def step(self, begins: float, ends: float) -> None:
        self.clock.advance_to(begins)
        self.thread.begin()
        self.clock.advance_to(ends)
        self.thread.end()


def test_a_step_within_its_limit_is_none_of_anybodys_business() -> None:
    watched = Watched()
    for second in range(0, 100, 4):
        watched.step(second, second + 3.5)
    assert watched.told == []
    assert watched.thread.stuck is None


def test_one_that_gets_stuck_again_is_told_again() -> None:
    watched = Watched()
    for begins in (0, 20):
        watched.step(begins, begins + 8)
    assert [at for at, _ in watched.told] == [5, 8, 25, 28]


def test_one_that_is_not_is_told_once_and_when_it_is_over() -> None:
    watched = Watched()
    watched.step(1, 3)
    watched.clock.advance_to(10)
    watched.thread.begin()
    doing[threading.get_ident()] = lambda: "respond (turn 3)"
    watched.clock.advance_to(14.9)
    assert watched.told == []
    watched.clock.advance_to(40)
    assert "in respond (turn 3) since 30 s" in str(watched.thread.stuck)
    watched.thread.end()
    doing.clear()
    assert watched.thread.stuck is None
    watched.step(50, 51)
    watched.clock.advance_to(100)
    assert watched.told == [
        (15.0, "the model thread 'models' is stuck in respond (turn 3) since 5 s"),
        (40.0, "the model thread 'models' goes on: respond (turn 3) took 30 s"),
    ]


def test_a_short_step_after_another_is_not_taken_for_it() -> None:
    watched = Watched()
    for second in range(20):
        watched.step(second, second + 0.999)
    watched.step(20, 26)
    assert [at for at, _ in watched.told] == [25.0, 26.0]


def test_who_has_left_is_not_told_and_who_raises_spares_the_others() -> None:
    watched = Watched()
    gone: list[Any] = []

    def raising(*_: object) -> None:
        raise ValueError

    watched.thread.follow(lambda *it: gone.append(it)).dispose()
    watched.thread.follow(raising)
    last: list[Any] = []
    watched.thread.follow(lambda *it: last.append(it))
    watched.step(0, 6)
    assert gone == []
    assert len(last) == 2


def test_without_a_limit_nothing_is_told() -> None:
    watched = Watched(float("inf"))
    watched.step(0, 10_000)
    assert watched.told == []


# Shutdown, and the interpreter's exit


def test_shutdown_leaves_a_thread_behind_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rxvoice.mlx import scheduler

    monkeypatch.setattr(scheduler, "_SHUTDOWN_S", 0.02)
    model = Hangs()
    models = MlxScheduler("left")
    talk = Talk(models, model).ask(4)
    assert model.hangs.wait(WAIT)
    (thread,) = [it for it in threading.enumerate() if it.name == "left"]
    models.shutdown()
    models.shutdown()
    assert caplog.text.count("is left behind") == 1
    assert "it is still busy with respond (turn 4)" in caplog.text
    model.released.set()
    thread.join(WAIT)
    assert not thread.is_alive(), "it ends when the step does"
    talk.end()


PROGRAM = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import mlx.core as mx, numpy as np, reactivex as rx
import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.mlx import scheduler
from rxvoice.turn import Turn

how, where = sys.argv[1:]
scheduler._SHUTDOWN_S = 0.2
hangs = threading.Event()

def llm(text):
    mx.eval(mx.ones((8, 8)) @ mx.ones((8, 8)))
    hangs.set()
    if where == "sleep":
        time.sleep(3600)
    elif where == "lock":
        threading.Event().wait()
    while where == "loop":
        pass
    a = mx.random.normal((256, 256))
    while True:
        a = mx.softmax(a @ a)
        mx.eval(a)

models = scheduler.MlxScheduler()
said = rxv.Transcript(Turn.of(np.zeros(4, np.float32)), "hi")
pipe = rx.concat(rx.of(said), rx.never()).pipe(vox.respond(llm, worker=models))
if how == "run":
    def tell():
        hangs.wait(30)
        print("hangs", flush=True)
    threading.Thread(target=tell, daemon=True).start()
    with models:
        rxv.live(pipe).run()
else:
    pipe.subscribe()
    hangs.wait(30)
    if how == "with":
        with models:
            pass
sys.exit(3)
"""


def program(how: str, where: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how, where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**unmeasured(), "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("where", ["sleep", "lock", "loop", "mlx"])
@pytest.mark.parametrize("how", ["exit", "with"])
def test_a_program_ends_whose_model_hangs(how: str, where: str) -> None:
    with program(how, where) as process:
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 3, errors
    assert "is left behind" in errors


def test_one_ctrl_c_ends_a_conversation_whose_model_hangs() -> None:
    with program("run", "sleep") as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "hangs\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 3, errors
