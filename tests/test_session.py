"""The rules of the reference loop, one by one, and what `VoiceSession` adds to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rxvoice as rxv

SIZE = 4  # samples per chunk; 1 kHz, so a sample is a millisecond

SPEECH = 0.5
SILENCE = 0.0


def block(level: float, chunks: float = 1) -> Any:
    return np.full(int(chunks * SIZE), level, np.float32)


class Sink:
    """Takes at most `most` samples per write."""

    is_running = False

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.taken: list[float] = []
        self.writes = 0
        self.flushes = 0

    def write_samples(self, samples: Any) -> int:
        self.writes += 1
        n = min(self.most, len(samples))
        self.taken += samples[:n].tolist()
        return n

    def flush(self) -> None:
        self.flushes += 1

    def clear(self) -> Any:
        return np.empty(0, np.float32)

    def stop(self) -> None:
        pass


class Models:
    """Notes what every slot is given; raises where `fails` names it."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.heard: list[list[float]] = []
        self.spoken: list[str] = []

    def is_speech(self, samples: Any) -> bool:
        self.fail("vad")
        return bool(samples.max() > 0.1)

    def transcribe_turn(self, audio: Any) -> str:
        self.heard.append(audio.tolist())
        self.fail("stt")
        return f"turn {len(self.heard)}"

    def respond(self, text: str) -> str:
        self.fail("llm")
        return f"to {text}"

    def synthesize_stream(self, text: str) -> Any:
        self.fail("tts")
        self.spoken.append(text)
        return [np.full(10, 0.25, np.float32)]

    def fail(self, slot: str) -> None:
        if self.fails == slot:
            self.fails = ""
            raise RuntimeError(f"{slot} is out of order")


def make(models: Models | None = None, **settings: Any) -> tuple[rxv.VoiceSession, Models]:
    models = models or Models()
    policy = settings.pop("turn_policy", rxv.silence(8))
    defaults: dict[str, Any] = {
        "input_sample_rate": 1000,
        "frame_duration_ms": SIZE,
        "preroll_ms": 6,
    }
    session = rxv.VoiceSession(
        rxv.SessionConfig(**(defaults | settings)),
        vad=models,
        stt=models,
        llm=models,
        tts=models,
        turn_policy=policy,
    )
    return session, models


TURN = [block(SPEECH, 2), block(SILENCE, 2)]


def test_a_turn_is_heard_answered_spoken_and_logged() -> None:
    session, models = make()
    sink = Sink()
    assert [session.step(frame, sink) for frame in TURN] == [0, 1]
    assert models.heard == [[SPEECH] * 8 + [SILENCE] * 8]
    assert models.spoken == ["to turn 1"]
    assert sink.taken == [0.25] * 10
    assert sink.flushes == 0
    assert session.turn_events == [rxv.FinishedTurn(4, "turn 1", "to turn 1", False)]


def test_the_first_speech_chunk_is_not_doubled_by_the_preroll() -> None:
    session, models = make()
    session.run([block(0.01), block(0.02), *TURN], Sink())
    assert models.heard[0] == pytest.approx([0.01] * 2 + [0.02] * 4 + [SPEECH] * 8 + [SILENCE] * 8)


def test_the_preroll_holds_only_what_came_after_the_last_turn() -> None:
    session, models = make(preroll_ms=1000)
    session.run([*TURN, block(0.03), *TURN], Sink())
    assert models.heard[1] == pytest.approx([0.03] * 4 + [SPEECH] * 8 + [SILENCE] * 8)


def test_the_residual_at_the_end_of_the_mic_reaches_the_recogniser() -> None:
    session, models = make()
    session.run([block(SPEECH), block(0.3, 0.75)], Sink())
    assert models.heard == [pytest.approx([SPEECH] * 4 + [0.3] * 3)]
    assert session.turn_events[0].chunks_consumed == 1


def test_the_residual_when_a_turn_ends_opens_the_next_one() -> None:
    session, models = make()
    session.run([*TURN, block(0.4, 0.5), block(0.4, 0.5)], Sink())
    assert models.heard[1] == pytest.approx([0.4] * 4)


