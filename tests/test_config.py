"""What each setting of `SessionConfig` acts on, and the warnings about those that do not act."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from reactivex.scheduler import CurrentThreadScheduler

import rxvoice as rxv
from rxvoice import operators as vox

CHANGED: dict[str, Any] = {
    "vad_end_silence_ms": 400,
    "turn_threshold": 0.7,
    "min_barge_in_ms": 300,
    "ignore_playback_echo_ms": 200,
    "echo_delay_min_ms": 40,
    "echo_delay_max_ms": 800,
    "echo_correlation_step_ms": 16,
    "barge_in_min_transcript_chars": 5,
    "queue_size": 8,
    "latency_profile": "fast",
}


def session(config: rxv.SessionConfig, **parts: Any) -> rxv.VoiceSession:
    models: dict[str, Any] = {
        "vad": lambda samples: samples.max() > 0.1,
        "stt": lambda audio: "hello",
        "llm": lambda text: text,
        "tts": lambda text: [np.zeros(240, np.float32)],
    }
    return rxv.VoiceSession(config, **(models | parts))


class Judge:
    """A model that finds every turn complete with this probability, and notes what it is asked."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.asked: list[int] = []
        self.prediction = 0

    def predict_endpoint(self, audio: Any, sample_rate: int, threshold: float) -> Judge:
        self.asked.append(len(audio))
        self.prediction = int(self.probability > threshold)
        return self


def chunks_until_over(config: rxv.SessionConfig, judge: Judge) -> int:
    """Count the chunks of silence that end a turn, after one of speech."""
    live = session(config, turn_policy=config.turn_policy(judge))
    sink = rxv.sinks.memory()
    live.step(np.full(512, 0.5, np.float32), sink)
    silent = 0
    while not live.turn_events:
        live.step(np.zeros(512, np.float32), sink)
        silent += 1
    return silent


def test_the_model_is_asked_after_the_silence_that_is_set() -> None:
    assert chunks_until_over(rxv.SessionConfig(), Judge(0.9)) == 19  # 608 ms
    assert chunks_until_over(rxv.SessionConfig(vad_end_silence_ms=100), Judge(0.9)) == 4


def test_the_model_is_believed_above_the_threshold_that_is_set() -> None:
    doubtful = rxv.SessionConfig(turn_threshold=0.95, turn_max_incomplete_silence_ms=800)
    judge = Judge(0.9)
    assert chunks_until_over(doubtful, judge) == 25  # 800 ms, whatever the model says
    assert judge.asked


def test_without_a_model_the_longest_silence_ends_a_turn() -> None:
    assert rxv.SessionConfig(turn_max_incomplete_silence_ms=320).turn_policy() == rxv.silence(320)


@pytest.mark.parametrize("silence_ms", [0, 1600, 2000])
def test_a_model_is_asked_before_the_longest_silence(silence_ms: int) -> None:
    config = rxv.SessionConfig(vad_end_silence_ms=silence_ms)
    with pytest.raises(rxv.ConfigError, match="vad_end_silence_ms must be from 1 ms to below"):
        config.turn_policy(Judge(1))


def test_a_worker_goes_with_a_model() -> None:
    with pytest.raises(rxv.ConfigError, match="turn_policy takes a worker for its model"):
        rxv.SessionConfig().turn_policy(worker=CurrentThreadScheduler())


def test_a_conversation_takes_the_settings_of_interruptions() -> None:
    config = rxv.SessionConfig(
        barge_in=False,
        min_barge_in_ms=300,
        barge_in_min_transcript_chars=5,
        ignore_playback_echo_ms=200,
    )
    assert config.conversation_options() == {
        "interruptions": False,
        "min_speech_ms": 300,
        "min_chars": 5,
        "echo_tail_ms": 200,
    }
    parameters = inspect.signature(vox.converse).parameters
    told = rxv.SessionConfig().conversation_options()
    assert {name: parameters[name].default for name in told} == told


def test_the_correlation_tries_the_delays_that_are_set() -> None:
    config = rxv.SessionConfig(
        echo_delay_min_ms=40, echo_delay_max_ms=200, echo_correlation_step_ms=16
    )
    played = rxv.echo.recorded(np.zeros(16_000, np.float32), 16_000)
    judge = rxv.echo.correlation(played, **config.echo_options())
    assert judge._delays.tolist() == list(range(640, 3201, 256))


def test_the_correlation_keeps_its_own_delays_where_none_are_set() -> None:
    assert rxv.SessionConfig().echo_options() == {"sample_rate": 16_000}
    wide = rxv.SessionConfig(echo_delay_max_ms=800)
    assert wide.echo_options() == {"sample_rate": 16_000, "delay_max_ms": 800}


def test_the_queue_is_of_chunks() -> None:
    assert rxv.SessionConfig().queue_ms == 4096
    assert rxv.SessionConfig(queue_size=8, frame_duration_ms=20).queue_ms == 160


def test_by_default_there_is_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    session(rxv.SessionConfig())
    assert caplog.messages == []


@pytest.mark.parametrize("name", CHANGED)
def test_a_session_tells_of_a_setting_without_effect(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    session(rxv.SessionConfig(**{name: CHANGED[name]}))
    (told,) = caplog.messages
    assert told.startswith(f"{name}={CHANGED[name]!r} has no effect ")
    assert "it acts through" in told


def test_what_was_given_to_a_part_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    class Voice:
        streaming_interval = 0.24

        def synthesize_stream(self, text: str) -> Any:
            return ()

    config = rxv.SessionConfig(
        vad_end_silence_ms=400, turn_threshold=0.7, echo_delay_max_ms=600, latency_profile="fast"
    )
    played = rxv.echo.recorded(np.zeros(16_000, np.float32), 16_000)
    session(
        config,
        tts=Voice(),
        turn_policy=config.turn_policy(Judge(0.9)),
        barge_in=rxv.echo.correlation(played, **config.echo_options()),
    )
    assert caplog.messages == []


def test_a_policy_that_goes_against_the_settings_is_told(caplog: pytest.LogCaptureFixture) -> None:
    config = rxv.SessionConfig(turn_max_incomplete_silence_ms=900)
    session(config, turn_policy=config.turn_policy())
    assert caplog.messages == []
    session(config, turn_policy=rxv.silence(200))
    (told,) = caplog.messages
    assert told.startswith("turn_max_incomplete_silence_ms=900 has no effect in this VoiceSession")


def test_the_parts_that_take_the_latency_profile_say_so() -> None:
    from rxvoice import mlx

    fast = rxv.SessionConfig(latency_profile="fast")
    stt = mlx.stt("a/b", transcription_delay_ms=fast.stt_transcription_delay_ms)
    tts = mlx.tts("a/b", streaming_interval=fast.tts_streaming_interval)
    assert (stt.transcription_delay_ms, tts.streaming_interval) == (240, 0.24)
