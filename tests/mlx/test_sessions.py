"""Several sessions on one model thread: all are served in turn, whatever one of them asks."""

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex.disposable import CompositeDisposable
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.mlx import MlxScheduler

WAIT = 60
SESSIONS = 6
TURN = rxv.Turn.of(np.zeros(16, np.float32), sample_rate=16_000)


class Steps:
    """What the model thread does, step by step: the kind of work, and whose."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []

    def listen(self, index: int) -> Callable[[Any], Iterator[str]]:
        def transcribe(_: Any) -> Iterator[str]:
            for part in ("How", " are", " you", "?"):
                self.taken.append(("listen", index))
                yield part

        return transcribe

    def think(self, index: int) -> Callable[[str], Iterator[str]]:
        def respond(_: str) -> Iterator[str]:
            for word in range(24):
                self.taken.append(("think", index))
                yield f" word{word}" + (". So" if word % 6 == 5 else "")

        return respond

    def speak(self, index: int) -> Callable[[str], Iterator[Any]]:
        def synthesize(_: str) -> Iterator[Any]:
            for _ in range(4):
                self.taken.append(("speak", index))
                yield np.zeros(8, np.float32)

        return synthesize

    def whose(self, kind: str) -> list[int]:
        return [index for it, index in self.taken if it == kind]


@pytest.mark.parametrize("kind", ["listen", "think", "speak"])
def test_each_kind_of_work_is_done_for_all_sessions_in_turn(kind: str) -> None:
    steps = Steps()
    over = [threading.Event() for _ in range(SESSIONS)]
    begin = threading.Event()
    conversation = EventLoopScheduler()
    with MlxScheduler() as models:
        models.speech.schedule(lambda *_: begin.wait(WAIT))  # so that all ask before it goes on
        for index in range(SESSIONS):
            rx.of(TURN).pipe(
                vox.transcribe(steps.listen(index), worker=models.listening),
                vox.respond(steps.think(index), worker=models.text),
                vox.synthesize(steps.speak(index), worker=models.speech),
            ).subscribe(on_error=print, on_completed=over[index].set, scheduler=conversation)
        begin.set()
        assert all(it.wait(WAIT) for it in over)
    conversation.dispose()
    whose = steps.whose(kind)
    each = len(whose) // SESSIONS
    assert each >= 4
    assert [whose.count(index) for index in range(SESSIONS)] == [each] * SESSIONS
    done = [0] * SESSIONS
    for index in whose:
        done[index] += 1
        # Nobody is more than a few steps ahead of anybody who is not done.
        assert max(done) - min(done) <= 4 + 2 * (kind == "speak")


def test_no_turn_waits_for_the_whole_answer_of_another() -> None:
    """One answer has no end; others are asked, answered and spoken meanwhile."""
    over = [threading.Event() for _ in range(3)]
    spoken: list[int] = []
    words = 0
    going = threading.Event()

    def endless(_: str) -> Iterator[str]:
        nonlocal words
        for word in count():
            words = word
            if word == 3:
                going.set()
            yield f" word{word}."

    def speak(_: str) -> Iterator[Any]:
        yield np.zeros(8, np.float32)

    def take(index: int, element: object) -> None:
        if isinstance(element, Speech) and not element.final:
            spoken.append(index)

    conversation = EventLoopScheduler()
    life = CompositeDisposable()
    with MlxScheduler() as models:
        for index, think in enumerate([endless, lambda _: "Yes.", lambda _: iter(["No", "."])]):
            life.add(
                rx.of(Transcript(TURN, "Hello?")).pipe(
                    vox.respond(think, worker=models.text),  # type: ignore[arg-type]
                    vox.synthesize(speak, worker=models.speech),
                ).subscribe(
                    lambda it, index=index: take(index, it),
                    on_error=print,
                    on_completed=over[index].set,
                    scheduler=conversation,
                )
            )  # fmt: skip
            assert going.wait(WAIT)
            assert index == 0 or over[index].wait(WAIT)
        assert not over[0].is_set()
        before = words
        life.dispose()
    conversation.dispose()
    assert before > 0
    assert spoken.count(1) == 1
    assert spoken.count(2) == 1


def test_the_model_itself_is_told_when_an_answer_among_others_is_over() -> None:
    """Disposing of one session closes its generator on the model thread, and no other."""
    closed: list[tuple[int, str]] = []
    over = threading.Event()
    gone = threading.Event()
    first = threading.Event()

    def think(index: int) -> Callable[[str], Iterator[str]]:
        def respond(_: str) -> Iterator[str]:
            try:
                for word in range(400 if index == 0 else 40):
                    yield f" {word}"
                    if index == 0:
                        first.set()
            finally:
                closed.append((index, threading.current_thread().name))
                if index == 0:
                    gone.set()

        return respond

    replies: list[Reply] = []
    with MlxScheduler("models") as models:
        lives = [
            rx.of(Transcript(TURN, "Hello?"))
            .pipe(vox.respond(think(index), worker=models.text))
            .subscribe(
                replies.append if index else None,  # type: ignore[arg-type]
                on_error=print,
                on_completed=over.set if index else None,
            )
            for index in range(2)
        ]
        assert first.wait(WAIT)
        lives[0].dispose()
        assert gone.wait(WAIT)
        assert over.wait(WAIT)
    assert (0, "models") in closed
    assert replies[-1].final
    assert replies[-1].text.split()[-1] == "39"
