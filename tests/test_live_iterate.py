"""`rxv.live(pipe).iterate()`: a blocking loop; and what is refused in its place."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.turn import Turn, TurnWriter

WAIT_S = 60
BOOM = RuntimeError("boom")
TURN = Turn.of(np.zeros(4, np.float32))
CONVERSATION = "rxvoice-conversation"


_before: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def remembered() -> None:
    """The threads that another test has left to end by themselves."""
    _before.clear()
    _before.update(threading.enumerate())


def alive() -> list[str]:
    started = set(threading.enumerate()) - _before
    return [it.name for it in started if it.name == CONVERSATION]


def endless(left: threading.Event) -> rx.Observable[int]:
    """Endless numbers, which note when they are disposed of."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        observer.on_next(1)
        observer.on_next(2)
        return Disposable(left.set)

    return rx.create(subscribe)


def test_it_gives_each_element_and_ends_with_the_pipe() -> None:
    assert list(rxv.live(rx.of(1, 2, 3)).iterate()) == [1, 2, 3]
    assert list(rxv.live(rx.empty()).iterate()) == []
    assert alive() == []


def test_the_loop_runs_here_and_the_pipe_on_its_thread() -> None:
    made: list[str] = []

    def note(_: object) -> None:
        made.append(threading.current_thread().name)

    for _ in rxv.live(rx.of(1).pipe(ops.do_action(note))).iterate():
        assert threading.current_thread() is threading.main_thread()
    assert made == [CONVERSATION]


class Late:
    """Emits a first element, and the others when it is told to, before the loop goes on."""

    def __init__(self, first: Any, *others: Any) -> None:
        self.going, self.gone = threading.Event(), threading.Event()

        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            observer.on_next(first)
            assert self.going.wait(WAIT_S)
            for it in others:
                observer.on_next(it)
            observer.on_completed()
            self.gone.set()
            return Disposable()

        self.pipe: rx.Observable[Any] = rx.create(subscribe)

    def go_on(self) -> None:
        self.going.set()
        assert self.gone.wait(WAIT_S)


def test_what_comes_later_is_waited_for() -> None:
    late = Late(0, 1)
    seen: list[int] = []
    for it in rxv.live(late.pipe).iterate():
        seen.append(it)
        late.going.set()
    assert seen == [0, 1]


def test_what_comes_on_another_thread_too() -> None:
    worker = EventLoopScheduler()
    assert list(rxv.live(rx.of(1, 2).pipe(ops.observe_on(worker))).iterate()) == [1, 2]
    worker.dispose()


def test_an_error_of_the_pipe_is_raised_after_what_came_before() -> None:
    given = rxv.live(rx.concat(rx.of(1), rx.throw(BOOM))).iterate()
    assert next(given) == 1
    with pytest.raises(RuntimeError, match=r"^boom$"):
        next(given)
    assert alive() == []


def leave_by_break(given: Any) -> None:
    for _ in given:
        break


def leave_by_error(given: Any, error: type[BaseException] = KeyError) -> None:
    def loop() -> None:
        for _ in given:
            raise error

    with pytest.raises(error):
        loop()


def leave_by_ctrl_c(given: Any) -> None:
    leave_by_error(given, KeyboardInterrupt)


def leave_by_close(given: Any) -> None:
    next(given)
    given.close()


def leave_by_forgetting(given: Any) -> None:
    next(given)
    del given


@pytest.mark.parametrize(
    "leave",
    [leave_by_break, leave_by_error, leave_by_ctrl_c, leave_by_close, leave_by_forgetting],
)
def test_leaving_the_loop_disposes(leave: Callable[[Any], None]) -> None:
    left = threading.Event()
    leave(rxv.live(endless(left)).iterate())
    assert left.wait(WAIT_S)
    assert alive() == []


def test_nothing_is_subscribed_to_before_the_first_step() -> None:
    asked: list[int] = []
    given = rxv.live(rx.defer(lambda _: asked.append(1) or rx.of(1))).iterate()
    assert asked == []
    given.close()
    assert (asked, alive()) == ([], [])


def test_a_loop_that_does_not_keep_up_is_told_what_it_missed() -> None:
    late = Late("first", events.Partial(TURN, "hel"), "second", "third")
    given = rxv.live(late.pipe).iterate(max_events=2)
    assert next(given) == "first"
    late.go_on()
    notice, *rest = given
    assert isinstance(notice, rxv.Notice)
    assert notice.detail == {"dropped": 1, "total": 1}
    assert rest == ["second", "third"]


def test_it_takes_the_limit_of_live() -> None:
    late = Late(0, 1, 2)
    given = rxv.live(late.pipe, max_events=1).iterate()
    assert next(given) == 0
    late.go_on()
    assert [type(it) for it in given] == [rxv.Notice, int]


def test_a_turn_that_waits_can_still_be_heard() -> None:
    writer = TurnWriter(1, 0, 16_000)
    writer.append(rxv.AudioChunk(np.ones(4, np.float32), speech=True))
    writer.close("source", 1)
    (turn,) = rxv.live(rx.of(writer.turn)).iterate()
    assert turn.audio.tolist() == [1.0] * 4


def test_turns_as_they_come() -> None:
    chunks = [rxv.AudioChunk(np.ones(512, np.float32), 16_000, 512 * n) for n in range(8)]
    turns = rx.from_iterable(chunks).pipe(
        vox.vad(lambda it: True), vox.turn_window(max_duration_ms=64)
    )
    assert [turn.id for turn in rxv.live(turns).iterate()] == [1, 2, 3, 4]


CTRL_C = """
import reactivex as rx, rxvoice as rxv
from reactivex.disposable import Disposable

def subscribe(observer, scheduler=None):
    print("waiting", flush=True)
    return Disposable(lambda: print("let go", flush=True))

try:
    for it in rxv.live(rx.create(subscribe)).iterate():
        pass
except KeyboardInterrupt:
    print("over", flush=True)
"""


def test_ctrl_c_while_it_waits() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert (out, err) == ("let go\nover\n", "")
    assert process.returncode == 0


def test_it_says_where_its_events_go() -> None:
    worker = EventLoopScheduler()
    with pytest.raises(ConfigError, match="leave out live's deliver_on"):
        rxv.live(rx.of(1), deliver_on=worker).iterate()
    worker.dispose()
    with pytest.raises(ConfigError, match="iterate max_events must be at least 1 events"):
        rxv.live(rx.of(1)).iterate(max_events=0)


LOOPS: list[Callable[[Any], Any]] = [iter, list, tuple, lambda it: [*it]]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_over_an_observable_says_what_to_do(loop: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"loop over rxv\.live\(pipe\)\.iterate\(\)"):
        loop(rxv.live(rx.of(1)))
    with pytest.raises(TypeError, match=r"turn\.subscribe\(\.\.\.\).*turn\.audio"):
        loop(TURN)
