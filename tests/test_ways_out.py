"""Whatever a model raises, and wherever, its turn fails and the next one works."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import aio, policies
from rxvoice import operators as vox
from rxvoice._threads import async_loop as loops
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Transcript
from rxvoice.events import Candidate, Notice, TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSink
from rxvoice.turn import Turn

WAIT = 30
SOUND = np.full(8, 0.5, np.float32)

ERRORS = [asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit, ValueError]


class Model:
    """Answers, but raises at the second of three turns, at the place of that name."""

    def __init__(self, place: str, error: type[BaseException], answer: Any) -> None:
        self.place = place
        self.error = error
        self.answer = answer
        self.asked = 0

    def __call__(self, _: object) -> Any:
        self.asked += 1
        fails = self.asked == 2
        return getattr(self, self.place)(fails)

    def check(self, fails: bool) -> None:
        if fails:
            raise self.error("as told")

    def call(self, fails: bool) -> Any:
        self.check(fails)
        return self.answer

    def first_step(self, fails: bool) -> Iterator[Any]:
        self.check(fails)
        yield self.answer

    def later_step(self, fails: bool) -> Iterator[Any]:
        yield self.answer
        self.check(fails)

    async def coroutine(self, fails: bool) -> Any:
        await asyncio.sleep(0)
        self.check(fails)
        return self.answer

    async def async_step(self, fails: bool) -> AsyncIterator[Any]:
        yield self.answer
        await asyncio.sleep(0)
        self.check(fails)

    def at_subscribe(self, fails: bool) -> Observable[Any]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            self.check(fails)
            observer.on_next(self.answer)
            observer.on_completed()
            return Disposable()

        return Observable(subscribe)

    def in_an_action(self, fails: bool) -> Observable[Any]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            def act(*_: object) -> None:
                self.check(fails)
                observer.on_next(self.answer)
                observer.on_completed()

            if scheduler is None:
                act()
                return Disposable()
            return scheduler.schedule(act)

        return Observable(subscribe)


PLACES = [
    "call",
    "first_step",
    "later_step",
    "coroutine",
    "async_step",
    "at_subscribe",
    "in_an_action",
]


def turn(id: int) -> Turn:
    return Turn.of(np.zeros(4, np.float32), id=id)


def stage(slot: str, model: Model, worker: Any) -> tuple[Any, list[Any]]:
    """Make a stage, and three turns for it."""
    turns = [turn(n) for n in (1, 2, 3)]
    if slot == "transcribe":
        return vox.transcribe(model, worker=worker), turns
    asked = [Transcript(it, f"turn {it.id}") for it in turns]
    if slot == "respond":
        return vox.respond(model, worker=worker), asked
    replies = [Reply(it, text="Yes.", delta="Yes.", final=True) for it in asked]
    return vox.synthesize(model, worker=worker), replies


def outcome(elements: list[Any]) -> list[str]:
    """How each turn ended."""
    return [
        f"{it.turn.id} failed {type(it.error.cause).__name__}"
        if isinstance(it, TurnFailed)
        else f"{it.turn.id} ok"
        for it in elements
        if isinstance(it, TurnFailed) or it.final
    ]


def wanted(error: type[BaseException]) -> list[str]:
    return ["1 ok", f"2 failed {error.__name__}", "3 ok"]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("slot", ["transcribe", "respond", "synthesize"])
@pytest.mark.parametrize("where", ["live", "worker"])
def test_on_a_thread_of_its_own(
    where: str, slot: str, place: str, error: type[BaseException]
) -> None:
    worker = EventLoopScheduler() if where == "worker" else None
    answer = SOUND if slot == "synthesize" else "yes"
    operator, turns = stage(slot, Model(place, error, answer), worker)
    seen: list[Any] = []
    over = threading.Event()
    rxv.live(rx.of(*turns).pipe(operator)).subscribe(
        seen.append, lambda it: (seen.append(it), over.set()), over.set
    )
    assert over.wait(WAIT), "deaf"
    if worker is not None:
        worker.dispose()
    assert outcome(seen) == wanted(error)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", PLACES)
def test_in_place(place: str, error: type[BaseException]) -> None:
    """On the main thread a KeyboardInterrupt is a Ctrl-C: the turn fails, and then it is raised.

    On the thread of the async models it is not raised.
    """
    operator, turns = stage("respond", Model(place, error, "yes"), None)
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(operator).subscribe(seen.append, seen.append)
    raised: list[BaseException] = []
    for element in turns:
        try:
            source.on_next(element)
        except KeyboardInterrupt as ctrl_c:
            raised.append(ctrl_c)
    assert outcome(seen) == wanted(error)
    expected = error is KeyboardInterrupt and place not in ("coroutine", "async_step")
    assert len(raised) == expected


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", ["coroutine", "async_step"])
def test_on_the_loop_of_the_app(place: str, error: type[BaseException]) -> None:
    if error is KeyboardInterrupt:
        pytest.skip("a Ctrl-C in a task of the main thread ends asyncio.run, as ever")

    async def main() -> list[Any]:
        operator, turns = stage("respond", Model(place, error, "yes"), None)
        pipe = rx.of(*turns).pipe(operator)
        return [it async for it in aio.events(pipe, max_events=100, overflow="fail")]

    assert outcome(asyncio.run(main())) == wanted(error)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize("shape", ["sync", "async"])
def test_while_it_is_closed_it_is_logged(
    shape: str, worker: bool, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """No one is left to be told, and the worker goes on."""
    models = EventLoopScheduler() if worker else None
    closing = threading.Event()

    def answer(text: str) -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closing.set()
            if error is not GeneratorExit:
                raise error

    async def async_answer(text: str) -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closing.set()
            if error is not GeneratorExit:
                raise error

    seen: list[Any] = []
    first = threading.Event()
    home = EventLoopScheduler()
    source: Subject[Any] = Subject()
    llm = answer if shape == "sync" else async_answer

    def take(element: Any) -> None:
        seen.append(element)
        first.set()
        life.dispose()

    life = source.pipe(vox.respond(llm, worker=models)).subscribe(take, scheduler=home)
    home.schedule(lambda *_: source.on_next(Transcript(turn(1), "hi")))
    assert first.wait(WAIT)
    assert closing.wait(WAIT)
    if shape == "async":
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loops._shared.get()).result(WAIT)
    for scheduler in filter(None, (models, home)):
        alive = threading.Event()
        scheduler.schedule(lambda *_, alive=alive: alive.set())
        assert alive.wait(WAIT)
        scheduler.dispose()
    assert len(seen) == 1
    logged = "a model raised while its answer was closed" in caplog.text
    assert logged == (error is not GeneratorExit)


def test_with_errors_raise_it_is_the_error_of_the_stream() -> None:
    def leave(text: str) -> str:
        raise SystemExit(3)

    errors: list[Any] = []
    rx.of(Transcript(turn(1), "hi")).pipe(vox.respond(leave, errors="raise")).subscribe(
        on_error=errors.append
    )
    assert isinstance(errors[0], StageError)
    assert str(errors[0]) == "respond (turn 1) failed: SystemExit: 3"


@pytest.mark.parametrize("method", ["heard", "forget"])
def test_what_a_model_raises_when_it_is_told_something_is_logged(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Llm:
        def respond(self, text: str) -> str:
            return text

        def heard(self, text: str) -> None:
            raise SystemExit(3)

        def forget(self) -> None:
            raise SystemExit(3)

    worker = EventLoopScheduler()
    operator: Any = vox.respond(Llm(), worker=worker)
    with caplog.at_level(logging.ERROR, "rxvoice"):
        getattr(operator.memory, method)(*(["hi"] if method == "heard" else []))
        alive = threading.Event()
        worker.schedule(lambda *_: alive.set())
        assert alive.wait(WAIT)
    worker.dispose()
    assert "a model raised when it was told what became of its answer" in caplog.text


def test_a_ctrl_c_as_a_model_is_told_something_reaches_the_app() -> None:
    class Llm:
        def respond(self, text: str) -> str:
            return text

        def heard(self, text: str) -> None:
            raise KeyboardInterrupt

    operator: Any = vox.respond(Llm())
    with pytest.raises(KeyboardInterrupt):
        operator.memory.heard("hi")


# The parts that are asked on the conversation thread


def chunk(*, speech: bool | None = None) -> AudioChunk:
    return AudioChunk(np.zeros(160, np.float32), 16_000, 0, speech=speech)


def leave(*_: object) -> Any:
    raise SystemExit(3)


def interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


class Detector:
    def __init__(self, raising: Callable[[], Any]) -> None:
        self._raising = raising

    def is_speech(self, samples: Any) -> bool:
        return True

    def reset(self) -> None:
        self._raising()


@pytest.mark.parametrize(
    ("make", "element", "name"),
    [
        (lambda it: vox.vad(it), chunk(), "vad"),
        (lambda it: vox.vad(lambda _: True, echo=it), chunk(), "vad"),
        (lambda it: vox.vad(Detector(it)), chunk(), "vad"),
        (lambda it: vox.barge_in(it, playing=lambda: True), chunk(speech=True), "barge_in"),
        (lambda it: vox.barge_in(playing=it), chunk(speech=True), "barge_in"),
    ],
)
def test_a_detector(make: Any, element: Any, name: str) -> None:
    seen: list[Any] = []
    rx.of(element).pipe(make(leave)).subscribe(seen.append, seen.append)
    # A part that is asked at every chunk fails that chunk; one that cannot begin ends the stream.
    error = seen[0].detail if isinstance(seen[0], Notice) else seen[0]
    assert isinstance(error, StageError)
    assert str(error) == f"{name} failed: SystemExit: 3"
    with pytest.raises(KeyboardInterrupt):
        rx.of(element).pipe(make(interrupt)).subscribe(seen.append, seen.append)


@pytest.mark.parametrize("policy", [leave, policies.any_of(leave)])
def test_a_policy_fails_its_turn(policy: Any) -> None:
    chunks = [chunk(speech=True), chunk(speech=False)] * 2
    ends: list[Any] = []
    rx.from_iterable(chunks).pipe(
        vox.turn_window(policy),
        ops.flat_map(lambda it: it.pipe(ops.materialize(), ops.last())),
    ).subscribe(lambda it: ends.append(it.exception))
    assert [str(it) for it in ends] == [
        "turn_window (turn 1) failed: SystemExit: 3",
        "turn_window (turn 2) failed: SystemExit: 3",
    ]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_async_source(error: type[BaseException], at_once: bool) -> None:
    async def numbers() -> AsyncIterator[int]:
        if not at_once:
            yield 1
        raise error("as told")

    async def main() -> list[Any]:
        seen: list[Any] = []
        over = asyncio.Event()
        aio.source(numbers).subscribe(seen.append, lambda it: (seen.append(it), over.set()))
        await asyncio.wait_for(over.wait(), WAIT)
        return seen

    *before, failed = asyncio.run(main())
    assert before == ([] if at_once else [1])
    assert error.__name__ in str(failed)


def test_a_ctrl_c_in_the_echo_detector_of_a_conversation_is_raised() -> None:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(
        vox.turn_window(policies.silence(20)),
        vox.converse(
            vox.transcribe(lambda audio: "hi"),
            vox.respond(lambda text: "Yes."),
            vox.synthesize(lambda text: rx.never(), sample_rate=16_000),
            sink=FakeSink(),
            echo=interrupt,
        ),
    ).subscribe(seen.append, seen.append)
    for speech in (True, False, False):
        source.on_next(chunk(speech=speech))
    with pytest.raises(KeyboardInterrupt):
        source.on_next(chunk(speech=True))
    assert type(seen[-1]) is Candidate


HI = Transcript(turn(1), "hi")


class Policy:
    def user_finished(self, audio: Any, silence_ms: int) -> bool:
        return False

    def user_spoke_again(self, silence_ms: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("make", "elements"),
    [
        (lambda: vox.turn_window(interrupt), [chunk(speech=True), chunk(speech=False)]),
        (lambda: vox.turn_window(Policy()), [chunk(speech=it) for it in (True, False, True)]),
        (lambda: vox.wake_word(interrupt), [chunk(speech=True)]),
        (
            lambda: vox.wake_word(lambda _: "go", playing=interrupt),
            [chunk(speech=True)],
        ),
        (
            lambda: vox.map_sentences(interrupt),
            [Reply(HI, "One."), Reply(HI, text="One.", final=True)],
        ),
        (lambda: vox.cancel_echo(interrupt), [chunk(speech=True)]),
    ],
)
def test_a_ctrl_c_is_raised_once_it_was_told(make: Any, elements: list[Any]) -> None:
    seen: list[Any] = []
    source: Subject[Any] = Subject()
    source.pipe(make()).subscribe(seen.append, seen.append)
    for element in elements[:-1]:
        source.on_next(element)
    with pytest.raises(KeyboardInterrupt):
        source.on_next(elements[-1])
