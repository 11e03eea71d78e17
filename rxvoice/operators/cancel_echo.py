"""`cancel_echo`: remove the assistant's voice from the microphone's signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._audio.pcm16 import from_pcm16, to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.steady_offset import SteadyOffset
from rxvoice._boundary import boundary_of, calling
from rxvoice._check import method, whole, within
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, MissingDependency
from rxvoice.events import Event
from rxvoice.operators._failures import Failures
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.stage_error import StageError

if TYPE_CHECKING:
    from livekit.rtc import AudioProcessingModule

    from rxvoice.echo import ReferenceSlot

__all__ = ["cancel_echo"]

_DELAY = {8_000: 88, 16_000: 128, 32_000: 260, 48_000: 436}
"""How late the library's output is, in samples, by sample rate."""

_SUPPRESSION_MS = 6
"""How much later it is with noise suppression, in milliseconds."""

_JUMP_S = 0.05
"""A capture time that is off by more than this, in seconds, means a gap; by less, jitter."""


def cancel_echo(
    reference: ReferenceSlot,
    *,
    ahead_ms: int = 40,
    high_pass: bool = True,
    noise_suppression: bool = False,
    gain_control: bool = False,
    max_failures: int = 10,
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Remove what the loudspeaker plays from the microphone's signal.

    Put it before `vad`, after the microphone or `chunk`. It needs about a second of the assistant's
    speech to learn the room, and learns again when something in the room moves.

    Emits: each chunk without the echo, with the same size, ``start`` and ``time``; its sound is
        neither early nor late. A chunk comes out once its last sample is known, 8 to 18 ms of sound
        later, and 6 ms more with noise suppression: with chunks of 32 ms, when the next one comes.
        Samples are rounded to 16 bits. Events from upstream pass. When the reference raises, or
        gives wrong samples, a `Notice` with the `StageError` as its ``detail``; the loudspeaker
        then counts as silent.
    Completes: with the source, after the chunks that it holds.
    Errors: with the source; with an `AudioFormatError` for samples that are not mono float32 in
        [-1, 1], for a sample rate other than 8, 16, 32 or 48 kHz, and for one that changes; with
        the `StageError` of the reference at the ``max_failures``-th failure in a row.
    Drops: nothing. On an error, the chunks that it holds.
    Runs on: the thread of the source; about 0.1 ms for 10 ms of sound, which
        ``python -m benchmarks echo`` measures.

    Args:
        reference: what leaves the loudspeaker, and when: ``rxv.echo.tap(...)``, which is then the
            sink. It is called with the capture time of each chunk, or with the seconds since the
            subscription if the chunk has none.
        ahead_ms: how long before a sound is heard the canceller gets it, 0 to 300 milliseconds. It
            must exceed the possible delay of the reference: an echo that comes before its cause
            cannot be cancelled. Together with the room's own delay it must be below 500.
        high_pass: remove frequencies below speech.
        noise_suppression: remove steady noise, and more of the echo.
        gain_control: bring speech to one level.
        max_failures: how many failures in a row are an error, 1 or more.

    The canceller is that of WebRTC, in livekit's ``rtc.AudioProcessingModule``. Install it with
    ``pip install 'rxvoice[echo]'``; without it, `MissingDependency` is raised when the operator is
    built.
    """
    at: Callable[[float, int, int], Samples] = method(reference, "at")
    whole("cancel_echo ahead_ms", ahead_ms, 0, "ms")
    within("cancel_echo ahead_ms", ahead_ms, 0, 300, "ms")
    whole("cancel_echo max_failures", max_failures, 1, "failures")
    options = _Options(ahead_ms, high_pass, noise_suppression, gain_control)
    _library()

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        canceller: _Canceller | None = None
        failures = Failures("cancel_echo", out, max_failures)
        waiting: deque[AudioChunk] = deque()
        call, boundary = calling(out.scheduler), boundary_of(out.scheduler)

        def emit(made: _Made) -> None:
            while waiting and (samples := made.take(len(waiting[0].samples))) is not None:
                if boundary is not None:
                    boundary.sound("microphone-clean", samples, waiting[0].sample_rate)
                out.emit(replace(waiting.popleft(), samples=samples))

        def step(chunk: AudioChunk) -> None:
            nonlocal canceller
            try:
                audio_samples(chunk.samples)
                if canceller is None:
                    canceller = _Canceller(chunk.sample_rate, options)
                played_at = canceller.time(chunk)
            except AudioFormatError as error:
                out.fail(error)
                return
            except BaseException as error:
                out.fail(StageError("cancel_echo", None, error))
                raise_if_ctrl_c(error)
                return
            n = len(chunk.samples)
            silence = np.zeros(n, np.float32)
            try:
                played = call(
                    "reference",
                    partial(_played, at, played_at, n, chunk.sample_rate),
                    silence,
                    sample_rate=chunk.sample_rate,
                )
            except Exception as error:
                if not failures.pardon(error, "the loudspeaker counts as silent"):
                    return
                played = silence
            else:
                failures.over()
            try:
                canceller.process(played, chunk.samples)
            except Exception as error:
                out.fail(StageError("cancel_echo", None, error))
                return
            waiting.append(chunk)
            emit(canceller.made)

        def flush() -> None:
            if canceller is not None:
                try:
                    canceller.end()
                except BaseException as error:
                    out.fail(StageError("cancel_echo", None, error))
                    raise_if_ctrl_c(error)
                    return
                emit(canceller.made)
            out.complete()

        return step, flush, None

    return stateful(start)


@dataclass(frozen=True, slots=True)
class _Options:
    ahead_ms: int
    high_pass: bool
    noise_suppression: bool
    gain_control: bool


class _Made:
    """The output so far, without the delay of the library."""

    __slots__ = ("_late", "_samples")

    def __init__(self, late: int) -> None:
        self._late = late
        self._samples = np.empty(0, np.float32)

    def put(self, samples: Samples) -> None:
        """Add output of the library."""
        late = min(self._late, len(samples))
        self._late -= late
        self._samples = np.concatenate((self._samples, samples[late:]))

    def take(self, n: int) -> Samples | None:
        """Take the next `n` samples; None if there are fewer so far."""
        if n > len(self._samples):
            return None
        taken, self._samples = self._samples[:n], self._samples[n:]
        taken.setflags(write=False)
        return taken


class _Canceller:
    """One stream through the library, in frames of 10 ms."""

    def __init__(self, sample_rate: int, options: _Options) -> None:
        if sample_rate not in _DELAY:
            raise AudioFormatError(
                f"cancel_echo wanted audio at {', '.join(map(str, _DELAY))} Hz, got "
                f"{sample_rate} Hz: resample it first, with resample(16_000)"
            )
        from livekit.rtc import AudioFrame

        self._rate = sample_rate
        self._ahead = options.ahead_ms / 1000
        self._late = _DELAY[sample_rate]
        if options.noise_suppression:
            self._late += _SUPPRESSION_MS * sample_rate // 1000
        self.made = _Made(self._late)
        self._frame = sample_rate // 100
        self._module: AudioProcessingModule = _library()(
            echo_cancellation=True,
            noise_suppression=options.noise_suppression,
            high_pass_filter=options.high_pass,
            auto_gain_control=options.gain_control,
        )
        self._ahead_ms = options.ahead_ms
        # The library works in place, so each frame uses the same buffer.
        buffers = [bytearray(2 * self._frame) for _ in range(2)]
        self._frames = [AudioFrame(it, sample_rate, 1, self._frame) for it in buffers]
        self._views = [np.frombuffer(it.data, np.int16) for it in self._frames]
        self._held = np.empty((2, 0), np.int16)  # the loudspeaker's, the microphone's
        self._captured = 0
        self._clock: SteadyOffset | None = None

    def time(self, chunk: AudioChunk) -> float:
        """The time in the reference at which the chunk begins, in seconds."""
        if chunk.sample_rate != self._rate:
            raise AudioFormatError(
                f"cancel_echo wanted audio at {self._rate} Hz, as it began, got a chunk at "
                f"{chunk.sample_rate} Hz: resample it first"
            )
        return self._time(chunk.time) + self._ahead

    def process(self, played: Samples, captured: Samples) -> None:
        """Process the microphone's samples, captured while the loudspeaker played `played`."""
        self._captured += len(captured)
        self._make(played, captured)

    def end(self) -> None:
        """Process what is held, at the end of the stream."""
        silence = np.zeros(self._late + self._frame, np.float32)
        self._make(silence, silence)

    def _time(self, captured: float | None) -> float:
        """When the next sample was captured, in seconds, without the sound system's jitter."""
        counted = self._captured / self._rate
        if captured is not None:
            ahead = captured - counted
            if self._clock is None or abs(ahead - self._clock.value) > _JUMP_S:
                self._clock = SteadyOffset(ahead)
            else:
                self._clock.read(ahead)
        return counted + (self._clock.value if self._clock else 0)

    def _make(self, played: Samples, captured: Samples) -> None:
        both = np.stack((to_pcm16(played), to_pcm16(captured)))
        held = np.concatenate((self._held, both), axis=1)
        frame = self._frame
        used = held.shape[1] // frame * frame
        made = np.empty(used, np.int16)
        far, near = self._views
        for at in range(0, used, frame):
            far[:], near[:] = held[:, at : at + frame]
            self._module.process_reverse_stream(self._frames[0])
            self._module.set_stream_delay_ms(self._ahead_ms)
            self._module.process_stream(self._frames[1])
            made[at : at + frame] = near
        self.made.put(from_pcm16(made))
        self._held = held[:, used:]


def _played(
    at: Callable[[float, int, int], Samples], time: float, n: int, sample_rate: int
) -> Samples:
    played = audio_samples(at(time, n, sample_rate))
    if len(played) != n:
        raise ConfigError(f"the reference must give {n} samples as asked, got {len(played)}")
    return played


def _library() -> type[AudioProcessingModule]:
    try:
        from livekit.rtc import AudioProcessingModule
    except ImportError as error:
        raise MissingDependency(
            "cancel_echo() needs the package livekit: pip install 'rxvoice[echo]'"
        ) from error
    return AudioProcessingModule
