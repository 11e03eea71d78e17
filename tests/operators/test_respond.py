from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import EventLoopScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice.elements import Reply, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Dropped, TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeResponder, failing
from rxvoice.turn import Turn

BOOM = RuntimeError("out of memory")


def said(text: str = "hi", id: int = 1, *, final: bool = True) -> Transcript:
    return Transcript(Turn.of(np.zeros(4, np.float32), id=id), text, final)


class Run(Pushed):
    """Transcripts, pushed by hand, and the replies to them."""

    operator = staticmethod(vox.respond)

    @property
    def texts(self) -> list[str]:
        """Each reply: turn, then ``+delta``, or ``=text`` where it is final."""
        return [
            f"{it.turn.id} failed"
            if isinstance(it, TurnFailed)
            else f"{it.turn.id}{'=' + it.text if it.final else '+' + it.delta}"
            for it in self.seen
        ]


def echo(text: str) -> list[str]:
    return ["you said ", text]


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_passes_the_battery(errors: Any) -> None:
    check_operator(
        lambda: vox.respond(echo, errors=errors),
        elements=[said("a"), said("b", final=False), said("c", 2)],
        failing=lambda error: vox.respond(failing(echo, error=error), errors=errors),
        name="respond",
    )


def test_passes_the_battery_in_virtual_time() -> None:
    check_operator(
        lambda: vox.respond(lambda text: FakeResponder(echo(text), every_ms=40).respond(text)),
        elements=[said("a"), said("b", final=False), said("c", 2)],
        name="respond",
    )


async def coroutine(text: str) -> str:
    await asyncio.sleep(0)
    return "Good morning."


async def async_generator(text: str) -> AsyncIterator[str]:
    for piece in ("Good ", "morning."):
        await asyncio.sleep(0)
        yield piece


def generator(text: str) -> Iterator[str]:
    yield from ("Good ", "morning.")


WHOLE = ["1+Good morning.", "1=Good morning."]
PIECES = ["1+Good ", "1+morning.", "1=Good morning."]
SHAPES = [
    pytest.param(lambda text: "Good morning.", WHOLE, id="value"),
    pytest.param(coroutine, WHOLE, id="coroutine"),
    pytest.param(lambda text: ("Good ", "morning."), PIECES, id="tuple"),
    pytest.param(generator, PIECES, id="generator"),
    pytest.param(async_generator, PIECES, id="async generator"),
    pytest.param(lambda text: rx.of("Good ", "morning."), PIECES, id="observable"),
    pytest.param(FakeResponder(["Good ", "morning."]), PIECES, id="object"),
]


@pytest.mark.parametrize(("llm", "wanted"), SHAPES)
def test_every_shape_of_answer(llm: Any, wanted: list[str]) -> None:
    run = Run(llm).push(said(), end=True)
    assert run.texts == wanted
    assert run.end == ["completed"]


@pytest.mark.parametrize(("llm", "wanted"), SHAPES)
def test_every_shape_of_answer_inside_a_running_loop(llm: Any, wanted: list[str]) -> None:
    async def main() -> Run:
        done = asyncio.Event()
        run = Run(llm)
        run.source.pipe(vox.respond(llm)).subscribe(on_completed=done.set)
        run.push(said(), end=True)
        await done.wait()
        while not run.end:
            await asyncio.sleep(0)
        return run

    run = asyncio.run(main())
    assert run.texts == wanted
    assert run.end == ["completed"]


@pytest.mark.parametrize(("llm", "wanted"), SHAPES)
def test_every_shape_of_answer_on_a_virtual_worker(llm: Any, wanted: list[str]) -> None:
    scheduler = TestScheduler()
    run = Run(llm, worker=scheduler, scheduler=scheduler).push(said(), end=True)
    assert run.seen == []
    scheduler.start()
    assert run.texts == wanted
    assert run.end == ["completed"]


def test_pieces_come_when_they_are_written() -> None:
    scheduler = TestScheduler()
    run = Run(FakeResponder(["a", "b"], every_ms=100), scheduler=scheduler).push(said())
    for ms, wanted in ((50, []), (150, ["1+a"]), (199, ["1+a"]), (201, ["1+a", "1+b", "1=ab"])):
        scheduler.advance_to(ms / 1000)
        assert run.texts == wanted


def test_a_final_reply_has_all_of_the_text_and_no_delta() -> None:
    transcript = said()
    run = Run(echo).push(transcript)
    assert run.seen == [
        Reply(transcript, "you said "),
        Reply(transcript, "hi"),
        Reply(transcript, text="you said hi", final=True),
    ]
    assert all(reply.transcript is transcript for reply in run.seen)


@pytest.mark.parametrize("answer", ["", [], ["", ""]])
def test_an_empty_answer_is_one_too(answer: Any) -> None:
    assert Run(lambda text: answer).push(said()).texts == ["1="]


