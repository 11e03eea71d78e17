"""A loudspeaker in virtual time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSpeaker, Marbles, marbles, turn


def ramp(n: int, start: int = 0) -> rxv.Samples:
    return (np.arange(start, start + n) / 4096).astype(np.float32)


def play(*acts: tuple[int, Any], rate: int = 1000) -> tuple[FakeSpeaker, list[tuple[int, int]]]:
    """Do things to a speaker at their milliseconds; what `played` said, and when."""
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=rate)
    said: list[tuple[int, int]] = []
    speaker.played.subscribe(lambda position: said.append((m.now_ms, position)))
    run(m, speaker, acts)
    return speaker, said


def run(m: Marbles, speaker: FakeSpeaker, acts: Any) -> None:
    for ms, act in acts:
        m.scheduler.schedule_relative(ms / 1000, lambda *_, act=act: act(speaker))
    m.record(rx.never(), dispose_at=5_000)


def write(n: int, start: int = 0) -> Any:
    return lambda it: it.write_samples(ramp(n, start))


def test_it_plays_against_the_clock() -> None:
    seen: list[int] = []
    look = [(ms, lambda it: seen.append(it.position)) for ms in (9, 10, 11, 59, 109, 110, 999)]
    speaker, said = play((10, write(100)), *look)
    assert seen == [0, 0, 1, 49, 99, 100, 100]
    assert said == [(11, 1), (110, 100)]
    assert speaker.heard.tolist() == ramp(100).tolist()


def test_played_at_the_ends_of_every_piece() -> None:
    _, said = play((0, write(10)), (5, write(10)), (100, write(10)))
    assert said == [(1, 1), (10, 10), (11, 11), (20, 20), (101, 21), (110, 30)]


def test_a_pause_skips_and_repeats_nothing() -> None:
    speaker, said = play(
        (0, write(100)),
        (30, lambda it: it.pause()),
        (50, write(10, 100)),
        (80, lambda it: it.resume()),
    )
    assert said == [(1, 1), (150, 100), (151, 101), (160, 110)]
    assert speaker.heard.tolist() == ramp(110).tolist()
    assert speaker.pauses == 1


def test_what_is_written_while_paused_waits() -> None:
    speaker, said = play((0, lambda it: it.pause()), (10, write(10)))
    assert said == []
    assert speaker.queued_ms == 10
    assert not speaker.is_running


def test_clear_says_what_was_not_heard() -> None:
    unheard: list[Any] = []
    speaker, said = play(
        (0, write(100)), (30, lambda it: unheard.append(it.clear())), (60, write(10, 500))
    )
    assert unheard[0].tolist() == ramp(70, 30).tolist()
    assert speaker.position == 40
    assert speaker.heard.tolist() == [*ramp(30).tolist(), *ramp(10, 500).tolist()]
    assert said == [(1, 1), (61, 31), (70, 40)]


def test_it_is_running_while_it_plays() -> None:
    seen: list[tuple[bool, int]] = []
    look = [(ms, lambda it: seen.append((it.is_running, it.queued_ms))) for ms in (0, 20, 100)]
    play((10, write(50)), *look)
    assert seen == [(False, 0), (True, 40), (False, 0)]


def test_at_a_rate_that_does_not_divide_a_millisecond() -> None:
    speaker, said = play((0, write(441)), rate=44_100)
    assert said == [(0, 1), (10, 441)]
    assert len(speaker.heard) == 441


def test_the_rate_may_change_between_replies() -> None:
    speaker, said = play(
        (0, write(10)), (100, lambda it: it.set_sample_rate(2000)), (100, write(20))
    )
    assert said[-1] == (110, 30)
    assert speaker.queued_ms == 0


def test_the_rate_may_not_change_while_it_plays() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    speaker.write_samples(ramp(10))
    with pytest.raises(ConfigError, match="from 1000 to 2000 Hz while it plays"):
        speaker.set_sample_rate(2000)


def test_the_end() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    ends: list[str] = []
    speaker.played.subscribe(on_completed=lambda: ends.append("played"))
    speaker.stop()
    speaker.stop()
    assert ends == ["played"]
    with pytest.raises(SinkStalled, match="has been stopped"):
        speaker.write_samples(ramp(1))


def test_it_is_an_observer_of_speech() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler)
    it = turn("~")
    speech = Speech(Reply(Transcript(it, "hi")), ramp(10), 1000, "Yes.")
    failed = TurnFailed(it, StageError("respond", it, OSError("x")))
    run(m, speaker, [(0, lambda _: rx.of(speech, failed).subscribe(speaker))])
    assert speaker.heard.tolist() == []  # stopped, as any sink is, before the first sample
    assert (speaker.flushes, speaker.stopped) == (1, True)


def test_ducking_is_noted() -> None:
    speaker, _ = play((0, write(10)), (5, lambda it: it.duck(0.2)))
    assert speaker.gain == 0.2
    assert len(speaker.heard) == 10
