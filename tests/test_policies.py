from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.scheduler import ImmediateScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.policies import Energy, Silence, any_of, energy, fresh, max_duration, rms, silence
from rxvoice.stage_error import StageError
from rxvoice.testing.fakes import FakePolicy
from rxvoice.testing.marbles import like, marbles, sound, window
from rxvoice.turn import Turn

NOTHING = np.zeros(0, np.float32)


def ms(duration: int, sample_rate: int = 16_000) -> np.ndarray:
    return np.zeros(duration * sample_rate // 1000, np.float32)


class Counting:
    """A policy that answers later, and counts who waits for it."""

    def __init__(self) -> None:
        self.answers: Subject[bool] = Subject()
        self.schedulers: list[Any] = []
        self.waiting = 0

    def user_finished(self, audio: Any, silence_ms: int, /) -> Observable[bool]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            self.waiting += 1
            self.schedulers.append(scheduler)
            return self.answers.pipe(ops.finally_action(self._left)).subscribe(observer)

        return rx.create(subscribe)

    def _left(self) -> None:
        self.waiting -= 1


def test_silence_and_energy_are_what_they_were() -> None:
    assert (silence(), silence(100)) == (Silence(1600), Silence(100))
    assert energy() == Energy(0.02)
    assert max_duration(64).sample_rate == 16_000
    assert [silence(100).user_finished(NOTHING, n) for n in (99, 100)] == [False, True]
    assert energy(0.1) == Energy(0.1)
    assert [rms(it) for it in (np.full(4, 0.5, np.float32), NOTHING)] == [0.5, 0.0]
    half = np.full(4, 0.5, np.float32)
    assert [energy(it).detect(half, True) for it in (0.1, 0.5, 0.6)] == [True, False, False]


def test_max_duration_counts_the_turns_audio() -> None:
    policy = max_duration(1000)
    assert [policy.user_finished(audio, 32) for audio in (ms(1000)[1:], ms(1000))] == [False, True]
    slow = max_duration(1000, sample_rate=8000)
    assert [slow.user_finished(audio, 32) for audio in (ms(1000, 8000)[1:], ms(500))] == [
        False,
        True,
    ]


def test_max_duration_waits_for_a_silence() -> None:
    with marbles() as m:
        turns = m.cold("~~~~~_~~_|").pipe(vox.turn_window(max_duration(96)))
        m.expect(
            turns,
            "A-----B--|",
            {
                "A": like(ms=192, ended_by="policy"),
                "B": like(ms=96, ended_by="policy"),
            },
        )


def test_max_duration_counts_the_pre_roll() -> None:
    with marbles() as m:
        chunks = m.cold("P_|", {"P": sound(speech=True, lead_in="__")})
        turns = chunks.pipe(vox.turn_window(max_duration(128)))
        m.expect(turns, "A-|", {"A": like(ms=128, ended_by="policy")})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: max_duration(0), "max_duration ms must be at least 1 ms, got 0"),
        (lambda: max_duration(float("nan")), "max_duration ms must be at least 1 ms, got nan"),
        (lambda: max_duration(90, sample_rate=0), "sample_rate must be at least 1 Hz, got 0"),
        (lambda: any_of(), "any_of wants one or more policies, got none"),
        (lambda: any_of(silence(5), 3), r"user_finished\(...\) or a callable .* got 3"),
        (lambda: any_of(Silence), "got the class Silence; pass an instance"),
        (
            lambda: any_of(silence(5), max_duration(90, sample_rate=8000), max_duration(90)),
            r"any_of wants policies for one sample rate, got \[8000, 16000\] Hz",
        ),
    ],
)
def test_bad_arguments_raise_at_once(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("answers", "finished"),
    [
        ([False], False),
        ([True], True),
        ([False, False], False),
        ([False, True], True),
        ([np.False_, np.True_], True),
    ],
)
def test_any_of_finishes_when_one_does(answers: list[Any], finished: bool) -> None:
    policy = any_of(*(lambda audio, silence_ms, answer=answer: answer for answer in answers))
    assert policy.user_finished(NOTHING, 32) is finished