def test_empty_pieces_are_dropped() -> None:
    assert Run(lambda text: ["", "a", "", "b", ""]).push(said()).texts == ["1+a", "1+b", "1=ab"]


def test_an_empty_transcript_is_answered() -> None:
    llm = FakeResponder("Pardon?")
    Run(llm).push(said(""))
    assert llm.asked == [""]


@pytest.mark.parametrize(
    ("text", "chars"),
    [
        ("", 0),
        (" ... ?! ", 0),
        ("♪😀", 0),
        ("a", 1),
        ("No.", 2),
        ("cafe\u0301", 4),
        ("हाँ", 1),
    ],
)
@pytest.mark.parametrize("where", ["here", "worker"])
def test_a_text_of_too_few_letters_and_digits_is_not_answered(
    text: str, chars: int, where: str
) -> None:
    for least in (0, 1, chars, chars + 1):
        llm = FakeResponder("yes")
        worker = TestScheduler() if where == "worker" else None
        first, second = said(text), said("hello", 2)
        run = Run(llm, min_chars=least, worker=worker, scheduler=worker)
        run.push(first, second, end=True)
        if worker:
            worker.start()
        if chars < least:
            assert run.seen[0] == Dropped(first.turn, "no_words")
            assert llm.asked == ["hello"]
            assert len(run.seen) == 3
        else:
            assert llm.asked == [text, "hello"]
        assert run.end == ["completed"]


@pytest.mark.parametrize("text", ["停", "네", "7"])
def test_what_may_be_all_that_is_said_is_answered(text: str) -> None:
    llm = FakeResponder("yes")
    Run(llm, min_chars=9).push(said(text))
    assert llm.asked == [text]


def test_what_is_dropped_waits_for_the_replies_before_it() -> None:
    scheduler = TestScheduler()
    noise = said("", 2)
    run = Run(FakeResponder("a", every_ms=10), scheduler=scheduler, min_chars=1)
    run.push(said(), noise)
    assert run.seen == []
    scheduler.start()
    assert run.seen[-1] == Dropped(noise.turn, "no_words")
    assert len(run.seen) == 3


def test_a_partial_transcript_of_no_words_is_not_dropped() -> None:
    assert Run(FakeResponder("a"), min_chars=1).push(said("", final=False)).seen == []


@pytest.mark.parametrize("least", [-1, 1.5, True, "1"])
def test_bad_min_chars(least: Any) -> None:
    with pytest.raises(ConfigError, match=r"respond min_chars must be .*letters and digits, got"):
        vox.respond(echo, min_chars=least)


def test_partial_transcripts_are_not_answered() -> None:
    llm = FakeResponder("yes")
    Run(llm).push(said("wha", final=False), said("what", final=False), said("what?"))
    assert llm.asked == ["what?"]


def test_the_next_transcript_waits() -> None:
    scheduler = TestScheduler()
    llm = FakeResponder(["a", "b"], ["c"], every_ms=100)
    run = Run(llm, scheduler=scheduler).push(said(id=1), said(id=2), end=True)
    scheduler.advance_to(0.15)
    assert len(llm.asked) == 1
    scheduler.start()
    assert run.texts == ["1+a", "1+b", "1=ab", "2+c", "2=c"]
    assert run.end == ["completed"]


@pytest.mark.parametrize("pieces", [0, 1, 2])
@pytest.mark.parametrize("errors", ["event", "raise"])
def test_a_failure_before_or_in_the_middle(pieces: int, errors: Any) -> None:
    def llm(text: str) -> Iterator[str]:
        if text == "fine":
            yield "ok"
            return
        yield from ["a", "b"][:pieces]
        raise BOOM

    run = Run(llm, errors=errors).push(said(), said("fine", 2), end=True)
    begun = ["1+a", "1+b"][:pieces]
    if errors == "event":
        assert run.texts == [*begun, "1 failed", "2+ok", "2=ok"]
        error = run.seen[pieces].error
        assert run.end == ["completed"]
    else:
        assert run.texts == begun
        (error,) = run.end
    assert isinstance(error, StageError)
    assert str(error) == "respond (turn 1) failed: RuntimeError: out of memory"
    assert error.cause is BOOM


@pytest.mark.parametrize("inside", [False, True])
def test_an_async_failure(inside: bool) -> None:
    async def llm(text: str) -> AsyncIterator[str]:
        yield "a"
        raise BOOM

    async def main() -> Run:
        run = Run(llm).push(said(), end=True)
        while not run.end:
            await asyncio.sleep(0)
        return run

    run = asyncio.run(main()) if inside else Run(llm).push(said(), end=True)
    assert run.texts == ["1+a", "1 failed"]
    assert run.seen[1].error.cause is BOOM


