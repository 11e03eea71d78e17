"""The notation and its runner: what it reads, what it plays, what it finds, what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import AudioChunk, ConfigError, Transcript, Turn
from rxvoice import operators as vox
from rxvoice.testing import Recorded, audio, like, marbles, sound, turn, window
from rxvoice.testing.notation import parse, write

SPEECH = 0.25


def failure(act: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as caught:
        act()
    return str(caught.value)


# Reading


@pytest.mark.parametrize(
    ("diagram", "wanted"),
    [
        ("", []),
        ("---", []),
        ("-a-|", [(32, "a"), (96, "|")]),
        ("a(bc)d|", [(0, "a"), (32, "b"), (32, "c"), (64, "d"), (96, "|")]),
        ("(abcd)-(e|)", [(0, "a"), (0, "b"), (0, "c"), (0, "d"), (64, "e"), (64, "|")]),
        (" a - b |", [(0, "a"), (64, "b"), (96, "|")]),
        ("( a b )c#", [(0, "a"), (0, "b"), (32, "c"), (64, "#")]),
    ],
)
def test_one_character_is_one_tick_and_a_group_is_one_too(
    diagram: str, wanted: list[tuple[int, str]]
) -> None:
    m = marbles()
    came = m.record(m.cold(diagram, {letter: letter for letter in "abcde"}))
    told = {"completed": "|", "error": "#"}
    assert [(it.ms, told.get(it.kind, it.value)) for it in came] == wanted


@pytest.mark.parametrize(
    ("diagram", "column", "why"),
    [
        ("-a-x-", 3, "'x' is not in the legend (a)"),
        ("-a)", 2, "')' without '('"),
        ("-(a-b)", 3, "'-' in a group"),
        ("-((a))", 2, "a group inside a group"),
        ("-()-", 1, "an empty group"),
        ("-(aa", 1, "a group that is never closed"),
        ("--|-", 3, "nothing can follow '|'"),
        ("(|a)", 2, "nothing can follow '|'"),
        ("-#a", 2, "nothing can follow '#'"),
        ("-?-", 1, "'?' means nothing here"),
        ("-é-", 1, "'é' means nothing here"),
        ("-^-", 1, "'^' is for hot diagrams"),
        ("a\t|", 1, "means nothing here"),
    ],
)
def test_a_malformed_diagram_shows_where(diagram: str, column: int, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        marbles().cold(diagram, {"a": 1})
    _, shown, caret = str(caught.value).splitlines()
    assert shown == f"  {diagram}"
    assert caret == " " * (2 + column) + "^"


@pytest.mark.parametrize("diagram", ["--", "^^", "!-^", "^-!-!", "^a!", "(^-!)", "(^!"])
def test_a_malformed_subscription_diagram_is_refused(diagram: str) -> None:
    m = marbles()
    with pytest.raises(ValueError, match="bad marble diagram"):
        m.expect_subscriptions(m.cold("|"), diagram)


@pytest.mark.parametrize("diagram", ["-a-|", "(ab)-c", "(ab#)", "a--(b|)", ""])
def test_what_is_written_is_read_back(diagram: str) -> None:
    parsed = parse(diagram)
    assert write(parsed.marks, parsed.ticks) == diagram


def test_nothing_is_cut_however_long_it_is() -> None:
    m = marbles(tick_ms=1)
    assert m.record(m.cold("-" * 5000 + "|")) == [Recorded(5000, "completed", None)]


def test_many_actions_at_one_time_do_not_move_the_clock() -> None:
    m = marbles()
    group = "(" + "a" * 500 + ")b|"
    came = m.record(m.cold(group, {"a": 1, "b": 2}))
    assert [it.ms for it in came] == [0] * 500 + [32, 64]


@pytest.mark.parametrize("tick_ms", [0, -1, 1.5, True])
def test_a_bad_tick_is_refused(tick_ms: Any) -> None:
    with pytest.raises(ConfigError, match="marbles tick_ms"):
        marbles(tick_ms=tick_ms)


# Audio


def test_silence_and_speech_are_chunks_counted_along_the_diagram() -> None:
    m = marbles()
    silence, speech = np.zeros(512, np.float32), np.full(512, SPEECH, np.float32)
    assert m.record(m.cold("_-~(_|)")) == [
        (0, "next", AudioChunk(silence, start=0, speech=False)),
        (64, "next", AudioChunk(speech, start=512, speech=True)),
        (96, "next", AudioChunk(silence, start=1024, speech=False)),
        (96, "completed", None),
    ]


def test_chunks_may_be_unjudged_or_plain_arrays() -> None:
    m = marbles(tick_ms=10, sample_rate=8000)
    (chunk,) = m.record(m.cold("~", audio="unjudged"))
    assert chunk.value == AudioChunk(np.full(80, SPEECH, np.float32), 8000)
    (array,) = m.record(m.cold("~", audio="arrays"))
    np.testing.assert_array_equal(array.value, np.full(80, SPEECH, np.float32))
    assert array.value.dtype == np.float32
    with pytest.raises(ConfigError, match="audio must be"):
        m.cold("~", audio="loud")  # type: ignore[arg-type]


def test_a_sound_is_counted_too() -> None:
    m = marbles(chunk_size=4)
    legend = {"a": sound(0.5, size=3, speech=True, probability=0.75, lead_in="_~", partial=True)}
    _, second, third = (it.value for it in m.record(m.cold("_a_", legend)))
    lead_in = np.array([0] * 4 + [SPEECH] * 4, np.float32)
    half = np.full(3, 0.5, np.float32)
    assert second == AudioChunk(
        half, start=4, speech=True, probability=0.75, lead_in=lead_in, partial=True
    )
    assert third.start == 7


def test_audio_and_turn_are_made_of_diagrams() -> None:
    np.testing.assert_array_equal(
        audio("_~", chunk_size=2), np.array([0, 0, SPEECH, SPEECH], np.float32)
    )
    made = turn("~_", id=3, start=8, chunk_size=2, ended_by="source", chunks_consumed=9)
    assert made == Turn.of(
        audio("~_", chunk_size=2), id=3, start=8, ended_by="source", chunks_consumed=9
    )
    with pytest.raises(ValueError, match="audio is made of"):
        audio("_a")


# Sources


def test_a_cold_source_starts_with_each_subscriber() -> None:
    m = marbles()
    source = m.cold("-a|", {"a": 1})
    twice = rx.merge(source, rx.timer(0.064).pipe(ops.flat_map(lambda _: source)))
    m.expect(twice, "-a-a|", {"a": 1})
    m.expect_subscriptions(source, "^-!", "--^-!")


def test_a_hot_source_plays_by_itself_and_the_caret_is_time_zero() -> None:
    m = marbles()
    source = m.hot("-a^-b-c-|", {"a": 1, "b": 2, "c": 3})
    m.expect(source, "--b-c-|", {"b": 2, "c": 3})
    late = rx.timer(0.064).pipe(ops.flat_map(lambda _: source))
    m.expect(late, "----c-|", {"c": 3})
    m.expect_subscriptions(source, "--^---!")


def test_two_hot_sources_share_time_zero() -> None:
    m = marbles()
    early, other = m.hot("a--^a|", {"a": 1}), m.hot("b|", {"b": 2})
    m.expect(rx.merge(early, other), "b a|", {"a": 1, "b": 2})


def test_an_error_is_the_legends_or_a_default() -> None:
    m = marbles()
    m.expect(m.cold("-#"), "-#")
    m.expect(m.cold("-#", {"#": KeyError("x")}), "-#", {"#": KeyError("x")})
    with pytest.raises(ConfigError, match="give an instance"):
        m.cold("-#", {"#": KeyError})


def test_a_subscription_is_compared_with_its_disposal() -> None:
    m = marbles()
    source = m.cold("-a-a-a-a", {"a": 1})
    m.expect(source, "-a-a", {"a": 1}, dispose_at=4 * 32)
    m.expect_subscriptions(source, "^---!")
    m.expect(source, "-a-a-a-a", {"a": 1})
    m.expect_subscriptions(source, "^")
    told = failure(lambda: m.expect_subscriptions(source, "^--!", "^"))
    assert "expected  0 ms to 96 ms, 0 ms to the end" in told
    assert "actual    0 ms to the end" in told


def test_disposal_is_before_what_happens_at_its_tick() -> None:
    m = marbles()
    source = m.hot("-a-a", {"a": 1})
    m.expect(source, "-a", {"a": 1}, dispose_at=80)


def test_the_scheduler_is_passed_to_subscribe() -> None:
    seen: list[object] = []

    def subscribe(observer: Any, scheduler: Any = None) -> Any:
        seen.append(scheduler)
        return rx.timer(0.064).subscribe(observer, scheduler=scheduler)

    m = marbles()
    m.expect(Observable[int](subscribe), "--(a|)", {"a": 0})
    assert seen == [m.scheduler]


def test_an_observable_without_end_fails_unless_disposed() -> None:
    m = marbles(limit_ms=1000)
    told = failure(lambda: m.record(rx.interval(0.1)))
    assert "still at work after 1000 virtual ms" in told
    assert [it.ms for it in m.record(rx.interval(0.1), dispose_at=350)] == [100, 200, 300]


def test_a_run_after_one_that_raised_is_not_deaf() -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("in a subscriber")

    m = marbles()
    source = m.hot("-a|", {"a": 1})
    with pytest.raises(ZeroDivisionError):
        m.record(rx.never().pipe(ops.merge(rx.defer(lambda _: _subscribed(source, broken)))))
    m.expect(source, "-a|", {"a": 1})


def _subscribed(source: Observable[Any], on_next: Callable[[Any], None]) -> Observable[Any]:
    source.subscribe(on_next, on_error=lambda error: None)
    return rx.never()


# Comparing


def test_values_are_compared_with_their_arrays() -> None:
    m = marbles()
    ones = np.ones(3, np.float32)
    source = m.cold("abc|", {"a": ones, "b": [ones, "x"], "c": {"k": ones}})
    same = {"a": ones.copy(), "b": [ones.copy(), "x"], "c": {"k": ones.copy()}}
    m.expect(source, "abc|", same)
    for wrong in (
        {"a": ones[:2]},
        {"a": ones.astype(np.float64)},
        {"a": 2 * ones},
        {"a": 1},
        {"b": [2 * ones, "x"]},
        {"b": (ones, "x")},
        {"c": {"k": 2 * ones}},
    ):
        failure(lambda wrong=wrong: m.expect(source, "abc|", same | wrong))


def test_errors_are_compared_by_type_and_message() -> None:
    m = marbles()
    source = m.cold("-#", {"#": ValueError("3 apples")})
    for good in (
        ValueError("3 apples"),
        ValueError,
        Exception,
        (ValueError, r"\d apples$"),
        like(args=("3 apples",)),
    ):
        m.expect(source, "-#", {"#": good})
    for bad in (
        ValueError("4 apples"),
        Exception("3 apples"),
        KeyError,
        (KeyError, "3 apples"),
        (ValueError, "pears"),
        "3 apples",
    ):
        failure(lambda bad=bad: m.expect(source, "-#", {"#": bad}))


def test_like_compares_what_is_told() -> None:
    m = marbles()
    source = m.cold("a|", {"a": Transcript(turn("~", id=2), "hi")})
    m.expect(source, "a|", {"a": like(Transcript, turn=like(Turn, id=2), text="hi")})
    for wrong in (like(str), like(text="ho"), like(turn=like(id=1)), like(loudness=1)):
        failure(lambda wrong=wrong: m.expect(source, "a|", {"a": wrong}))


def test_a_completion_is_not_a_value() -> None:
    m = marbles()
    failure(lambda: m.expect(m.cold("-a|", {"a": None}), "-(a|)", {"a": None}))
    failure(lambda: m.expect(m.cold("-a|", {"a": None}), "-a", {"a": None}))
    failure(lambda: m.expect(m.cold("-a", {"a": None}), "-a|", {"a": None}))
    failure(lambda: m.expect(m.cold("|"), "#"))
    failure(lambda: m.expect(m.cold("#"), "|"))


def test_times_are_whole_milliseconds() -> None:
    m = marbles(tick_ms=1)
    m.expect(rx.timer(0.0029999), "---(a|)", {"a": 0})
    failure(lambda: m.expect(rx.timer(0.0024), "---(a|)", {"a": 0}))


# Turns


def turns(m: Any, mic: str) -> Observable[Any]:
    return m.cold(mic).pipe(vox.turn_window(rxv.silence(64)))


def test_a_window_says_what_a_turn_emits_and_when() -> None:
    m = marbles()
    m.expect(
        turns(m, "__~~_~__~|"),
        "--A-----B|",
        {
            "A": window("~~_~_(_|)", ended_by="policy", start=1024),
            "B": window("~|", ended_by="source"),
        },
    )
    for wrong in (
        window("~~_~__|"),
        window("~~_~_(_#)"),
        window("~~_~_"),
        window("~~__ _(_|)"),
        window("~~_~_(_|)", ended_by="source"),
        turn("~~_~__"),
    ):
        failure(lambda wrong=wrong: m.expect(turns(m, "__~~_~__|"), "--A-----|", {"A": wrong}))


def test_a_window_in_a_source_is_a_turn_being_spoken() -> None:
    m = marbles()
    spoken = window("(_~)~-(_|)", id=7, start=512, ended_by="max_duration", chunks_consumed=5)
    source = m.cold("-A-----|", {"A": spoken})
    m.expect(source, "-A-----|", {"A": spoken})
    (first, _) = m.record(source)
    assert first.value == turn("_~~_", id=7, start=512, ended_by="max_duration", chunks_consumed=5)
    failed = window("~#", {"#": OSError("unplugged")})
    m.expect(m.cold("A--|", {"A": failed}), "A--|", {"A": failed})
    failure(lambda: m.expect(m.cold("A--|", {"A": failed}), "A--|", {"A": window("~#")}))


# Reports


def test_a_failure_shows_both_lines_and_the_values_that_differ() -> None:
    m = marbles()
    source = m.cold("-a-b-|", {"a": "one", "b": "two"})
    legend = {"a": "one", "b": "three", "c": "four"}
    told = failure(lambda: m.expect(source, "-a-b(c|)", legend))
    assert told.splitlines() == [
        "marbles differ",
        "  expected  -a-b(c|)",
        "  actual    -a-z-   |",
        "               ^^   ^",
        "  1 char = 32 ms",
        "at 96 ms expected b = 'three'",
        "at 96 ms got      z = 'two'",
        "at 128 ms expected c = 'four'",
        "at 128 ms expected | (completion)",
        "at 160 ms got      | (completion)",
    ]


def test_a_failure_says_which_attribute_differs_and_where() -> None:
    m = marbles()
    loud = {"a": sound(0.5, speech=True)}
    told = failure(lambda: m.expect(m.cold("~|"), "a|", loud))
    assert (
        "    samples: expected float32[512] in [0.5, 0.5], got float32[512] in [0.25, 0.25]" in told
    )
    assert "first at index 0" in told
    told = failure(
        lambda: m.expect(turns(m, "~__|"), "A--|", {"A": window("~_ _|", ended_by="max_duration")})
    )
    assert "    ended_by: expected 'max_duration', got 'policy'" in told
    assert "      expected  ~__   |\n      actual    ~_(_|)" in told


def test_a_time_off_the_grid_is_told_in_milliseconds() -> None:
    m = marbles()
    told = failure(lambda: m.expect(rx.timer(0.07), "--(a|)", {"a": 0}))
    assert "at 64 ms expected a = 0" in told
    assert "at 70 ms got      a = 0" in told


def test_another_order_at_one_time_is_told() -> None:
    m = marbles()
    legend = {"a": 1, "b": 2}
    told = failure(lambda: m.expect(m.cold("(ab|)", legend), "(ba|)", legend))
    assert "the order at one time differs" in told


def test_it_loads_neither_pytest_nor_a_model() -> None:
    unwanted = ("pytest", "mlx", "mlx_lm", "mlx_audio", "sounddevice")
    code = f"import sys, rxvoice.testing; print([n for n in {unwanted} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
