"""`VoiceSession`: the pipe of operators, driven by a loop of the app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from reactivex import Observable, Subject
from reactivex import operators as ops

from rxvoice import operators as vox
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn
from rxvoice.errors import SinkStalled
from rxvoice.events import Event, TurnFailed
from rxvoice.policies import Silence, energy
from rxvoice.session._config import SessionConfig
from rxvoice.session._unused import tell_unused
from rxvoice.slots import (
    AudioSink,
    DetectorSlot,
    PolicySlot,
    ResponderSlot,
    SynthesizerSlot,
    TranscriberSlot,
    VadSlot,
)
from rxvoice.turn import Turn


class VoiceSession:
    """A spoken conversation that a loop drives, one frame of the microphone at a time.

    ```python
    session = rxv.VoiceSession(vad=vad, stt=stt, llm=llm, tts=tts)
    session.run(frames, sink)
    ```

    It is a pipe of the operators, run on the caller's thread: when `step` returns, everything that
    follows from the frame has happened, including the models and the sink.

    A warning is logged for each setting that was changed and has no effect here. It says where the
    setting acts.

    Args:
        config: the settings; None for the defaults.
        vad: judges chunks of ``config.chunk_size`` samples.
        stt: transcribes a turn.
        llm: replies to a text.
        tts: speaks a text. It is never called with ``play_audio=False``.
        barge_in: judges whether the user speaks over the assistant; None for ``energy()``. It is
            never called with ``barge_in=False``.
        turn_policy: ends turns, such as ``config.turn_policy(model)``; None for
            ``config.turn_policy()``, a silence.
    """

    def __init__(
        self,
        config: SessionConfig | None = None,
        *,
        vad: VadSlot,
        stt: TranscriberSlot,
        llm: ResponderSlot,
        tts: SynthesizerSlot,
        barge_in: DetectorSlot | None = None,
        turn_policy: PolicySlot | None = None,
    ) -> None:
        self._config = config = config or SessionConfig()
        _tell(config, stt, tts, barge_in, turn_policy)
        self._sink = _CurrentSink()
        self._playing = False
        self._turn: Turn | None = None
        self._chunks = 0
        self._events: list[FinishedTurn] = []
        self._errors: list[Exception] = []
        self._frames: Subject[Samples] | None = None

        chunk = vox.chunk(config.chunk_size, sample_rate=config.input_sample_rate)
        vad_ = vox.vad(
            vad,
            start=config.vad_start_threshold,
            stop=config.vad_stop_threshold,
            start_chunks=config.vad_start_frames,
            max_failures=1,  # `step` raises it
        )
        observed = vox.barge_in(barge_in or energy(), playing=lambda: self._playing, max_failures=1)
        preroll = vox.preroll(config.preroll_ms)
        turn_window = vox.turn_window(
            turn_policy or config.turn_policy(),
            max_duration_ms=config.vad_max_turn_seconds * 1000,
        )
        transcribe = vox.transcribe(stt)
        respond = vox.respond(llm)
        synthesize = vox.synthesize(tts if config.play_audio else _mute)
        play = vox.play(self._sink, errors="event")

        def conversation(frames: Observable[Samples]) -> Observable[FinishedTurn | Event]:
            chunks = frames.pipe(chunk, ops.do_action(self._count), vad_)
            if config.barge_in:
                chunks = chunks.pipe(observed)
            turns = chunks.pipe(preroll, turn_window, ops.do_action(self._open))
            return turns.pipe(transcribe, respond, synthesize, play)

        self._conversation: Callable[[Observable[Samples]], Observable[FinishedTurn | Event]] = (
            conversation
        )

    @property
    def config(self) -> SessionConfig:
        """The settings."""
        return self._config

    @property
    def turn_events(self) -> list[FinishedTurn]:
        """The turns finished so far; `run` clears the list when it begins."""
        return list(self._events)

    @property
    def total_chunks_consumed(self) -> int:
        """How many full chunks were consumed since the session was made."""
        return self._chunks

    def step(self, frame: Samples, sink: AudioSink, tts_playing: bool = False) -> int:
        """Take a frame of the microphone, and do everything that follows from it.

        Args:
            frame: float32 of shape ``(n,)`` in [-1, 1], mono, any n from 0.
            sink: where replies are written. It is not flushed.
            tts_playing: whether the assistant's speech is being played.

        Returns:
            How many turns were finished.

        Raises:
            AudioFormatError: the frame has another type or shape. The session is unchanged.
            StageError: a model failed a turn. The turn is dropped, and the session goes on.
            SinkStalled: the sink failed a turn. The turn is dropped, and the session goes on.
        """
        samples = audio_samples(frame)
        self._playing = tts_playing
        return self._drive(lambda frames: frames.on_next(samples), sink)

    def flush_in_progress_turn(self, sink: AudioSink) -> bool:
        """Finish the open turn, including the last samples, which do not fill a chunk.

        Does nothing without an open turn. The sink is not flushed. Raises what `step` raises.

        Returns:
            Whether there was an open turn.
        """
        if self._turn is None or not self._turn.is_open:
            return False
        self._drive(lambda frames: frames.on_completed(), sink)
        return True

    def run(self, frames: Iterable[Samples], sink: AudioSink) -> None:
        """Call `step` for each frame, finish an open turn, and flush the sink once.

        `turn_events` is cleared first. An error, as `step` raises it, ends the run and drops an
        open turn.
        """
        self._events.clear()
        try:
            for frame in frames:
                self.step(frame, sink, bool(getattr(sink, "is_running", False)))
            self.flush_in_progress_turn(sink)
        finally:
            self._restart()
        sink.flush()

    def _drive(self, push: Callable[[Subject[Samples]], None], sink: AudioSink) -> int:
        if self._frames is None:
            self._frames = self._begin()
        before = len(self._events)
        self._sink.current = sink
        try:
            push(self._frames)
        except BaseException:
            self._restart()
            self._errors.clear()  # they tell of what is raised
            raise
        finally:
            self._sink.current = None
        if self._errors:
            error, *_ = self._errors
            self._errors.clear()
            raise error
        return len(self._events) - before

    def _begin(self) -> Subject[Samples]:
        frames = Subject[Samples]()
        consumed = self._chunks

        def log(event: FinishedTurn | Event) -> None:
            if isinstance(event, FinishedTurn):
                total = consumed + event.chunks_consumed
                self._events.append(replace(event, chunks_consumed=total))
            elif isinstance(event, TurnFailed):
                cause = event.error.cause
                self._errors.append(cause if isinstance(cause, SinkStalled) else event.error)

        def broken(error: Exception) -> None:
            self._errors.insert(0, error)
            self._restart()

        self._conversation(frames).subscribe(log, broken, self._restart)
        return frames

    def _restart(self) -> None:
        if self._frames is not None:
            self._frames.dispose()
        self._frames = None
        self._turn = None

    def _count(self, chunk: AudioChunk | Event) -> None:
        self._chunks += isinstance(chunk, AudioChunk) and not chunk.partial

    def _open(self, turn: Turn | Event) -> None:
        if isinstance(turn, Turn):
            self._turn = turn


class _CurrentSink:
    """Writes to the sink of the step in progress; the caller flushes that sink."""

    current: AudioSink | None = None
    is_running = False

    def write_samples(self, samples: Samples, /) -> int:
        return self.current.write_samples(samples) if self.current else 0

    def set_sample_rate(self, sample_rate: int, /) -> None:
        tell = getattr(self.current, "set_sample_rate", None)
        if tell:
            tell(sample_rate)

    def flush(self) -> None:
        pass

    def clear(self) -> Samples:
        return np.empty(0, np.float32)

    def stop(self) -> None:
        pass


def _mute(text: str) -> tuple[Samples, ...]:
    return ()


def _tell(
    config: SessionConfig,
    stt: TranscriberSlot,
    tts: SynthesizerSlot,
    barge_in: DetectorSlot | None,
    turn_policy: PolicySlot | None,
) -> None:
    """Warn of changed settings that act neither in the session nor in what it was given."""
    idle = [
        "min_barge_in_ms",
        "ignore_playback_echo_ms",
        "barge_in_min_transcript_chars",
        "queue_size",
    ]
    if barge_in is None:  # a given one may have been made with these settings
        idle += ["echo_delay_min_ms", "echo_delay_max_ms", "echo_correlation_step_ms"]
    if isinstance(turn_policy, Silence):
        idle += ["vad_end_silence_ms", "turn_threshold"]
        if turn_policy.ms != config.turn_max_incomplete_silence_ms:
            idle += ["turn_max_incomplete_silence_ms"]
    delay_ms = getattr(stt, "transcription_delay_ms", None)
    interval = getattr(tts, "streaming_interval", None)
    wanted = (config.stt_transcription_delay_ms, config.tts_streaming_interval)
    if delay_ms != wanted[0] and interval != wanted[1]:
        idle += ["latency_profile"]
    tell_unused(config, idle, "in this VoiceSession")