def test_the_end_of_the_mic_asks_no_detector_about_the_residual() -> None:
    judged: list[int] = []

    def speech(samples: Any) -> bool:
        judged.append(len(samples))
        return True

    models = Models()
    session = rxv.VoiceSession(
        rxv.SessionConfig(input_sample_rate=1000, frame_duration_ms=SIZE),
        vad=speech,
        stt=models,
        llm=models,
        tts=models,
    )
    session.run([block(SPEECH, 1.5)], Sink())
    assert judged == [SIZE]


def test_durations_are_whole_milliseconds_of_each_chunk() -> None:
    asked: list[int] = []

    def policy(audio: Any, silence_ms: int) -> bool:
        asked.append(silence_ms)
        return False

    # 3 ms at 11025 Hz are 33 samples, which are 2 whole milliseconds.
    session, _ = make(input_sample_rate=11_025, frame_duration_ms=3, turn_policy=policy)
    session.run([np.full(33, SPEECH, np.float32), np.zeros(99, np.float32)], Sink())
    assert asked == [2, 4, 6]


@pytest.mark.parametrize("slot", ["stt", "llm", "tts"])
def test_a_failed_turn_leaves_a_clean_session(slot: str) -> None:
    session, models = make(Models(fails=slot))
    sink = Sink()
    session.step(TURN[0], sink)
    with pytest.raises(rxv.StageError, match=f"RuntimeError: {slot} is out of order") as raised:
        session.step(TURN[1], sink)
    assert isinstance(raised.value.cause, RuntimeError)
    assert session.turn_events == []
    assert sum(session.step(frame, sink) for frame in TURN) == 1
    assert models.heard[-1] == [SPEECH] * 8 + [SILENCE] * 8
    assert session.turn_events[0].chunks_consumed == 8


def test_a_detector_that_raises_ends_the_turn_and_not_the_session() -> None:
    session, models = make()
    sink = Sink()
    session.step(block(SPEECH), sink)
    models.fails = "vad"
    with pytest.raises(rxv.StageError, match="vad failed: RuntimeError: vad is out of order"):
        session.step(block(SPEECH), sink)
    assert sum(session.step(frame, sink) for frame in TURN) == 1
    assert len(models.heard[0]) == 4 * SIZE


def test_a_policy_that_raises_fails_its_turn() -> None:
    def policy(audio: Any, silence_ms: int) -> bool:
        raise RuntimeError("no idea")

    session, _ = make(turn_policy=policy)
    session.step(block(SPEECH), Sink())
    with pytest.raises(rxv.StageError, match=r"turn_window \(turn 1\) failed: RuntimeError: no id"):
        session.step(block(SILENCE), Sink())
    assert not session.flush_in_progress_turn(Sink())


def test_without_audio_the_synthesizer_is_never_called() -> None:
    session, models = make(Models(fails="tts"), play_audio=False)
    sink = Sink()
    session.run(TURN, sink)
    assert session.turn_events == [rxv.FinishedTurn(4, "turn 1", "to turn 1", False)]
    assert (models.fails, sink.writes, sink.flushes) == ("tts", 0, 1)


def test_a_sink_that_takes_nothing_is_an_error_and_not_a_spin() -> None:
    session, _ = make()
    sink = Sink(most=0)
    with pytest.raises(rxv.SinkStalled, match="the sink took 0 of 10 samples"):
        session.run(TURN, sink)
    assert sink.writes == 1
    assert session.turn_events == []


def test_a_sink_that_raises_is_an_error_of_its_turn() -> None:
    class Broken(Sink):
        def write_samples(self, samples: Any) -> int:
            raise OSError("cable out")

    session, _ = make()
    with pytest.raises(rxv.StageError, match=r"play \(turn 1\) failed: OSError: cable out"):
        session.run(TURN, Broken())


def test_partial_writes_are_offered_again() -> None:
    session, _ = make()
    sink = Sink(most=3)
    session.run(TURN, sink)
    assert (sink.taken, sink.writes) == ([0.25] * 10, 4)


