"""What is said before slow work, when all models share one thread."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import Speech, Transcript
from rxvoice.turn import Turn

WAIT = 30


@pytest.mark.parametrize("ends", [".", "", "\n"])
def test_a_filler_has_a_sound_before_slow_work_on_the_model_thread_begins(ends: str) -> None:
    heard, over = Event(), Event()
    was_heard: list[bool] = []

    def think(_: str) -> Iterator[str]:
        yield f"One moment{ends}"
        yield rxv.FLUSH
        was_heard.append(heard.wait(WAIT))  # the model thread is busy with this
        yield "Done."

    def speak(text: str) -> Iterator[Any]:
        yield np.full(len(text), 0.1, np.float32)

    def on_next(element: Any) -> None:
        if isinstance(element, Speech) and element.text.startswith("One moment"):
            heard.set()

    conversation = EventLoopScheduler()
    with rxv.mlx.MlxScheduler() as models:
        rx.of(Transcript(Turn.of(np.zeros(4, np.float32)), "hi")).pipe(
            vox.respond(think, worker=models.text), vox.synthesize(speak, worker=models.speech)
        ).subscribe(on_next, on_completed=over.set, scheduler=conversation)
        assert over.wait(WAIT * 2)
    conversation.dispose()
    assert was_heard == [True]
