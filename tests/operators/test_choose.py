from __future__ import annotations

from typing import Any

import reactivex as rx
from reactivex import operators as ops
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeResponder, check_operator, failing, turn

ASKED = [rxv.Transcript(turn("~_", id=n), f"question {n}") for n in (1, 2)]


def test_choose_passes_the_battery() -> None:
    def broken(error: Exception) -> Any:
        return vox.choose(
            lambda _: vox.respond(failing(FakeResponder("x"), "respond", error=error))
        )

    check_operator(
        lambda: vox.choose(lambda _: vox.respond(FakeResponder("Yes."))),
        elements=ASKED,
        failing=broken,
        name="choose",
    )


def test_a_quick_agent_waits_for_the_slow_one_before_it() -> None:
    clock = TestScheduler()
    seconds = {"one": 0.2, "two": 0.1}

    def agent(transcript: rxv.Transcript) -> Any:
        wait = seconds[transcript.text]
        return vox.respond(lambda text: rx.timer(wait).pipe(ops.map(lambda _: text)))

    questions = [
        rxv.Transcript(rxv.Turn.of([0.0], id=n), text) for n, text in enumerate(seconds, 1)
    ]
    seen: list[Any] = []
    rx.from_iterable(questions).pipe(vox.choose(agent)).subscribe(seen.append, scheduler=clock)
    clock.start()
    assert [it.text for it in seen if it.final] == ["one", "two"]


def test_an_agent_that_is_no_operator_is_named() -> None:
    errors: list[Exception] = []
    agent: Any = lambda transcript: "ann"  # noqa: E731
    question = rxv.Transcript(rxv.Turn.of([0.0]), "hi")
    rx.of(question).pipe(vox.choose(agent)).subscribe(on_error=errors.append)
    assert [str(it) for it in errors] == [
        "choose wanted an operator, such as vox.respond(llm), got 'ann'"
    ]
