"""Conversion by MLX, on the thread that makes the samples."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from sinks import fake_sound

import rxvoice as rxv
from rxvoice import Reply, Samples, Transcript, Turn
from rxvoice import operators as vox
from rxvoice.sinks import Speaker
from rxvoice.sinks import speaker as make
from rxvoice.sinks._ahead import Ahead
from tests.mlx.near import near

pytestmark = pytest.mark.models

mx = pytest.importorskip("mlx.core")


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Speaker]:

    fake_sound.install(monkeypatch)
    with make(start_buffer_ms=0) as speaker:
        yield speaker


def tone(size: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(size) / 24_000)).astype(np.float32)


def resampled(samples: Samples) -> Samples:
    from rxvoice.mlx.resample import MlxResampler

    resampler = MlxResampler(24_000, 48_000)
    return np.concatenate([np.asarray(resampler.feed(samples)), np.asarray(resampler.end())])


def converted(whole: Samples, size: int) -> tuple[Ahead, list[Any]]:
    ahead = Ahead()
    pieces = [mx.array(whole[at : at + size]) for at in range(0, len(whole), size)]
    for piece in pieces:
        ahead.convert(piece, 24_000, 48_000, "a sentence")
    return ahead, pieces


@pytest.mark.parametrize("faster", [True, False])
def test_no_mlx_runs_on_the_conversation_thread(
    sink: Speaker, monkeypatch: pytest.MonkeyPatch, faster: bool
) -> None:
    from rxvoice.mlx import resample

    monkeypatch.setattr(resample, "is_faster_than_soxr", lambda: faster)
    threads: set[str] = set()
    real_eval, real_feed = mx.eval, resample.MlxResampler.feed

    def evaluate(*arrays: object) -> None:
        threads.add(threading.current_thread().name)
        real_eval(*arrays)

    def feed(self: Any, samples: Any) -> Any:
        threads.add(threading.current_thread().name)
        return real_feed(self, samples)

    monkeypatch.setattr(mx, "eval", evaluate)
    monkeypatch.setattr(resample.MlxResampler, "feed", feed)

    def speak(text: str) -> Iterator[Any]:
        for _ in range(3):
            piece = mx.array(tone(2400)) * 0.5
            mx.eval(piece)
            yield piece

    def named(name: str) -> EventLoopScheduler:
        return EventLoopScheduler(
            lambda target: threading.Thread(target=target, name=name, daemon=True)
        )

    transcript = Transcript(Turn.of(np.zeros(512, np.float32)), "what?")
    conversation, models = named("conversation"), named("models")
    over = threading.Event()
    rx.of(Reply(transcript, "One. Two."), Reply(transcript, text="One. Two.", final=True)).pipe(
        vox.synthesize(speak, worker=rxv.paced(models, sink)),
        ops.do_action(sink.on_next),
    ).subscribe(on_completed=over.set, scheduler=conversation)
    assert over.wait(30)
    assert sink.written == 14_400
    assert threads == {"models"}
    conversation.dispose()
    models.dispose()


@pytest.mark.parametrize("size", [700, 50, 6000])
def test_pieces_of_one_signal_join(size: int) -> None:
    whole = tone(6000)
    ahead, pieces = converted(whole, size)
    made: list[Samples] = []
    for piece in pieces:
        signal = ahead.take(piece, 24_000, 48_000)
        assert signal is not None
        made.append(signal.feed(np.asarray(piece)))
    assert np.abs(np.concatenate([*made, signal.end()]) - resampled(whole)).max() < near(1e-6)


@pytest.mark.parametrize("size", [700, 50])
def test_a_signal_that_was_ended_goes_on_without_saying_anything_twice(size: int) -> None:
    whole = tone(6000)
    ahead, pieces = converted(whole, size)
    made: list[Samples] = []
    for piece in pieces:
        signal = ahead.take(piece, 24_000, 48_000)
        assert signal is not None
        made += [signal.feed(np.asarray(piece)), signal.end()]
    assert len(np.concatenate(made)) == 12_000


def test_after_a_piece_that_was_dropped_only_its_own_samples_come() -> None:
    ahead, pieces = converted(tone(2100), 700)
    for piece in (pieces[0], pieces[2]):
        signal = ahead.take(piece, 24_000, 48_000)
        assert signal is not None
        signal.restart()
        made = signal.feed(np.asarray(piece))
    assert len(made) + len(signal.end()) == 1400


def test_what_was_not_converted_between_these_rates_is_not_there() -> None:
    ahead, (piece,) = converted(tone(700), 700)
    assert ahead.take(mx.array(tone(700)), 24_000, 48_000) is None
    assert ahead.take(piece, 24_000, 44_100) is None
    ahead.convert(piece, 44_100, 47_999, "rates with too little in common")
    assert ahead.take(piece, 44_100, 47_999) is None


def test_pieces_that_are_never_written_are_forgotten() -> None:
    ahead, pieces = converted(tone(7000), 700)
    assert len(ahead._pieces) == 10
    del pieces
    gc.collect()
    assert not ahead._pieces
