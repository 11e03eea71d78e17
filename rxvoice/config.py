"""`SessionConfig`: the settings of a `VoiceSession`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rxvoice._check import at_least, whole, within
from rxvoice.errors import ConfigError

__all__ = ["SessionConfig"]

_PROFILES = {"fast": (240, 0.24), "balanced": (480, 0.32), "quality": (960, 0.48)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Settings by the names and defaults of mlx-audio's ``VoicePipelineConfig``.

    A bad value raises `ConfigError` here, with its name, value and unit.

    Args:
        input_sample_rate: Hz of the microphone's samples.
        frame_duration_ms: milliseconds per chunk.
        latency_profile: ``"fast"``, ``"balanced"`` or ``"quality"``: the delay that a streaming
            recogniser may take, and the length of speech between two pieces of a synthesizer.
        vad_start_threshold: probability, 0 to 1, at which speech starts.
        vad_stop_threshold: probability, 0 to 1, below which it stops.
        vad_start_frames: chunks in a row that it takes to start.
        vad_end_silence_ms: silence after which a model may be asked whether the turn is over.
        vad_max_turn_seconds: a turn this long is ended.
        preroll_ms: audio kept from before the first chunk of speech.
        turn_threshold: probability, 0 to 1, at which such a model says that it is over.
        turn_max_incomplete_silence_ms: silence that ends a turn whatever the model says.
        barge_in: whether the user's interruptions are observed.
        min_barge_in_ms: speech that it takes to interrupt.
        ignore_playback_echo_ms: how long after playback the microphone may still hear it.
        echo_delay_min_ms: shortest delay from loudspeaker to microphone.
        echo_delay_max_ms: longest delay from loudspeaker to microphone.
        echo_correlation_step_ms: step between the delays tried.
        barge_in_min_transcript_chars: letters and digits that it takes to interrupt.
        play_audio: whether replies are spoken; without, the synthesizer is never called.
        queue_size: blocks that may wait between two threads.
    """

    input_sample_rate: int = 16_000
    frame_duration_ms: int = 32
    latency_profile: Literal["fast", "balanced", "quality"] = "balanced"
    vad_start_threshold: float = 0.35
    vad_stop_threshold: float = 0.2
    vad_start_frames: int = 1
    vad_end_silence_ms: int = 600
    vad_max_turn_seconds: float = 30.0
    preroll_ms: int = 250
    turn_threshold: float = 0.5
    turn_max_incomplete_silence_ms: int = 1600
    barge_in: bool = True
    min_barge_in_ms: int = 180
    ignore_playback_echo_ms: int = 450
    echo_delay_min_ms: int = 250
    echo_delay_max_ms: int = 500
    echo_correlation_step_ms: int = 32
    barge_in_min_transcript_chars: int = 2
    play_audio: bool = True
    queue_size: int = 128

    def __post_init__(self) -> None:
        if self.latency_profile not in _PROFILES:
            raise ConfigError(
                f"latency_profile must be one of {', '.join(_PROFILES)}, "
                f"got {self.latency_profile!r}"
            )
        whole("input_sample_rate", self.input_sample_rate, 1, "Hz")
        whole("vad_start_frames", self.vad_start_frames, 1, "chunks")
        whole("queue_size", self.queue_size, 1, "blocks")
        whole("barge_in_min_transcript_chars", self.barge_in_min_transcript_chars, 0, "characters")
        for name in ("vad_start_threshold", "vad_stop_threshold", "turn_threshold"):
            within(name, getattr(self, name), 0.0, 1.0, "probability")
        for name in ("frame_duration_ms", "echo_correlation_step_ms"):
            at_least(name, getattr(self, name), 1, "ms")
        for name in (
            "vad_end_silence_ms",
            "preroll_ms",
            "turn_max_incomplete_silence_ms",
            "min_barge_in_ms",
            "ignore_playback_echo_ms",
            "echo_delay_min_ms",
            "echo_delay_max_ms",
        ):
            at_least(name, getattr(self, name), 0, "ms")
        at_least("vad_max_turn_seconds", self.vad_max_turn_seconds, 0.001, "s")
        for name in ("barge_in", "play_audio"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.vad_stop_threshold > self.vad_start_threshold:
            raise ConfigError(
                f"vad_stop_threshold must be at most vad_start_threshold="
                f"{self.vad_start_threshold} (probability), got {self.vad_stop_threshold}"
            )
        if self.echo_delay_max_ms < self.echo_delay_min_ms:
            raise ConfigError(
                f"echo_delay_max_ms must be at least echo_delay_min_ms="
                f"{self.echo_delay_min_ms} ms, got {self.echo_delay_max_ms}"
            )
        if self.chunk_size < 1:
            raise ConfigError(
                f"frame_duration_ms={self.frame_duration_ms} ms at input_sample_rate="
                f"{self.input_sample_rate} Hz is less than one sample"
            )

    @property
    def chunk_size(self) -> int:
        """Samples per chunk."""
        return int(self.input_sample_rate * self.frame_duration_ms // 1000)

    @property
    def stt_transcription_delay_ms(self) -> int:
        """How far a streaming recogniser may lag, by the latency profile."""
        return _PROFILES[self.latency_profile][0]

    @property
    def tts_streaming_interval(self) -> float:
        """Seconds of speech per piece, by the latency profile."""
        return _PROFILES[self.latency_profile][1]
