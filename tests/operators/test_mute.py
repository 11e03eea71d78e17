from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject
from reactivex.subject import BehaviorSubject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.events import Muted
from rxvoice.testing import check_operator

LOUD = np.full(512, 0.25, np.float32)


def chunk(n: int, **fields: Any) -> rxv.AudioChunk:
    return rxv.AudioChunk(LOUD, start=512 * n, time=10 + n * 0.032, **fields)


class Talk:
    """Chunks that go in one by one, and what comes out."""

    def __init__(self, muted: Any, *more: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.got: list[Any] = []
        self.source.pipe(vox.mute(muted), *more).subscribe(
            self.got.append, self.got.append, lambda: self.got.append("completed")
        )
        self.n = 0

    def hear(self, count: int = 1, **fields: Any) -> None:
        for _ in range(count):
            self.source.on_next(chunk(self.n, **fields))
            self.n += 1


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.mute(rx.never()), elements=[chunk(0), chunk(1), chunk(2)], name="mute"
    )


def test_muted_chunks_are_silence_of_the_same_length_at_the_same_time() -> None:
    muted = BehaviorSubject(False)
    talk = Talk(muted)
    talk.hear()
    muted.on_next(True)
    talk.hear()
    muted.on_next(False)
    talk.hear()
    heard, on, silent, off, again = talk.got
    assert (heard, again) == (chunk(0), chunk(2))
    assert (on, off) == (Muted(True), Muted(False))
    assert silent == rxv.AudioChunk(np.zeros(512, np.float32), start=512, time=10.032)
    assert not silent.samples.flags.writeable


def test_what_was_noted_on_a_chunk_does_not_outlive_its_sound() -> None:
    talk = Talk(BehaviorSubject(True))
    talk.hear(speech=True, probability=0.9, barge_in=True, lead_in=LOUD)
    _, silent = talk.got
    assert (silent.speech, silent.probability) == (False, 0.0)
    assert (silent.barge_in, silent.lead_in) == (False, None)


def test_nothing_of_what_was_muted_comes_back_as_a_lead_in() -> None:
    muted = BehaviorSubject(True)
    talk = Talk(muted)
    talk.hear(speech=False)
    muted.on_next(False)
    talk.hear(speech=False)
    talk.hear(speech=True, lead_in=np.concatenate([LOUD, LOUD]))
    assert np.array_equal(talk.got[-1].lead_in, LOUD)
    muted.on_next(True)
    talk.hear(speech=False)
    muted.on_next(False)
    talk.hear(speech=True, lead_in=LOUD)
    assert len(talk.got[-1].lead_in) == 0
    talk.hear(speech=True, lead_in=LOUD[:300])
    assert len(talk.got[-1].lead_in) == 300


def test_it_counts_from_the_next_chunk_and_of_several_the_last_one() -> None:
    muted: Subject[bool] = Subject()
    talk = Talk(muted)
    talk.hear()
    for value in (True, False, True, True):
        muted.on_next(value)
    assert len(talk.got) == 1
    talk.hear()
    muted.on_next(False)
    muted.on_next(True)
    talk.hear()
    assert [it for it in talk.got if isinstance(it, Muted)] == [Muted(True)]


def test_the_tail_is_muted_too() -> None:
    talk = Talk(BehaviorSubject(True))
    talk.source.on_next(rxv.AudioChunk(LOUD[:100], partial=True))
    assert not talk.got[-1].samples.any()
    assert talk.got[-1].partial


def test_events_pass_while_it_is_muted() -> None:
    talk = Talk(BehaviorSubject(True))
    notice = rxv.Notice("the microphone is back")
    talk.source.on_next(notice)
    assert talk.got == [notice]


def test_the_end_of_the_signal_leaves_it_as_it_is() -> None:
    muted = BehaviorSubject(True)
    talk = Talk(muted)
    muted.on_completed()
    talk.hear()
    assert not talk.got[-1].samples.any()


@pytest.mark.parametrize("at_the_end", [False, True])
def test_the_signal_s_error_comes_on_the_thread_of_the_source(at_the_end: bool) -> None:
    muted: Subject[bool] = Subject()
    talk = Talk(muted)
    boom = RuntimeError("x")
    muted.on_error(boom)
    assert talk.got == []
    if at_the_end:
        talk.source.on_completed()
    else:
        talk.hear()
    assert talk.got == [boom]


@pytest.mark.parametrize("value", [None, 1, "on"])
def test_what_is_no_bool_is_an_error(value: Any) -> None:
    talk = Talk(rx.of(value))
    talk.hear()
    (error,) = talk.got
    assert isinstance(error, TypeError)
    assert str(error) == f"mute wanted True or False, got {value!r}"


def test_of_several_errors_the_first_is_told() -> None:
    muted: Subject[Any] = Subject()
    talk = Talk(muted)
    muted.on_next("on")
    muted.on_error(RuntimeError("x"))
    talk.hear()
    (error,) = talk.got
    assert isinstance(error, TypeError)


def test_a_bool_of_numpy_is_one() -> None:
    talk = Talk(rx.of(np.bool_(True)))
    talk.hear()
    assert talk.got[0] == Muted(True)


@pytest.mark.parametrize("value", [True, None, lambda: True])
def test_what_is_no_observable_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^mute wanted an Observable of bools, got "):
        vox.mute(value)


# With turns


def turns(muted: Any, *, vad: Any = lambda samples: bool(samples.any())) -> Talk:
    return Talk(muted, vox.vad(vad), vox.preroll(64), vox.turn_window(rxv.silence(64)))


def only_turns(talk: Talk) -> list[rxv.Turn]:
    return [it for it in talk.got if isinstance(it, rxv.Turn)]


def test_an_open_turn_ends_where_it_is_muted() -> None:
    muted = BehaviorSubject(False)
    talk = turns(muted)
    talk.hear(3)
    (turn,) = only_turns(talk)
    assert turn.is_open
    muted.on_next(True)
    talk.hear()
    assert (turn.ended_by, turn.chunks_consumed) == ("app", 3)
    assert np.array_equal(turn.audio, np.concatenate([LOUD] * 3))
    talk.hear(10)
    assert only_turns(talk) == [turn]


def test_speech_after_it_opens_the_next_without_what_was_said_meanwhile() -> None:
    muted = BehaviorSubject(False)
    talk = turns(muted)
    talk.hear(2)
    muted.on_next(True)
    talk.hear(4)
    muted.on_next(False)
    talk.hear(2)
    _, second = only_turns(talk)
    # What came before is the pre-roll, which is silence.
    assert second.start == 4 * 512
    silence = np.zeros(1024, np.float32)
    assert np.array_equal(second.audio, np.concatenate([silence, LOUD, LOUD]))


def test_a_detector_that_is_slow_to_hear_silence_opens_no_turn_of_it() -> None:
    muted = BehaviorSubject(False)
    talk = turns(muted, vad=lambda samples: True)
    talk.hear(2)
    muted.on_next(True)
    talk.hear(5)
    assert len(only_turns(talk)) == 1


def test_muted_from_the_start() -> None:
    talk = turns(BehaviorSubject(True))
    talk.hear(10)
    assert only_turns(talk) == []


def test_the_event_comes_after_the_turn_has_ended() -> None:
    muted = BehaviorSubject(False)
    talk = turns(muted)
    talk.hear(2)
    (turn,) = only_turns(talk)
    turn.subscribe(on_completed=lambda: talk.got.append("turn over"))
    muted.on_next(True)
    talk.hear()
    assert talk.got == [turn, "turn over", Muted(True)]
