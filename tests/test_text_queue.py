"""A voice that speaks one text at a time serves several sessions."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex.disposable import CompositeDisposable
from reactivex.subject import Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.deliver import deliver
from rxvoice._answers.pauses import Waiting
from rxvoice._answers.text_queue import TextQueue, in_queue
from rxvoice.errors import RxvoiceError
from rxvoice.mlx import MlxScheduler

WAIT = 60


class Busy:
    """Speaks a piece for each word, and refuses a second text meanwhile, as `rxv.mlx.tts` does."""

    sample_rate = 8_000

    def __init__(self) -> None:
        self.busy = False
        self.queue = TextQueue()
        self.spoken: list[str] = []

    def synthesize_stream(self, text: str) -> Iterator[np.ndarray]:
        if self.busy:
            raise RxvoiceError(f"cannot speak {text!r}: still speaking")
        self.busy = True
        try:
            for word in text.split():
                if word == "fail":
                    raise RxvoiceError("out of breath")
                self.spoken.append(word)
                yield np.zeros(4, np.float32)
        finally:
            self.busy = False


class Session:
    """Takes what is spoken of a text."""

    def __init__(self, voice: Busy, text: str, models: MlxScheduler) -> None:
        self.pieces = 0
        self.error: BaseException | None = None
        self.over, self.first = Event(), Event()
        self.life = CompositeDisposable()
        deliver(
            lambda: in_queue(voice, voice.synthesize_stream)(text),
            self._take,
            self.over.set,
            self._fail,
            life=self.life,
            worker=models.speech,
            scheduler=None,
        )

    def _take(self, piece: object) -> None:
        if not isinstance(piece, Waiting):
            self.pieces += 1
            self.first.set()

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self.over.set()


@pytest.fixture
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler() as models:
        yield models


def test_texts_are_spoken_in_order_and_none_is_refused(models: MlxScheduler) -> None:
    tts = Busy()
    sessions = [Session(tts, text, models) for text in ("a b c", "d e", "f")]
    for it in sessions:
        assert it.over.wait(WAIT)
        assert it.error is None
    assert tts.spoken == ["a", "b", "c", "d", "e", "f"]
    assert [it.pieces for it in sessions] == [3, 2, 1]


def test_an_error_ends_its_own_text_only(models: MlxScheduler) -> None:
    tts = Busy()
    bad, good = Session(tts, "a fail", models), Session(tts, "b", models)
    assert bad.over.wait(WAIT)
    assert good.over.wait(WAIT)
    assert isinstance(bad.error, RxvoiceError)
    assert (good.pieces, good.error) == (1, None)


def test_a_text_that_is_given_up_lets_the_next_one_begin(models: MlxScheduler) -> None:
    tts = Busy()
    begun, go_on = Event(), Event()

    def hold(*_: object) -> None:
        begun.set()
        assert go_on.wait(WAIT)

    models.speech.schedule(hold)  # nothing is spoken before all are there
    assert begun.wait(WAIT)
    first, second, third = (Session(tts, text, models) for text in ("a b", "c d", "e"))
    second.life.dispose()  # it waits
    first.life.dispose()  # it has its turn
    go_on.set()
    assert third.over.wait(WAIT)
    assert third.error is None
    assert tts.spoken == ["e"]
    assert not first.over.is_set()
    assert not second.over.is_set()


def test_one_that_is_given_up_in_the_middle_is_closed_before_the_next(
    models: MlxScheduler,
) -> None:
    tts = Busy()
    endless = Session(tts, "a " * 100_000, models)
    other = Session(tts, "z", models)
    assert endless.first.wait(WAIT)
    endless.life.dispose()
    assert other.over.wait(WAIT)
    assert other.error is None
    assert tts.spoken[-1] == "z"
    assert len(tts.spoken) < 100_000


def test_other_work_of_the_lane_goes_on_while_a_text_waits(models: MlxScheduler) -> None:
    tts = Busy()
    endless = Session(tts, "a " * 100_000, models)
    waiting = Session(tts, "z", models)
    assert endless.first.wait(WAIT)
    done = Event()
    models.speech.schedule(lambda *_: done.set())
    assert done.wait(WAIT)
    assert not waiting.over.is_set()
    endless.life.dispose()
    assert waiting.over.wait(WAIT)


def test_a_voice_without_a_queue_is_asked_as_it_is() -> None:
    def voice(text: str) -> list[str]:
        return [text]

    assert in_queue(voice, voice) is voice


def test_two_conversations_share_a_voice(models: MlxScheduler) -> None:
    tts = Busy()
    overs = [Event(), Event()]
    spoken: list[list[rxv.Speech]] = [[], []]
    sources = [Subject[rxv.Reply](), Subject[rxv.Reply]()]
    events: list[object] = []

    def follow(index: int) -> None:
        def take(it: object) -> None:
            if isinstance(it, rxv.Speech):
                spoken[index].append(it)
            else:
                events.append(it)

        sources[index].pipe(vox.synthesize(tts, worker=models.speech)).subscribe(
            take, events.append, overs[index].set
        )

    for index, source in enumerate(sources):
        follow(index)
        turn = rxv.Turn.of(np.zeros(16, np.float32))
        source.on_next(rxv.Reply(rxv.Transcript(turn, "Hm?"), f"one two {index}.", final=True))
        source.on_completed()
    assert all(it.wait(WAIT) for it in overs)
    assert events == []
    assert [[len(it.samples) for it in each] for each in spoken] == [[4, 4, 4, 0]] * 2


def test_a_wait_among_the_pieces_is_no_sound() -> None:
    seen: list[Any] = []
    reply = rxv.Reply(rxv.Transcript(rxv.Turn.of([0.0]), "Hm?"), "Yes.", final=True)
    voice = vox.synthesize(lambda text: [Waiting(rx.empty()), np.ones(4, np.float32)])
    rx.of(reply).pipe(voice).subscribe(seen.append, seen.append)
    assert [len(it.samples) for it in seen] == [4, 0]
