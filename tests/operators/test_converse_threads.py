"""Results from one thread, microphone and loudspeaker on others: one thing at a time."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import reactivex as rx
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler

from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.operators._conversation.mailbox import Mailbox
from rxvoice.testing import FakeResponder, FakeSink, FakeSynthesizer, FakeTranscriber
from rxvoice.turn import TurnWriter


def nothing() -> None:
    """Nothing follows from an action."""


def test_one_action_at_a_time_whichever_thread_brings_it() -> None:
    inside = most = 0
    done: list[int] = []

    def action(n: int) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        done.append(n)
        mailbox.send(lambda: None)
        inside -= 1

    mailbox = Mailbox(nothing, lambda error: None)

    def bring(first: int) -> None:
        for n in range(first, first + 2_000):
            mailbox.post(lambda n=n: action(n))  # type: ignore[misc]

    threads = [threading.Thread(target=bring, args=(k * 2_000,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1
    assert sorted(done) == list(range(8_000))
    for k in range(4):
        mine = [n for n in done if n // 2_000 == k]
        assert mine == sorted(mine), "what one thread brings stays in order"


def test_an_action_never_runs_inside_another_and_says_its_piece_first() -> None:
    seen: list[str] = []
    mailbox = Mailbox(nothing, lambda error: None)

    def first() -> None:
        mailbox.post(lambda: seen.append("second"))
        mailbox.send(lambda: seen.append("said"))
        seen.append("first")

    mailbox.post(first)
    assert seen == ["first", "said", "second"]


def test_what_is_raised_downstream_is_raised_and_the_rest_is_kept() -> None:
    seen: list[str] = []
    errors: list[Exception] = []
    mailbox = Mailbox(nothing, errors.append)

    def downstream() -> None:
        raise KeyError("mine")

    def action() -> None:
        mailbox.send(downstream)
        mailbox.send(lambda: seen.append("rest"))

    try:
        mailbox.post(action)
    except KeyError:
        seen.append("raised")
    mailbox.post(lambda: seen.append("next"))
    assert seen == ["raised", "rest", "next"]
    assert errors == []


def test_what_an_action_raises_is_told() -> None:
    errors: list[Exception] = []
    mailbox = Mailbox(nothing, errors.append)
    wrong = OSError("sink")

    def action() -> None:
        raise wrong

    mailbox.post(action)
    assert errors == [wrong]


class Played(FakeSink):
    """Everything is heard when the test says so, on a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.played: Subject[int] = Subject()

    def play(self) -> None:
        self.position = len(self.samples)
        thread = threading.Thread(target=lambda: self.played.on_next(self.position))
        thread.start()
        thread.join(60)


def test_a_conversation_on_an_event_loop_is_delivered_there() -> None:
    """The model has a thread, the microphone too; each element comes on the conversation's."""
    home, worker = EventLoopScheduler(), EventLoopScheduler()
    where: set[str] = set()
    seen: list[Any] = []
    written, finished = threading.Event(), threading.Event()

    def on_next(element: Any) -> None:
        where.add(threading.current_thread().name)
        seen.append(element)
        if type(element).__name__ == "Speech" and not element.final:
            written.set()
        if isinstance(element, events.Finished):
            finished.set()

    sink = Played()
    turns: Subject[Any] = Subject()
    life = turns.pipe(
        rx.operators.observe_on(home),
        vox.converse(
            vox.transcribe(FakeTranscriber("hi"), worker=worker),
            vox.respond(FakeResponder("One two."), worker=worker),
            vox.synthesize(FakeSynthesizer(), worker=worker),
            sink=sink,
        ),
    ).subscribe(on_next, scheduler=home)
    writer = TurnWriter(1, 0, 16_000)
    writer.append(AudioChunk(np.zeros(160, np.float32), speech=True))
    writer.close("policy", 1)
    turns.on_next(writer.turn)
    assert written.wait(30)
    sink.play()
    assert finished.wait(30)
    assert len(where) == 1
    life.dispose()
    home.dispose()
    worker.dispose()
