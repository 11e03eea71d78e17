"""A turn leaves no cycle of objects: what it held is freed at once, and no collection stops all."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from serve.realtime_kit import VirtualSession, fake_models


class Slow:
    """Writes for longer than the user listens."""

    def respond(self, _: str) -> Observable[str]:
        return rx.merge(
            *(rx.timer(0.3 * n).pipe(ops.map(lambda _: "I am *rxvoice*. ")) for n in range(1, 20))
        )


def _cycles_of(turns: int, *, interrupted: bool) -> int:
    """How many unreachable objects these turns leave to the garbage collector."""
    session = VirtualSession(
        fake_models("*Well*, I am rxvoice.", llm=Slow() if interrupted else None)
    )

    ended: list[str] = []

    def turn() -> None:
        session.speak(400)
        session.be_silent(2_000 if interrupted else 8_000)
        ended.extend(it["response"]["status"] for it in session.named("response.done"))
        session.take()

    for _ in range(2):  # what is made once
        turn()
    gc.collect()
    gc.disable()
    try:
        for _ in range(turns):
            turn()
        assert set(ended) == {"cancelled" if interrupted else "completed"}
        return gc.collect()
    finally:
        gc.enable()


def test_a_turn_that_is_heard_to_its_end_leaves_nothing_to_collect() -> None:
    assert _cycles_of(3, interrupted=False) == 0


def test_a_turn_whose_reply_is_interrupted_leaves_nothing_to_collect() -> None:
    assert _cycles_of(3, interrupted=True) == 0


def test_the_sound_of_a_turn_is_let_go_once_its_reply_was_heard() -> None:
    heard: list[ref[np.ndarray]] = []

    def hear(audio: np.ndarray) -> str:
        assert audio.base is not None  # the turn's buffer, of which this is a view
        heard.append(ref(audio.base))
        return "hello"

    session = VirtualSession(fake_models("I am rxvoice.", stt=hear))
    for _ in range(3):
        session.speak(400)
        session.be_silent(4_000)
    assert len(session.named("response.done")) == 3
    assert [it() is None for it in heard[:2]] == [True, True]  # the last may still be needed
