"""`SessionConfig`: the settings of a `VoiceSession`, or of a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from reactivex import abc

from rxvoice._check import at_least, whole, within
from rxvoice.errors import ConfigError
from rxvoice.policies import silence
from rxvoice.session._unused import changed, tell_unused
from rxvoice.slots import PolicySlot

if TYPE_CHECKING:
    from rxvoice.mlx.smart_turn import EndpointSlot

_PROFILES = {"fast": (240, 0.24), "balanced": (480, 0.32), "quality": (960, 0.48)}


class ConversationOptions(TypedDict):
    """Options for `converse`, which describes them."""

    interruptions: bool
    min_speech_ms: float
    min_chars: int
    echo_tail_ms: float


class EchoOptions(TypedDict, total=False):
    """Options for `rxvoice.echo.correlation`, which describes them."""

    sample_rate: int
    delay_min_ms: float
    delay_max_ms: float
    step_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Settings, with the names and defaults of mlx-audio's ``VoicePipelineConfig``.

    ```python
    config = rxv.SessionConfig(vad_end_silence_ms=400)
    session = rxv.VoiceSession(config, vad=vad, stt=stt, llm=llm, tts=tts)
    ```

    A `VoiceSession` is a loop on one thread. It does not interrupt a reply, does not cancel echo,
    and has no queue, so the settings for these have no effect in it. They act in a pipe: the
    methods and properties of this class make options for its parts. A `VoiceSession` logs a warning
    for each setting that was changed and has no effect in it.

    Raises:
        ConfigError: a bad value; the message has its name, value and unit.

    Args:
        input_sample_rate: Hz of the microphone's samples. Acts in a `VoiceSession` and in
            `echo_options`.
        frame_duration_ms: milliseconds per chunk. Acts in a `VoiceSession`, as `chunk_size`.
        latency_profile: ``"fast"``, ``"balanced"`` or ``"quality"``. Acts in a recogniser that is
            made with `stt_transcription_delay_ms`, and in a voice with `tts_streaming_interval`.
        vad_start_threshold: probability, 0 to 1, at which speech starts. Acts in a `VoiceSession`.
        vad_stop_threshold: probability, 0 to 1, below which speech stops. Acts in a
            `VoiceSession`.
        vad_start_frames: chunks of speech in a row that start a turn. Acts in a `VoiceSession`.
        vad_end_silence_ms: silence after which a model is asked whether the turn is over. Acts in
            `turn_policy` with a model.
        vad_max_turn_seconds: the longest turn; then it is ended. Acts in a `VoiceSession`.
        preroll_ms: audio kept from before the first chunk of speech. Acts in a `VoiceSession`.
        turn_threshold: probability, 0 to 1, above which the model says that the turn is over. Acts
            in `turn_policy` with a model.
        turn_max_incomplete_silence_ms: silence that ends a turn whatever the model says. Acts in
            `turn_policy`, and so in a `VoiceSession` without another policy.
        barge_in: whether a `VoiceSession` observes barge-in, and whether a conversation made with
            `conversation_options` can be interrupted.
        min_barge_in_ms: milliseconds of speech that interrupt a reply. Acts in
            `conversation_options`.
        ignore_playback_echo_ms: how long after playback its echo may reach the microphone. Acts in
            `conversation_options`.
        echo_delay_min_ms: shortest delay from loudspeaker to microphone. Acts in `echo_options`.
        echo_delay_max_ms: longest delay from loudspeaker to microphone. Acts in `echo_options`.
        echo_correlation_step_ms: step between the delays that are tried. Acts in `echo_options`.
        barge_in_min_transcript_chars: letters and digits in a transcript that interrupt a reply.
            Acts in `conversation_options`.
        play_audio: whether a `VoiceSession` speaks its replies. With False the synthesizer is never
            called.
        queue_size: chunks that may wait between two threads. Acts as `queue_ms`.
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
        if self.latency_profile not in list(_PROFILES):  # a list of what came may not be hashed
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
        """How many milliseconds a streaming recogniser may lag, by the latency profile."""
        return _PROFILES[self.latency_profile][0]

    @property
    def tts_streaming_interval(self) -> float:
        """Seconds of speech per piece, by the latency profile."""
        return _PROFILES[self.latency_profile][1]

    @property
    def queue_ms(self) -> int:
        """Milliseconds of audio that may wait between two threads: `queue_size` chunks.

        Pass it to ``rxv.microphone(max_ms=...)`` or ``vox.handoff(max_ms=..., overflow=...)``.
        """
        return int(self.queue_size * self.frame_duration_ms)

    def turn_policy(
        self,
        model: str | Path | EndpointSlot | None = None,
        *,
        worker: abc.SchedulerBase | None = None,
    ) -> PolicySlot:
        """Make an end-of-turn policy, for `turn_window` or ``VoiceSession(turn_policy=...)``.

        Without a model, the turn ends after a silence of `turn_max_incomplete_silence_ms`. A
        warning is logged if `vad_end_silence_ms` or `turn_threshold` was changed, since only a
        model uses them.

        Args:
            model: a smart-turn model, as `rxvoice.mlx.smart_turn` takes it. It is asked after
                `vad_end_silence_ms` of silence, and ends the turn above `turn_threshold`.
            worker: the scheduler that the model runs on; None to ask it in place.

        Raises:
            ConfigError: `model` is not a model; there is a worker and no model; or, with a model,
                `vad_end_silence_ms` is 0, or not less than `turn_max_incomplete_silence_ms`.
        """
        if model is None:
            if worker is not None:
                raise ConfigError("turn_policy takes a worker for its model only: give a model too")
            tell_unused(self, ("vad_end_silence_ms", "turn_threshold"), "on a turn without a model")
            return silence(self.turn_max_incomplete_silence_ms)
        if not 1 <= self.vad_end_silence_ms < self.turn_max_incomplete_silence_ms:
            raise ConfigError(
                "vad_end_silence_ms must be from 1 ms to below turn_max_incomplete_silence_ms="
                f"{self.turn_max_incomplete_silence_ms} ms, got {self.vad_end_silence_ms}: the "
                "model is asked between the two"
            )
        from rxvoice.mlx.smart_turn import smart_turn

        return smart_turn(
            model,
            threshold=self.turn_threshold,
            ask_after_ms=self.vad_end_silence_ms,
            max_silence_ms=self.turn_max_incomplete_silence_ms,
            worker=worker,
        )

    def conversation_options(self) -> ConversationOptions:
        """Options for ``vox.converse(..., **config.conversation_options())``.

        They are `barge_in`, `min_barge_in_ms`, `barge_in_min_transcript_chars` and
        `ignore_playback_echo_ms`, under the names that `converse` has for them.
        """
        return {
            "interruptions": self.barge_in,
            "min_speech_ms": self.min_barge_in_ms,
            "min_chars": self.barge_in_min_transcript_chars,
            "echo_tail_ms": self.ignore_playback_echo_ms,
        }

    def echo_options(self) -> EchoOptions:
        """Options for ``rxv.echo.correlation(speaker, **config.echo_options())``.

        They are `input_sample_rate` and, if they were changed, `echo_delay_min_ms`,
        `echo_delay_max_ms` and `echo_correlation_step_ms`. For the others the defaults of
        `rxvoice.echo.correlation` hold: mlx-audio's 250 to 500 ms make up for a player that does
        not know when its sound is heard, and would miss the echo of a sink that does.
        """
        options: EchoOptions = {"sample_rate": self.input_sample_rate}
        own = changed(self)
        if "echo_delay_min_ms" in own:
            options["delay_min_ms"] = self.echo_delay_min_ms
        if "echo_delay_max_ms" in own:
            options["delay_max_ms"] = self.echo_delay_max_ms
        if "echo_correlation_step_ms" in own:
            options["step_ms"] = self.echo_correlation_step_ms
        return options