def test_turn_failed_passes_in_order() -> None:
    scheduler = TestScheduler()
    other = said(id=2).turn
    failed = TurnFailed(other, StageError("transcribe", other, BOOM))
    run = Run(FakeResponder("a", every_ms=10), scheduler=scheduler).push(said(), failed)
    assert run.seen == []
    scheduler.start()
    assert run.texts == ["1+a", "1=a", "2 failed"]
    assert run.seen[2] is failed


@pytest.mark.parametrize("answer", [5, [1, 2], [b"bytes"]])
def test_an_answer_that_is_no_text_fails_its_turn(answer: Any) -> None:
    assert Run(lambda text: answer).push(said()).texts[-1] == "1 failed"


def test_no_answer_at_all_fails_its_turn() -> None:
    assert Run(lambda text: None).push(said()).texts == ["1 failed"]


def test_a_subscriber_that_raises_once_does_not_make_it_deaf_in_a_loop() -> None:
    seen: list[str] = []
    raised: list[Any] = []

    def heard(reply: Any) -> None:
        seen.append(reply.text)
        if len(seen) == 1:
            raise BOOM

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: raised.append(context.get("exception")))
        source: Subject[Transcript] = Subject()
        source.pipe(vox.respond(coroutine)).subscribe(heard)
        for n in (1, 2):
            source.on_next(said(id=n))
            for _ in range(10):
                await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert raised == [BOOM]
    assert seen[1:] == ["", "Good morning."]


def test_a_very_long_reply() -> None:
    run = Run(lambda text: ("x" for _ in range(100_000))).push(said(), end=True)
    assert len(run.seen) == 100_001
    assert run.seen[-1].text == "x" * 100_000
    assert run.end == ["completed"]


def test_very_many_transcripts_that_waited() -> None:
    scheduler = TestScheduler()
    answers = iter([rx.timer(1).pipe(rx.operators.map(lambda _: "slow"))])
    run = Run(lambda text: next(answers, "quick"), scheduler=scheduler)
    run.push(*(said(id=n) for n in range(5_000)), end=True)
    assert run.seen == []
    scheduler.start()
    assert len(run.seen) == 10_000
    assert run.end == ["completed"]


# Disposal.


class Written:
    """A generator's life, noted."""

    def __init__(self, pieces: int = 10) -> None:
        self.log: list[str] = []
        self.threads: set[int] = set()
        self.closed = threading.Event()
        self.pieces = pieces

    def respond(self, text: str) -> Iterator[str]:
        try:
            for n in range(self.pieces):
                self.threads.add(threading.get_ident())
                self.log.append(str(n))
                yield "x"
        finally:
            self.threads.add(threading.get_ident())
            self.log.append("closed")
            self.closed.set()


def disposing_at(llm: Any, nth: int, **options: Any) -> list[Any]:
    """Subscribe, and dispose at the nth reply; the replies seen."""
    source: Subject[Transcript] = Subject()
    seen: list[Any] = []
    life: Any = None

    def heard(reply: Any) -> None:
        seen.append(reply)
        if len(seen) == nth:
            life.dispose()

    subscribed = options.pop("scheduler", None)
    life = source.pipe(vox.respond(llm, **options)).subscribe(heard, scheduler=subscribed)
    source.on_next(said())
    return seen


def test_a_generator_is_closed_once_within_one_step() -> None:
    llm = Written()
    assert len(disposing_at(llm, 3)) == 3
    assert llm.log == ["0", "1", "2", "closed"]


def test_a_generator_is_closed_on_a_virtual_worker() -> None:
    scheduler = TestScheduler()
    llm = Written()
    seen = disposing_at(llm, 3, worker=scheduler)
    scheduler.start()
    assert len(seen) == 3
    assert llm.log == ["0", "1", "2", "closed"]


def test_a_generator_that_has_ended_is_not_closed_again() -> None:
    llm = Written(2)
    Run(llm).push(said(), end=True).life.dispose()
    assert llm.log == ["0", "1", "closed"]


def test_a_generator_is_closed_when_a_subscriber_raises() -> None:
    llm = Written()
    source: Subject[Transcript] = Subject()

    def heard(reply: Any) -> None:
        raise BOOM

    source.pipe(vox.respond(llm)).subscribe(heard)
    with pytest.raises(RuntimeError, match="out of memory") as raised:
        source.on_next(said())
    assert llm.log == ["0", "closed"]
    assert raised.value is BOOM


