"""A voice that speaks one text at a time serves several sessions."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from rxvoice.errors import RxvoiceError
from rxvoice.mlx import MlxScheduler
from rxvoice.serve._one_at_a_time import OneAtATime

WAIT = 20


class Busy:
    """Speaks a piece for each word, and refuses a second text meanwhile, as `rxv.mlx.tts` does."""

    sample_rate = 8_000

    def __init__(self) -> None:
        self.busy = False
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

    def __init__(self, voice: OneAtATime, text: str) -> None:
        self.pieces = 0
        self.error: Exception | None = None
        self.over = Event()
        self.life = voice.synthesize_stream(text).subscribe(self._take, self._fail, self.over.set)

    def _take(self, _: object) -> None:
        self.pieces += 1

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.over.set()


def test_other_speeds_of_the_voice_wait_in_the_same_queue(models: MlxScheduler) -> None:
    busy = Busy()
    busy.at_speed = lambda speed: busy  # type: ignore[attr-defined]
    voice = OneAtATime(busy, models.speech)
    sessions = [Session(it, "one two three") for it in (voice, voice.at_speed(1.5), voice)]
    for it in sessions:
        assert it.over.wait(WAIT)
        assert it.error is None
    assert OneAtATime(Busy(), models.speech).at_speed(1.5).sample_rate == 8_000


@pytest.fixture
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler() as models:
        yield models


def test_texts_are_spoken_in_order_and_none_is_refused(models: MlxScheduler) -> None:
    tts = Busy()
    voice = OneAtATime(tts, models.speech)
    assert voice.sample_rate == 8_000
    sessions = [Session(voice, text) for text in ("a b c", "d e", "f")]
    for it in sessions:
        assert it.over.wait(WAIT)
        assert it.error is None
    assert tts.spoken == ["a", "b", "c", "d", "e", "f"]
    assert [it.pieces for it in sessions] == [3, 2, 1]


def test_an_error_ends_its_own_text_only(models: MlxScheduler) -> None:
    voice = OneAtATime(Busy(), models.speech)
    bad, good = Session(voice, "a fail"), Session(voice, "b")
    assert bad.over.wait(WAIT)
    assert good.over.wait(WAIT)
    assert isinstance(bad.error, RxvoiceError)
    assert (good.pieces, good.error) == (1, None)


def test_a_text_that_is_given_up_lets_the_next_one_begin(models: MlxScheduler) -> None:
    tts = Busy()
    voice = OneAtATime(tts, models.speech)
    begun, go_on = Event(), Event()

    def hold(*_: object) -> None:
        begun.set()
        assert go_on.wait(WAIT)

    models.speech.schedule(hold)  # nothing is spoken before all are there
    assert begun.wait(WAIT)
    first, second, third = (Session(voice, text) for text in ("a b", "c d", "e"))
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
    voice = OneAtATime(tts, models.speech)
    heard = Event()
    endless = voice.synthesize_stream("a " * 100_000).subscribe(lambda _: heard.set())
    other = Session(voice, "z")
    assert heard.wait(WAIT)
    endless.dispose()
    assert other.over.wait(WAIT)
    assert other.error is None
    assert tts.spoken[-1] == "z"
    assert len(tts.spoken) < 100_000
