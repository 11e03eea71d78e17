"""The bounds of every option, to the last value that is allowed, and the defaults."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
import pytest
from reactivex.scheduler import ImmediateScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.operators._conversation.settings import ConverseSettings
from rxvoice.testing import FakeSink, FakeTranscriber, FakeWakeWord


def is_speech(samples: rxv.Samples) -> bool:
    return True


def say(text: str) -> list[rxv.Samples]:
    return [np.zeros(4, np.float32)]


class Silent:
    def at(self, time: float, n: int, sample_rate: int) -> rxv.Samples:
        return np.zeros(n, np.float32)


def barge_in(**options: Any) -> object:
    return vox.barge_in(playing=lambda: False, **options)


def wake_word(**options: Any) -> object:
    return vox.wake_word(FakeWakeWord("w"), **options)


def cancel_echo(**options: Any) -> object:
    pytest.importorskip("livekit.rtc")
    return vox.cancel_echo(Silent(), **options)


def handoff(**options: Any) -> object:
    return vox.handoff(overflow="fail", **options)


def converse(**options: Any) -> object:
    stages = vox.transcribe(FakeTranscriber("hi")), vox.respond(say), vox.synthesize(say)
    return vox.converse(*stages, sink=Ducking(), **options)


class Ducking(FakeSink):
    def duck(self, gain: float) -> None: ...


def max_duration(ms: float = 1000, **options: Any) -> object:
    return rxv.max_duration(ms, **options)


def adaptive(**options: Any) -> object:
    return rxv.adaptive_silence(**({"min_ms": 0, "max_ms": 2000} | options))


def keep_turns(keep_turns: int) -> object:
    return rxv.Conversation().compact(lambda messages: "summary", keep_turns=keep_turns)


def timed(operator: Any) -> Callable[..., object]:
    return lambda **options: operator(say, **options)


BOUNDS: list[tuple[Any, str, float, float | None, str]] = [
    (vox.chunk, "size", 1, None, "chunk size must be at least 1 samples"),
    (vox.chunk, "sample_rate", 1, None, "chunk sample_rate must be at least 1 Hz"),
    (vox.preroll, "ms", 0, None, "preroll must be at least 0 ms"),
    (vox.meter, "every_ms", 1, None, "meter every_ms must be at least 1 ms"),
    (vox.resample, "rate", 1, None, "resample rate must be at least 1 Hz"),
    (handoff, "max_ms", 1, None, "handoff max_ms must be at least 1 ms"),
    (vox.turn_window, "max_duration_ms", 1, None, "turn_window max_duration_ms must be at least 1"),
    (vox.turn_window, "timeout_ms", 1, None, "turn_window timeout_ms must be at least 1 ms, or No"),
    (lambda **it: vox.vad(is_speech, **it), "start_chunks", 1, None, "vad start_chunks must be at"),
    (lambda **it: vox.vad(is_speech, **it), "max_failures", 1, None, "vad max_failures must be at"),
    (lambda **it: vox.vad(is_speech, **it), "start", 0.2, 1, "vad st"),
    (lambda **it: vox.vad(is_speech, **it), "stop", 0, 0.35, "vad stop must be"),
    (lambda **it: vox.vad(is_speech, **({"stop": 0} | it)), "start", 0, 1, "vad start must be fr"),
    (lambda **it: vox.vad(is_speech, **({"start": 1} | it)), "stop", 0, 1, "vad stop must be fro"),
    (barge_in, "max_failures", 1, None, "barge_in max_failures must be at least 1 failures"),
    (wake_word, "max_failures", 1, None, "wake_word max_failures must be at least 1 failures"),
    (wake_word, "open_ms", 1, None, "wake_word open_ms must be at least 1 ms"),
    (wake_word, "tail_ms", 0, None, "wake_word tail_ms must be at least 0 ms"),
    (cancel_echo, "max_failures", 1, None, "cancel_echo max_failures must be at least 1 failures"),
    (cancel_echo, "ahead_ms", 0, 300, "cancel_echo ahead_ms must be "),
    (timed(vox.transcribe), "timeout_ms", 1, None, "transcribe timeout_ms must be at least 1 ms"),
    (timed(vox.respond), "total_timeout_ms", 1, None, "respond total_timeout_ms must be at least"),
    (timed(vox.respond), "min_chars", 0, None, "respond min_chars must be at least 0 letters and"),
    (timed(vox.synthesize), "timeout_ms", 1, None, "synthesize timeout_ms must be at least 1 ms"),
    (timed(vox.synthesize), "sample_rate", 1, None, "synthesize sample_rate must be at least 1 H"),
    (timed(vox.answer), "sample_rate", 1, None, "answer sample_rate must be at least 1 Hz"),
    (converse, "min_speech_ms", 0, None, "converse min_speech_ms must be at least 0 ms"),
    (converse, "min_words", 0, None, "converse min_words must be at least 0 words"),
    (converse, "min_chars", 0, None, "converse min_chars must be at least 0 characters"),
    (converse, "resume_after_ms", 0, None, "converse resume_after_ms must be at least 0 ms"),
    (converse, "hold_ms", 0, None, "converse hold_ms must be at least 0 ms"),
    (converse, "echo_tail_ms", 0, None, "converse echo_tail_ms must be at least 0 ms"),
    (converse, "warm_up_ms", 0, None, "converse warm_up_ms must be at least 0 ms"),
    (converse, "duck", 0, 1, r"converse duck must be from 0 to 1 \(gain\)"),
    (converse, "preempt_after_ms", 0, None, "converse preempt_after_ms must be at least 0 ms"),
    (converse, "preempt_tries", 1, None, "converse preempt_tries must be at least 1 tries"),
    (converse, "idle_ms", 1, None, "converse idle_ms must be at least 1 ms"),
    (rxv.energy, "threshold", 0, 1, "energy threshold must be from 0.0 to 1.0"),
    (rxv.silence, "ms", 0, None, "silence ms must be at least 0 ms"),
    (max_duration, "ms", 1, None, "max_duration ms must be at least 1 ms"),
    (max_duration, "sample_rate", 1, None, "max_duration sample_rate must be at least 1 Hz"),
    (lambda **it: rxv.end_word("over", say, **it), "after_ms", 1, None, "end_word after_ms must b"),
    (adaptive, "min_ms", 0, 2000, "adaptive_silence m"),
    (lambda **it: adaptive(min_ms=0, **it), "max_ms", 1, None, "adaptive_silence max_ms must be"),
    (adaptive, "factor", 1, None, "adaptive_silence factor must be at least 1 average pauses"),
    (adaptive, "weight", 0.001, 1, "adaptive_silence weight must be "),
    (keep_turns, "keep_turns", 1, None, "keep_turns must be at least 1 turns"),
]


@pytest.mark.parametrize(
    ("make", "option", "least", "most", "message"),
    BOUNDS,
    ids=[f"{at}-{it[1]}" for at, it in enumerate(BOUNDS)],
)
def test_the_last_value_is_allowed_and_the_next_one_is_not(
    make: Callable[..., object], option: str, least: float, most: float | None, message: str
) -> None:
    step = 1 if isinstance(least, int) and most in (None, 300, 2000) else 0.001
    make(**{option: least})
    with pytest.raises(ConfigError, match=f"^{message}"):
        make(**{option: least - step})
    if most is not None:
        make(**{option: most})
        with pytest.raises(ConfigError, match=f"^{message}"):
            make(**{option: most + step})


TIMES = {"worker": None, "errors": "event", "timeout_ms": 30_000, "total_timeout_ms": 300_000}
DEFAULTS: list[tuple[Any, Callable[[], object], dict[str, Any]]] = [
    (vox.chunk, vox.chunk, {"size": 512, "sample_rate": 16_000}),
    (
        vox.vad,
        lambda: vox.vad(is_speech),
        {"start": 0.35, "stop": 0.2, "start_chunks": 1, "echo": None, "max_failures": 10},
    ),
    (vox.preroll, vox.preroll, {"ms": 250}),
    (vox.barge_in, barge_in, {"detector": rxv.energy(0.02), "max_failures": 10}),
    (
        vox.turn_window,
        vox.turn_window,
        {
            "policy": rxv.silence(1600),
            "max_duration_ms": 30_000,
            "timeout_ms": 30_000,
            "end": None,
            "discard": None,
            "source": None,
        },
    ),
    (vox.transcribe, timed(vox.transcribe), TIMES),
    (vox.respond, timed(vox.respond), TIMES | {"min_chars": 0}),
    (
        vox.synthesize,
        timed(vox.synthesize),
        TIMES | {"sample_rate": 24_000, "first_clause_chars": None},
    ),
    (vox.answer, timed(vox.answer), TIMES | {"sample_rate": 24_000}),
    (
        vox.wake_word,
        wake_word,
        {"open_ms": 8_000, "playing": None, "tail_ms": 200, "max_failures": 10},
    ),
    (
        vox.cancel_echo,
        cancel_echo,
        {
            "ahead_ms": 40,
            "high_pass": True,
            "noise_suppression": False,
            "gain_control": False,
            "max_failures": 10,
        },
    ),
    (vox.meter, vox.meter, {"every_ms": 100}),
    (vox.handoff, lambda: handoff(max_ms=1), {"on_drop": None, "scheduler": None}),
    (vox.speakable, vox.speakable, {"code": "", "emoji": False}),
    (
        ConverseSettings,
        converse,
        {
            "interruptions": True,
            "says": None,
            "min_speech_ms": 180,
            "min_words": 0,
            "min_chars": 2,
            "stop_words": (),
            "backchannels": (),
            "own_words": True,
            "resume_after_ms": 1_500,
            "hold_ms": 10_000,
            "duck": None,
            "echo": None,
            "echo_tail_ms": 450,
            "warm_up_ms": 0,
            "interrupts": None,
            "preempt_after_ms": None,
            "preempt_tries": 2,
            "idle_ms": None,
            "word_events": False,
        },
    ),
    (rxv.energy, rxv.energy, {"threshold": 0.02}),
    (rxv.silence, rxv.silence, {"ms": 1600}),
    (rxv.max_duration, max_duration, {"sample_rate": 16_000}),
    (rxv.adaptive_silence, adaptive, {"factor": 2.5, "weight": 0.2}),
    (rxv.end_word, lambda: rxv.end_word("over", say), {"after_ms": 200, "worker": None}),
]


@pytest.mark.parametrize(
    ("named", "build", "wanted"), DEFAULTS, ids=[it.__name__ for it, *_ in DEFAULTS]
)
def test_the_defaults_are_those_of_the_documentation(
    named: Any, build: Callable[[], object], wanted: dict[str, Any]
) -> None:
    build()  # they are allowed
    found = {
        name: it.default
        for name, it in signature(named).parameters.items()
        if it.default is not it.empty
    }
    assert found == wanted


@pytest.mark.parametrize("operator", [vox.transcribe, vox.respond, vox.synthesize, vox.answer])
def test_a_worker_has_one_thread(operator: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{operator.__name__} worker"):
        operator(say, worker=ImmediateScheduler())
    with pytest.raises(
        ConfigError, match=f'^{operator.__name__} errors must be "event" or "raise"'
    ):
        operator(say, errors="tell")


@pytest.mark.parametrize("weight", [-0.5, 1.5])
def test_a_weight_is_a_share(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"^adaptive_silence weight must be from 0.0 to 1.0"):
        adaptive(weight=weight)