def test_on_a_real_worker_it_is_called_and_closed_there() -> None:
    worker = EventLoopScheduler()
    llm = Written(10**9)
    go = threading.Event()
    source: Subject[Transcript] = Subject()
    seen: list[Any] = []

    def heard(reply: Any) -> None:
        seen.append(reply)
        if len(seen) == 2:
            go.set()

    life = source.pipe(vox.respond(llm, worker=worker)).subscribe(heard)
    try:
        source.on_next(said())
        assert go.wait(60)
        life.dispose()
        assert llm.closed.wait(60)
        came = len(seen)
        ident: list[int] = []
        done = threading.Event()

        def last(*_: object) -> None:
            ident.append(threading.get_ident())
            done.set()

        worker.schedule(last)
        assert done.wait(60)
        assert len(seen) == came
        assert llm.threads == set(ident)
        assert threading.get_ident() not in llm.threads
        assert llm.log.count("closed") == 1
    finally:
        worker.dispose()


def test_an_async_generator_is_closed_on_disposal() -> None:
    log: list[str] = []

    async def llm(text: str) -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    async def main() -> None:
        run = Run(llm).push(said())
        while len(run.seen) < 3:
            await asyncio.sleep(0)
        run.life.dispose()
        came = len(run.seen)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(run.seen) == came

    asyncio.run(main())
    assert log == ["closed"]


def test_nothing_grows_from_turn_to_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CompositeDisposable] = []

    def composite() -> CompositeDisposable:
        made.append(CompositeDisposable())
        return made[-1]

    monkeypatch.setattr("rxvoice.operators.kernel.Life", composite)
    scheduler = TestScheduler()
    run = Run(FakeResponder(["a", "b"], every_ms=1), scheduler=scheduler)
    for n in range(1000):
        run.push(said(id=n + 1))
        scheduler.start()
    assert len(run.seen) == 3000
    assert [len(life.disposable) for life in made] == [1]


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError) as raised:
        vox.respond(echo, errors="ignore")  # type: ignore[arg-type]
    assert str(raised.value) == 'respond errors must be "event" or "raise", got \'ignore\''
    with pytest.raises(ConfigError, match=r"wanted an object with respond\(\.\.\.\) or a callable"):
        vox.respond(None)  # type: ignore[arg-type]


# What `converse` asks of it


class Remembering:
    """A model whose answers are generators, and which notes what happens to it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def respond(self, text: str) -> Iterator[str]:
        self.notes.append(f"asked {text}")
        try:
            yield "One. "
            yield "Two."
        finally:
            self.notes.append("closed")

    def heard(self, text: str) -> None:
        self.notes.append(f"heard {text}")

    def forget(self) -> None:
        raise OSError("gone")


def test_a_question_can_be_withdrawn_until_the_model_takes_it() -> None:
    llm, worker = Remembering(), TestScheduler()
    operator: Any = vox.respond(llm, worker=worker)
    transcript = said("hi")
    seen: list[Any] = []
    rx.of(transcript).pipe(operator).subscribe(seen.append)
    assert operator.memory.withdraw(transcript) is True
    worker.start()
    assert llm.notes == []
    assert [reply.text for reply in seen] == [""]


def test_a_question_that_the_model_has_taken_cannot_be_withdrawn() -> None:
    llm = Remembering()
    operator: Any = vox.respond(llm)
    transcript = said("hi")
    rx.of(transcript).pipe(operator).subscribe()
    assert operator.memory.withdraw(transcript) is False
    assert operator.memory.withdraw(said("hi")) is True


def test_a_plain_callable_takes_the_question_when_it_is_called() -> None:
    worker = TestScheduler()
    asked: list[str] = []
    operator: Any = vox.respond(lambda text: asked.append(text) or "Yes.", worker=worker)
    first, second = said("one"), said("two")
    rx.of(first, second).pipe(operator).subscribe()
    assert operator.memory.withdraw(first) is True
    worker.start()
    assert asked == ["two"]
    assert operator.memory.withdraw(second) is False
    assert not hasattr(operator, "heard")


def test_the_model_is_told_after_the_step_that_it_takes() -> None:
    llm, worker = Remembering(), TestScheduler()
    operator: Any = vox.respond(llm, worker=worker)
    transcript = said("hi")
    life = rx.disposable.SerialDisposable()

    def on_next(reply: Any) -> None:
        life.dispose()
        operator.memory.heard("One.")

    life.disposable = rx.of(transcript).pipe(operator).subscribe(on_next)
    worker.start()
    assert llm.notes == ["asked hi", "closed", "heard One."]


def test_a_model_that_raises_when_told_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    operator: Any = vox.respond(Remembering())
    operator.memory.forget()
    assert "a model raised when it was told" in caplog.text


def test_a_worker_that_takes_no_more_is_logged_when_a_model_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    llm = Remembering()
    operator: Any = vox.respond(llm, worker=AsyncIOThreadSafeScheduler(loop))
    operator.memory.heard("One.")
    assert llm.notes == []
    assert "the worker takes no more: a model is not told" in caplog.text