@pytest.mark.parametrize("frames", [[], [block(SILENCE, 9)], [block(SPEECH, 3)], TURN])
def test_one_flush_at_the_end(frames: list[Any]) -> None:
    session, _ = make()
    sink = Sink()
    session.run(frames, sink)
    assert sink.flushes == 1


def test_an_empty_mic_gives_no_turn() -> None:
    session, models = make()
    session.run([], Sink())
    assert (session.turn_events, models.heard, session.total_chunks_consumed) == ([], [], 0)


def test_back_to_back_turns_share_nothing() -> None:
    session, models = make()
    session.run([np.concatenate([*TURN, *TURN])], Sink())
    assert models.heard == [[SPEECH] * 8 + [SILENCE] * 8] * 2
    assert [e.chunks_consumed for e in session.turn_events] == [4, 8]


def test_one_frame_may_finalize_several_turns() -> None:
    session, _ = make()
    assert session.step(np.concatenate(TURN * 3), Sink()) == 3


@pytest.mark.parametrize(
    ("level", "playing", "enabled", "observed"),
    [
        (SPEECH, True, True, True),
        (SPEECH, False, True, False),
        (SPEECH, True, False, False),
        (0.05, True, True, False),
    ],
)
def test_barge_in_is_observed_on_speech_while_playing(
    level: float, playing: bool, enabled: bool, observed: bool
) -> None:
    session, _ = make(barge_in=enabled)
    sink = Sink()
    session.step(block(level), sink, playing)
    for frame in TURN:
        session.step(frame, sink)
    assert [e.barge_in_observed for e in session.turn_events] == [observed]


def test_barge_in_does_not_leak_into_the_next_turn() -> None:
    session, _ = make()
    sink = Sink()
    for frame, playing in [(TURN[0], True), (TURN[1], True), (TURN[0], False), (TURN[1], True)]:
        session.step(frame, sink, playing)
    assert [e.barge_in_observed for e in session.turn_events] == [True, False]


def test_run_reads_from_the_sink_whether_it_is_playing() -> None:
    session, _ = make()
    sink = Sink()
    sink.is_running = True
    session.run(TURN, sink)
    assert session.turn_events[0].barge_in_observed


def test_a_turn_that_never_pauses_is_ended_and_loses_no_sample() -> None:
    session, models = make(vad_max_turn_seconds=0.08)
    frames = [np.linspace(0.2, 0.9, 176, dtype=np.float32)]
    session.run(frames, Sink())
    assert [len(audio) for audio in models.heard] == [80, 80, 16]
    assert [v for audio in models.heard for v in audio] == frames[0].tolist()


def test_flush_in_progress_turn() -> None:
    session, models = make()
    sink = Sink()
    assert not session.flush_in_progress_turn(sink)
    session.step(block(SPEECH, 1.5), sink)
    assert session.flush_in_progress_turn(sink)
    assert not session.flush_in_progress_turn(sink)
    assert models.heard == [[SPEECH] * 6]
    assert sink.flushes == 0
    # The session goes on, and goes on counting.
    session.step(np.concatenate(TURN), sink)
    assert [e.chunks_consumed for e in session.turn_events] == [1, 5]


def test_run_forgets_the_events_of_the_last_run_but_goes_on_counting() -> None:
    session, _ = make()
    session.run(TURN, Sink())
    session.run(TURN, Sink())
    assert [e.chunks_consumed for e in session.turn_events] == [8]
    assert session.total_chunks_consumed == 8


def test_a_run_that_fails_leaves_nothing_to_the_next() -> None:
    session, models = make(Models(fails="stt"))
    with pytest.raises(rxv.StageError):
        session.run([*TURN, block(SPEECH, 1.5)], Sink())
    session.run([block(SPEECH)], Sink())
    assert models.heard[-1] == [SPEECH] * 4


def test_a_bad_frame_raises_and_touches_nothing() -> None:
    session, models = make()
    sink = Sink()
    session.step(block(SPEECH, 1.5), sink)
    with pytest.raises(rxv.AudioFormatError, match="wanted float32 samples"):
        session.step(np.zeros(4, np.int16), sink)
    session.step(block(SPEECH, 0.5), sink)
    session.flush_in_progress_turn(sink)
    assert models.heard == [[SPEECH] * 8]


