"""`adaptive_silence` and `end_word`: policies that learn, and that read."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import numpy as np
import pytest
from reactivex import Observable, Subject
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.policies import AdaptiveSilence
from rxvoice.testing import FakePolicy, FakeTranscriber, failing
from rxvoice.testing.marbles import like, marbles, sound, window

NOTHING = np.zeros(0, np.float32)


def learned(pauses: list[int], **options: Any) -> AdaptiveSilence:
    policy = rxv.adaptive_silence(200, 1600, **options)
    for pause in pauses:
        policy.user_spoke_again(pause)
    return policy


@pytest.mark.parametrize(
    ("pauses", "wait_ms"),
    [
        ([], 1600),
        ([800], 1600),  # the average starts at 1600 / 2
        ([400], 1200),  # 800 + 0.5 * (400 - 800) = 600, twice
        ([400, 200], 800),
        ([400, 200, 1600], 1600),  # (400 + 1600) / 2 = 1000, twice: more than the most
        ([100] * 3, 375),
        ([100] * 5, 243.75),
        ([99, 1601, 0], 1600),  # none of these is a pause
    ],
)
def test_the_wait_is_the_formula(pauses: list[int], wait_ms: float) -> None:
    policy = learned(pauses, factor=2, weight=0.5)
    assert policy.wait_ms == wait_ms
    assert not policy.user_finished(NOTHING, int(np.ceil(wait_ms)) - 1)
    assert policy.user_finished(NOTHING, int(np.ceil(wait_ms)))


def test_what_is_not_said_is_as_documented() -> None:
    assert rxv.adaptive_silence(1, 5) == AdaptiveSilence(1, 5, 2.5, 0.2)
    policy = rxv.end_word("over", FakeTranscriber("over"))
    assert policy.user_finished(NOTHING, 199) is False
    assert policy.user_finished(NOTHING, 200) is not False


def test_it_does_not_wait_less_than_the_least() -> None:
    assert learned([100] * 9, factor=1, weight=1).wait_ms == 200


@pytest.mark.parametrize("seed", range(50))
def test_the_wait_stays_between_its_limits(seed: int) -> None:
    random = Random(seed)
    least = random.uniform(0, 2000)
    most = least + random.uniform(1, 2000)
    factor, weight = random.uniform(1, 5), random.uniform(0.01, 1)
    policy = rxv.adaptive_silence(least, most, factor=factor, weight=weight)
    heard = [most / factor]
    for _ in range(40):
        pause = random.randrange(3000)
        if 100 <= pause <= most:
            heard.append(pause)
        policy.user_spoke_again(pause)
        assert least <= policy.wait_ms <= most
        average = heard[0] if policy.pause_ms is None else policy.pause_ms
        assert min(heard) - 1e-6 <= average <= max(heard) + 1e-6
    again = policy.fresh()
    assert again.wait_ms == most
    assert again.pause_ms is None


# A character is 32 ms.


def test_it_learns_from_pauses_within_a_turn() -> None:
    # Four chunks are 128 ms: 320 / 2 = 160 becomes 128, and twice that is 256 ms, eight chunks.
    policy = rxv.adaptive_silence(96, 320, factor=2, weight=1)
    with marbles() as m:
        m.expect(
            m.cold("~__________~____~________~|").pipe(vox.turn_window(policy)),
            "A----------B-------------C|",
            {
                "A": like(ms=352, ended_by="policy"),  # nothing is known: ten chunks
                "B": like(ms=448, ended_by="policy"),
                "C": like(ms=32, ended_by="source"),
            },
        )


def test_a_turn_that_was_ended_too_early_teaches_it_as_well() -> None:
    policy = rxv.adaptive_silence(64, 640, factor=1, weight=0.5)
    told: list[int] = []

    class Listening(FakePolicy):
        def user_spoke_again(self, silence_ms: int) -> None:
            told.append(silence_ms)

    both = rxv.any_of(policy, rxv.any_of(Listening([])))
    with marbles() as m:
        # 640, then (640 + 128) / 2 = 384, (384 + 128) / 2 = 256: after eight chunks it ends turn A.
        # The user goes on after 384 ms, so it waits for (256 + 384) / 2 = 320 ms, ten chunks.
        m.expect(
            m.cold("~____~____~____________~__________|").pipe(vox.turn_window(both)),
            "A----------------------B----------|",
            {
                "A": like(ms=19 * 32, ended_by="policy"),
                "B": like(ms=11 * 32, ended_by="policy"),
            },
        )
    assert told == [128, 128, 384]
    assert policy.wait_ms == 640  # each subscription learns for itself


def test_the_silence_before_the_first_turn_is_no_pause() -> None:
    told: list[int] = []

    class Listening(FakePolicy):
        def user_spoke_again(self, silence_ms: int) -> None:
            told.append(silence_ms)

    with marbles() as m:
        turns = m.cold("____~~__~~____~|").pipe(vox.turn_window(Listening([False, True])))
        m.expect(turns, "----A---B------|", {"A": like(ms=128), "B": like(ms=224)})
    assert told == [64, 128]


def test_speech_that_goes_on_after_the_longest_turn_ends_no_silence() -> None:
    told: list[int] = []

    class Listening(FakePolicy):
        def user_spoke_again(self, silence_ms: int) -> None:
            told.append(silence_ms)

    with marbles() as m:
        turns = m.cold("~~~~~|").pipe(vox.turn_window(Listening([]), max_duration_ms=64))
        m.expect(turns, "A-B-C|", {"A": like(ms=64), "B": like(ms=64), "C": like(ms=32)})
    assert told == []


def test_a_policy_that_raises_when_it_is_told_fails_only_its_turn() -> None:
    class Breaking(FakePolicy):
        def user_spoke_again(self, silence_ms: int) -> None:
            raise RuntimeError("no memory")

    with marbles() as m:
        failed = {"#": (rxv.StageError, "turn .. failed: RuntimeError: no memory")}
        turns = m.cold("~_~-__~|").pipe(vox.turn_window(Breaking([])))
        m.expect(turns, "A-----B|", {"A": window("~_#", failed), "B": window("#", failed)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rxv.adaptive_silence(-1, 5), "adaptive_silence min_ms must be at least 0 ms"),
        (lambda: rxv.adaptive_silence(0, 0), "adaptive_silence max_ms must be at least 1 ms"),
        (
            lambda: rxv.adaptive_silence(500, 400),
            r"max_ms must be at least min_ms=500 \(ms\), got 400",
        ),
        (
            lambda: rxv.adaptive_silence(1, 5, factor=0.9),
            "factor must be at least 1 average pauses",
        ),
        (lambda: rxv.adaptive_silence(1, 5, weight=0), "weight must be above 0, got 0"),
        (lambda: rxv.adaptive_silence(1, 5, weight=1.1), "adaptive_silence weight must be"),
        (lambda: rxv.end_word("", str), "word must be a word such as \"over\", got ''"),
        (lambda: rxv.end_word("?!", str), "got '\\?!'"),
        (
            lambda: rxv.end_word("over", cast("Any", None)),
            r"transcribe_turn\(...\) or a callable .* got None",
        ),
        (
            lambda: rxv.end_word("over", FakeTranscriber("x"), after_ms=0),
            "end_word after_ms must be at least 1 ms, got 0",
        ),
    ],
)
def test_bad_arguments_raise_at_once(make: Any, message: str) -> None:
    with pytest.raises(rxv.ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("word", "said", "ends"),
    [
        ("over", "I am at the door. Over.", True),
        ("OVER", "over", True),
        ("over", "moreover", False),
        ("over", "over there", False),
        ("over", "", False),
        ("over and out", "That is all. Over, and out!", True),
        ("over and out", "and out", False),
        ("fertig", "ich bin FERTIG …", True),
    ],
)
def test_the_last_words_count(word: str, said: str, ends: bool) -> None:
    assert rxv.end_word(word, FakeTranscriber("")).ends(said) is ends


def test_it_asks_once_in_each_silence_and_ends_the_turn_with_the_word() -> None:
    asked: list[int] = []
    texts = iter(["I am over", "I am over there. Over!", "next"])

    def stt(audio: rxv.Samples) -> str:
        asked.append(len(audio) // 512)
        return next(texts)

    with marbles() as m:
        turns = m.cold("~~_~___~~_____~__|").pipe(
            vox.turn_window(rxv.end_word("over there", stt, after_ms=64))
        )
        m.expect(turns, "A----------------|", {"A": like(ended_by="source")})
    # A silence of one chunk is too short; the others are asked about at their second chunk.
    assert asked == [6, 11, 17]


def test_a_turn_ends_with_the_word() -> None:
    with marbles() as m:
        policy = rxv.any_of(
            rxv.end_word("over", FakeTranscriber("I am", "I am here, over.", "so"), after_ms=64),
            rxv.silence(160),
        )
        turns = m.cold("~__~~__~_____~|").pipe(vox.turn_window(policy))
        m.expect(
            turns,
            "A------B-----C|",
            {
                "A": like(ms=7 * 32, ended_by="policy"),
                "B": like(ms=6 * 32, ended_by="policy"),  # by the silence
                "C": like(ms=32, ended_by="source"),
            },
        )


def test_a_verdict_that_comes_after_the_user_spoke_is_void() -> None:
    policy = rxv.end_word("over", FakeTranscriber("over", after_ms=64), after_ms=32)
    with marbles() as m:
        turns = m.cold("~_~_---|").pipe(vox.turn_window(policy))
        m.expect(turns, "A------|", {"A": like(chunks_consumed=4, ended_by="policy")})


def test_it_reads_every_shape_of_an_answer() -> None:
    for answer in (
        ["I am ", rxv.Notice("slow"), "ov", "er"],
        {"text": "over"},
        rxv.Recognised("over"),
        iter(["over"]),
    ):
        script: list[Any] = [answer]
        policy = rxv.end_word("over", lambda audio, script=script: script[0])
        verdict = policy.user_finished(NOTHING, 200)
        assert isinstance(verdict, Observable)
        seen: list[Any] = []
        verdict.pipe(ops.to_list()).subscribe(seen.append, seen.append)
        assert seen == [[True]]


def test_a_recogniser_that_raises_fails_the_turn() -> None:
    stt = failing(FakeTranscriber("over"), "transcribe_turn", at=1)
    with marbles() as m:
        failed = {"#": (rxv.StageError, "turn 1.* failed")}
        turns = m.cold("~_-~_|").pipe(vox.turn_window(rxv.end_word("over", stt, after_ms=32)))
        m.expect(turns, "A--B-|", {"A": window("~(_#)", failed), "B": window("~(_|)")})


def test_whoever_wants_no_verdict_any_more_lets_go_of_the_recogniser() -> None:
    answer: Subject[str] = Subject()
    verdict = rxv.end_word("over", lambda audio: answer).user_finished(NOTHING, 200)
    assert isinstance(verdict, Observable)
    life = verdict.subscribe()
    assert len(answer.observers) == 1
    life.dispose()
    assert answer.observers == []


def test_each_subscription_has_its_own() -> None:
    chunks: Subject[Any] = Subject()
    ended: list[Any] = []
    turns = chunks.pipe(vox.turn_window(rxv.end_word("over", FakeTranscriber("over"), after_ms=32)))
    for _ in range(2):
        turns.subscribe(ended.append)
    for n, speech in enumerate([True, False]):
        chunks.on_next(sound(speech=speech).chunk(n * 512, 512, 16_000))
    assert [turn.ended_by for turn in ended] == ["policy", "policy"]


def test_the_end_word_is_looked_for_as_the_silence_becomes_long_enough() -> None:
    policy = rxv.end_word("over", FakeTranscriber("over"), after_ms=1)
    audio = np.zeros(4, np.float32)
    for own in (policy, policy.fresh()):
        asked = [own.user_finished(audio, ms) is not False for ms in (0, 1, 5, 5, 2, 3, 3)]
        assert asked == [False, True, False, True, True, False, True]