def test_any_of_gives_each_the_question_in_order_until_one_says_yes() -> None:
    first, second, third = FakePolicy([False, False]), FakePolicy([False, True]), FakePolicy(())
    policy = any_of(first, second, third)
    audio = ms(32)
    assert not policy.user_finished(audio, 32)
    assert policy.user_finished(audio, 64)
    assert [len(asked.asked) for asked in (first, second, third)] == [2, 2, 1]
    assert first.asked[0][0] is audio
    assert [silence_ms for _, silence_ms in second.asked] == [32, 64]


def test_any_of_nests() -> None:
    policy = any_of(silence(96), any_of(max_duration(320), any_of(silence(1000))))
    assert not policy.user_finished(ms(319), 95)
    assert policy.user_finished(ms(319), 96)
    assert policy.user_finished(ms(320), 95)


def test_any_of_yes_at_once_asks_nobody_for_later() -> None:
    later = Counting()
    assert any_of(later, silence(64)).user_finished(NOTHING, 64) is True
    assert later.waiting == 0


def test_any_of_gives_a_single_later_answer_as_it_is() -> None:
    answer = rx.of(True)
    assert any_of(silence(64), lambda audio, silence_ms: answer).user_finished(NOTHING, 32) is (
        answer
    )


def test_any_of_merges_later_answers_on_the_subscribers_scheduler() -> None:
    first, second = Counting(), Counting()
    answer = any_of(first, silence(64), any_of(second)).user_finished(NOTHING, 32)
    assert isinstance(answer, Observable)
    assert first.waiting == second.waiting == 0
    scheduler = TestScheduler()
    seen: list[Any] = []
    life = answer.subscribe(seen.append, scheduler=scheduler)
    # At once: nothing was left to the scheduler.
    assert (first.waiting, second.waiting) == (1, 1)
    assert first.schedulers == second.schedulers == [scheduler]
    second.answers.on_next(False)
    assert (seen, first.waiting, second.waiting) == ([False], 1, 1)
    life.dispose()
    assert (first.waiting, second.waiting) == (0, 0)


def test_any_of_waits_for_nobody_after_a_yes() -> None:
    first, second = Counting(), Counting()
    answer = any_of(first, second).user_finished(NOTHING, 32)
    assert isinstance(answer, Observable)
    seen: list[Any] = []
    answer.subscribe(seen.append, on_completed=lambda: seen.append("completed"))
    second.answers.on_next(True)
    assert seen == [True, "completed"]
    assert (first.waiting, second.waiting) == (0, 0)
    first.answers.on_next(True)
    assert seen == [True, "completed"]


def test_any_of_asks_nobody_after_a_yes() -> None:
    yes: Observable[bool] = rx.return_value(True, ImmediateScheduler.singleton())
    other = Counting()
    answer = any_of(lambda audio, silence_ms: yes, other).user_finished(NOTHING, 32)
    assert isinstance(answer, Observable)
    seen: list[Any] = []
    answer.subscribe(seen.append, on_completed=lambda: seen.append("completed"))
    assert seen == [True, "completed"]
    assert other.schedulers == []


def test_any_of_asks_nobody_after_an_answer_that_is_none() -> None:
    perhaps: Observable[Any] = rx.return_value("perhaps", ImmediateScheduler.singleton())
    other = Counting()
    answer = any_of(lambda audio, silence_ms: perhaps, other).user_finished(NOTHING, 32)
    assert isinstance(answer, Observable)
    seen: list[Any] = []
    answer.subscribe(seen.append, seen.append)
    assert [str(it) for it in seen] == ["user_finished() must give a bool, got 'perhaps' (str)"]
    assert other.schedulers == []


