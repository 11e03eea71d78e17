"""A subscription that is let go of before ``subscribe`` has returned."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice import operators as vox
from rxvoice.elements import Reply, Transcript
from rxvoice.operators._follow import follow
from rxvoice.turn import Turn

WAIT = 30
SOUND = np.full(8, 0.5, np.float32)


def at_once(element: Any) -> Observable[Any]:
    """Emits within ``subscribe``."""

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        observer.on_next(element)
        observer.on_completed()
        return Disposable()

    return Observable(subscribe)


class Endless:
    """A model that waits for another thread after its third piece, and would go on for ever."""

    def __init__(self) -> None:
        self.steps = 0
        self.third, self.go_on, self.closed = (threading.Event() for _ in range(3))

    def __call__(self, _: object) -> Iterator[Any]:
        try:
            while self.steps < 1000:
                self.steps += 1
                if self.steps == 3:
                    self.third.set()
                    assert self.go_on.wait(WAIT)
                yield self.piece
        finally:
            self.closed.set()

    piece: Any = "Yes. "


class EndlessVoice(Endless):
    piece = SOUND


def turn() -> Turn:
    return Turn.of(np.zeros(4, np.float32))


def transcript() -> Transcript:
    return Transcript(turn(), "hi")


def reply() -> Reply:
    return Reply(transcript(), text="Yes.", delta="Yes.", final=True)


CHAINS = [
    pytest.param(lambda it: at_once(transcript()).pipe(vox.respond(it)), Endless, id="alone"),
    pytest.param(
        lambda it: at_once(transcript()).pipe(
            vox.respond(it), ops.map(lambda x: x), vox.synthesize(lambda _: SOUND)
        ),
        Endless,
        id="behind others",
    ),
    pytest.param(
        lambda it: at_once(turn()).pipe(vox.transcribe(it), vox.respond(lambda _: "")),
        Endless,
        id="a turn that replays",
    ),
    pytest.param(lambda it: at_once(reply()).pipe(vox.synthesize(it)), EndlessVoice, id="a voice"),
]


@pytest.mark.parametrize(("chain", "model"), CHAINS)
def test_a_model_that_is_asked_in_place_stops_at_its_next_step(chain: Any, model: Any) -> None:
    it = model()
    life = CompositeDisposable()
    thread = threading.Thread(target=follow, args=(chain(it), life))
    thread.start()
    assert it.third.wait(WAIT)
    life.dispose()
    it.go_on.set()
    thread.join(WAIT)
    assert not thread.is_alive()
    assert it.closed.is_set()
    assert it.steps == 3


def test_it_does_where_subscribe_has_returned() -> None:
    it = Endless()
    source: Subject[Any] = Subject()
    life = source.pipe(vox.respond(it)).subscribe()
    thread = threading.Thread(target=source.on_next, args=(transcript(),))
    thread.start()
    assert it.third.wait(WAIT)
    life.dispose()
    it.go_on.set()
    thread.join(WAIT)
    assert it.steps == 3


def test_what_is_subscribed_to_by_whom_it_reaches_is_its_own() -> None:
    """It does not end with the conversation whose element started it."""
    other: Subject[Any] = Subject()
    seen: list[Any] = []

    def start(_: object) -> None:
        other.pipe(vox.respond(lambda text: text)).subscribe(seen.append)

    life = CompositeDisposable()
    follow(at_once(transcript()).pipe(vox.respond(lambda _: "yes")), life, start)
    life.dispose()
    other.on_next(transcript())
    assert [it.final for it in seen] == [False, True] * 2


@pytest.mark.parametrize("source", [at_once(transcript()), rx.empty(), rx.throw(OSError())])
def test_what_it_starts_within_subscribe_is_not_ended_with_it(source: Observable[Any]) -> None:
    life = CompositeDisposable()
    seen: list[Any] = []

    def model(_: str) -> Iterator[str]:
        yield "a"
        life.dispose()
        yield "b"

    def start(*_: object) -> None:
        if not seen:
            at_once(transcript()).pipe(vox.respond(model)).subscribe(seen.append)

    follow(source.pipe(vox.respond(lambda _: "yes")), life, start, start, start)
    assert [it.delta for it in seen] == ["a", "b", ""]


def test_an_operator_that_was_subscribed_to_before_does_not_hide_the_next_one() -> None:
    """It handles an element of another source amid somebody's ``subscribe``."""
    life = CompositeDisposable()
    other: Subject[Any] = Subject()
    other.pipe(vox.respond(lambda text: text)).subscribe()
    seen: list[Any] = []

    def model(_: str) -> Iterator[str]:
        yield "a"
        life.dispose()
        yield "b"

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        other.on_next(transcript())
        return at_once(transcript()).pipe(vox.respond(model)).subscribe(observer)

    follow(Observable(subscribe), life, seen.append)
    assert [it.delta for it in seen] == ["a"]


def test_once_subscribed_to_the_life_has_the_subscription_alone() -> None:
    life = CompositeDisposable()
    source: Subject[Any] = Subject()
    follow(source.pipe(vox.respond(lambda text: text)), life)
    assert len(life) == 1
    assert source.observers


def test_what_others_share_goes_on() -> None:
    source: Subject[Any] = Subject()
    shared = source.pipe(vox.respond(lambda text: text), ops.share())
    lives, seen = (CompositeDisposable(), CompositeDisposable()), ([], [])  # type: ignore[var-annotated]
    for life, told in zip(lives, seen, strict=True):
        follow(shared.pipe(vox.synthesize(lambda _: SOUND)), life, told.append)
    lives[0].dispose()
    source.on_next(transcript())
    assert [len(told) for told in seen] == [0, 2]


def test_an_error_of_subscribe_leaves_nothing_behind() -> None:
    def broken(observer: Any, scheduler: Any = None) -> Any:
        raise SystemExit

    life = CompositeDisposable()
    with pytest.raises(SystemExit):
        follow(Observable(broken), life)
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    source.pipe(vox.respond(lambda text: text)).subscribe(seen.append)
    life.dispose()
    source.on_next(transcript())
    assert len(seen) == 2


def test_a_life_that_is_over_follows_nothing() -> None:
    life = CompositeDisposable()
    life.dispose()
    asked: list[str] = []
    follow(at_once(transcript()).pipe(vox.respond(asked.append)), life)  # type: ignore[arg-type]
    assert asked == []
    source: Subject[Any] = Subject()
    follow(source, life, asked.append)
    source.on_next("x")
    assert asked == []