def test_an_interrupted_step_does_not_deafen_the_session() -> None:
    session, models = make()
    sink = Sink()
    session.step(TURN[0], sink)

    def ctrl_c(slot: str) -> None:
        raise KeyboardInterrupt

    models.fail, fail = ctrl_c, models.fail  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        session.step(TURN[1], sink)
    models.fail = fail  # type: ignore[method-assign]
    assert sum(session.step(frame, sink) for frame in TURN) == 1


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("input_sample_rate", 0, "input_sample_rate must be at least 1 Hz, got 0"),
        ("input_sample_rate", 16e3, "input_sample_rate must be a whole number of Hz, got 16000.0"),
        ("frame_duration_ms", 0, "frame_duration_ms must be at least 1 ms, got 0"),
        ("latency_profile", "slow", "latency_profile must be one of fast, balanced, quality"),
        ("vad_start_threshold", 1.5, r"vad_start_threshold must be from 0.0 to 1.0 \(prob"),
        ("vad_stop_threshold", 0.4, "vad_stop_threshold must be at most vad_start_threshold=0.35"),
        ("vad_start_frames", 0, "vad_start_frames must be at least 1 chunks, got 0"),
        ("vad_end_silence_ms", -1, "vad_end_silence_ms must be at least 0 ms, got -1"),
        ("vad_max_turn_seconds", 0, "vad_max_turn_seconds must be at least 0.001 s, got 0"),
        ("preroll_ms", float("nan"), "preroll_ms must be at least 0 ms, got nan"),
        ("turn_threshold", -0.1, "turn_threshold must be from 0.0 to 1.0"),
        ("echo_delay_max_ms", 100, "echo_delay_max_ms must be at least echo_delay_min_ms=250 ms"),
        ("queue_size", 0, "queue_size must be at least 1 blocks, got 0"),
        ("play_audio", "no", "play_audio must be True or False, got 'no'"),
    ],
)
def test_a_bad_setting_raises_with_its_name_value_and_unit(
    setting: str, value: object, message: str
) -> None:
    with pytest.raises(rxv.ConfigError, match=message):
        rxv.SessionConfig(**{setting: value})  # type: ignore[arg-type]


def test_settings_and_defaults_are_those_of_mlx_audio() -> None:
    config = rxv.SessionConfig()
    expected = {
        "input_sample_rate": 16_000,
        "frame_duration_ms": 32,
        "latency_profile": "balanced",
        "vad_start_threshold": 0.35,
        "vad_stop_threshold": 0.2,
        "vad_start_frames": 1,
        "vad_end_silence_ms": 600,
        "vad_max_turn_seconds": 30.0,
        "preroll_ms": 250,
        "turn_threshold": 0.5,
        "turn_max_incomplete_silence_ms": 1600,
        "barge_in": True,
        "min_barge_in_ms": 180,
        "ignore_playback_echo_ms": 450,
        "echo_delay_min_ms": 250,
        "echo_delay_max_ms": 500,
        "echo_correlation_step_ms": 32,
        "barge_in_min_transcript_chars": 2,
        "play_audio": True,
        "queue_size": 128,
    }
    assert {name: getattr(config, name) for name in expected} == expected
    assert (config.stt_transcription_delay_ms, config.tts_streaming_interval) == (480, 0.32)
    fast = rxv.SessionConfig(latency_profile="fast")
    assert (fast.stt_transcription_delay_ms, fast.tts_streaming_interval) == (240, 0.24)
    quality = rxv.SessionConfig(latency_profile="quality")
    assert (quality.stt_transcription_delay_ms, quality.tts_streaming_interval) == (960, 0.48)


def test_the_default_policy_is_the_config_s_longest_silence() -> None:
    session, _ = make(turn_policy=None, turn_max_incomplete_silence_ms=12)
    sink = Sink()
    session.step(block(SPEECH), sink)
    assert [session.step(block(SILENCE), sink) for _ in range(4)] == [0, 0, 1, 0]