def test_any_of_completes_with_the_last_and_fails_with_the_first() -> None:
    first, second = Counting(), Counting()
    policy = any_of(first, second)
    end: list[Any] = []

    def ask() -> None:
        answer = policy.user_finished(NOTHING, 32)
        assert isinstance(answer, Observable)
        answer.subscribe(on_error=end.append, on_completed=lambda: end.append("completed"))

    ask()
    first.answers.on_completed()
    assert end == []
    second.answers.on_completed()
    assert end == ["completed"]

    end.clear()
    first, second = Counting(), Counting()
    policy = any_of(first, second)
    ask()
    error = RuntimeError("no model")
    second.answers.on_error(error)
    assert end == [error]
    assert first.waiting == 0


@pytest.mark.parametrize("answer", ["yes", 1, None, 0.7])
def test_any_of_wants_bools(answer: Any) -> None:
    policy = any_of(silence(64), lambda audio, silence_ms: answer)
    with pytest.raises(TypeError, match=rf"user_finished\(\) must give a bool, got {answer!r}"):
        policy.user_finished(NOTHING, 32)


def test_fresh_reaches_inside() -> None:
    class Remembering(FakePolicy):
        def fresh(self) -> FakePolicy:
            return FakePolicy([True])

    plain = silence(64)
    assert fresh(plain) is plain
    policy = any_of(plain, any_of(Remembering([False])))
    assert policy.user_finished(NOTHING, 32) is False
    own = fresh(policy)
    assert own.user_finished(NOTHING, 32) is True
    assert policy.user_finished(NOTHING, 32) is False


def test_the_rate_that_any_of_wants_is_that_of_its_policies() -> None:
    assert any_of(silence(64)).sample_rate is None
    assert any_of(silence(64), any_of(max_duration(64, sample_rate=8000))).sample_rate == 8000


# In turns


def test_a_turn_ends_by_the_first_of_two_that_says_so() -> None:
    with marbles() as m:
        policy = any_of(silence(96), max_duration(192))
        turns = m.cold("~___~~~~~_~_|").pipe(vox.turn_window(policy))
        m.expect(
            turns,
            "A---B-----C-|",
            {
                "A": like(ms=128, ended_by="policy"),
                "B": like(ms=192, ended_by="policy"),
                "C": like(ms=64, ended_by="source"),
            },
        )


def test_a_turn_ends_by_the_earlier_of_two_later_answers() -> None:
    slow, quick = FakePolicy([True] * 3, after_ms=320), FakePolicy([True] * 3, after_ms=40)
    with marbles() as m:
        turns = m.cold("~_---~_~--_----|").pipe(vox.turn_window(any_of(slow, quick)))
        m.expect(
            turns,
            "A----B---------|",
            {
                "A": like(chunks_consumed=2, ended_by="policy"),
                # The answer to its first silence is void: speech came before it.
                "B": like(chunks_consumed=6, ms=128, ended_by="policy"),
            },
        )


def test_a_later_answer_is_not_waited_for_once_a_policy_says_yes() -> None:
    later = Counting()
    windows: list[Turn] = []
    chunks: Subject[Any] = Subject()
    chunks.pipe(vox.turn_window(any_of(later, silence(64)))).subscribe(windows.append)
    for n, speech in enumerate([True, False, False]):
        chunks.on_next(sound(speech=speech).chunk(n * 512, 512, 16_000))
        assert later.waiting == (n == 1)
    assert windows[0].ended_by == "policy"


def test_a_later_error_fails_only_its_turn() -> None:
    def breaks(audio: Any, silence_ms: int) -> bool | Observable[bool]:
        return rx.throw(RuntimeError("no model")) if silence_ms == 64 else False

    with marbles() as m:
        failed = {"#": (StageError, "turn 1. failed: RuntimeError: no model")}
        policy = any_of(FakePolicy((), after_ms=320), breaks)
        turns = m.cold("~__-~_|").pipe(vox.turn_window(policy))
        m.expect(turns, "A---B-|", {"A": window("~_(_#)", failed), "B": window("~_|")})
