"""`cancel_echo`: the assistant's own voice is taken out of the microphone's signal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._audio.pcm16 import from_pcm16, to_pcm16
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._audio.steady_offset import SteadyOffset
from rxvoice._check import whole, within
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, MissingDependency
from rxvoice.events import Event
from rxvoice.operators._failures import Failures
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.slots import method
from rxvoice.stage_error import StageError

if TYPE_CHECKING:
    from livekit.rtc import AudioProcessingModule

    from rxvoice.echo import ReferenceSlot

__all__ = ["cancel_echo"]

_DELAY = {8_000: 88, 16_000: 128, 32_000: 260, 48_000: 436}
"""Samples by which the library's output is late, by sample rate."""

_SUPPRESSION_MS = 6
"""By which noise suppression makes it later."""

_JUMP_S = 0.05
"""A capture time that is off by more tells of a gap; by less, of jitter."""


def cancel_echo(
    reference: ReferenceSlot,
    *,
    ahead_ms: int = 40,
    high_pass: bool = True,
    noise_suppression: bool = False,
    gain_control: bool = False,
    max_failures: int = 10,
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Take what the loudspeaker plays out of what the microphone hears.

    Its place is between the microphone, or `chunk`, and `vad`. It needs a second or so of the
    assistant's speech to learn the room, and learns again when something in it moves.

    Emits: the same chunks one for one, with their sizes, ``start`` and ``time``; their samples
        without the echo, neither earlier nor later than they were. A chunk is emitted as soon as
        its last sample is known, some 8 to 18 ms of sound later (6 more with noise suppression):
        with chunks of 32 ms, when the next one comes. Samples are rounded to 16 bits. Events from
        upstream pass. When the reference raises, or gives no such samples, a `Notice` that says so,
        with the `StageError` as its ``detail``; the loudspeaker then counts as silent.
    Completes: with the source, after the chunks that were held.
    Errors: `AudioFormatError` for samples that are not mono float32 in [-1, 1], for a rate other
        than 8, 16, 32 or 48 kHz, or one that changes; the `StageError` of the reference, at the
        ``max_failures``-th failure in a row; the source's.
    Drops: nothing; on an error, the chunks that are held.
    Runs on: the thread of the source; about 0.1 ms for 10 ms of sound.

    Args:
        reference: what leaves the loudspeaker, and when: ``rxv.echo.tap(...)``, which is then the
            sink. It is asked with the capture time of each chunk; of chunks without one, with the
            seconds since the subscription.
        ahead_ms: how much earlier than it is heard the canceller is told of a sound, 0 to 300
            milliseconds. It must be more than the reference may be late: an echo that comes
            before its cause cannot be cancelled.
        high_pass: remove what is below speech.
        noise_suppression: remove steady noise as well; removes more of the echo, too.
        gain_control: bring speech to one level.
        max_failures: failures in a row, 1 or more, that are an error; 1: the first.

    The canceller is that of WebRTC, in livekit's ``rtc.AudioProcessingModule``: ``pip install
    'rxvoice[echo]'``, without which it raises `MissingDependency` when it is built. Together with
    the room's own delay, ``ahead_ms`` must stay below half a second.
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

        def emit(made: _Made) -> None:
            while waiting and (samples := made.take(len(waiting[0].samples))) is not None:
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
            try:
                played = _played(at, played_at, n, chunk.sample_rate)
            except Exception as error:
                if not failures.pardon(error, "the loudspeaker counts as silent"):
                    return
                played = np.zeros(n, np.float32)
            else:
                failures.over()
            try:
                canceller.hear(played, chunk.samples)
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
    """What has been made, less the delay of the making."""

    __slots__ = ("_late", "_samples")

    def __init__(self, late: int) -> None:
        self._late = late
        self._samples = np.empty(0, np.float32)

    def put(self, samples: Samples) -> None:
        """Add what was made."""
        late = min(self._late, len(samples))
        self._late -= late
        self._samples = np.concatenate((self._samples, samples[late:]))

    def take(self, n: int) -> Samples | None:
        """The next `n` samples; None where there are not as many yet."""
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
        # The library works in place: one buffer each, used again for every frame.
        buffers = [bytearray(2 * self._frame) for _ in range(2)]
        self._frames = [AudioFrame(it, sample_rate, 1, self._frame) for it in buffers]
        self._views = [np.frombuffer(it.data, np.int16) for it in self._frames]
        self._held = np.empty((2, 0), np.int16)  # the loudspeaker's, the microphone's
        self._heard = 0
        self._clock: SteadyOffset | None = None

    def time(self, chunk: AudioChunk) -> float:
        """Where in the reference the chunk begins, in seconds."""
        if chunk.sample_rate != self._rate:
            raise AudioFormatError(
                f"cancel_echo wanted audio at {self._rate} Hz, as it began, got a chunk at "
                f"{chunk.sample_rate} Hz: resample it first"
            )
        return self._time(chunk.time) + self._ahead

    def hear(self, played: Samples, heard: Samples) -> None:
        """Make what can be made of what was heard while that was played."""
        self._heard += len(heard)
        self._make(played, heard)

    def end(self) -> None:
        """Make the rest."""
        silence = np.zeros(self._late + self._frame, np.float32)
        self._make(silence, silence)

    def _time(self, captured: float | None) -> float:
        """When the next sample was captured, without the jitter of the sound system."""
        counted = self._heard / self._rate
        if captured is not None:
            ahead = captured - counted
            if self._clock is None or abs(ahead - self._clock.value) > _JUMP_S:
                self._clock = SteadyOffset(ahead)
            else:
                self._clock.read(ahead)
        return counted + (self._clock.value if self._clock else 0)

    def _make(self, played: Samples, heard: Samples) -> None:
        held = np.concatenate((self._held, np.stack((to_pcm16(played), to_pcm16(heard)))), axis=1)
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
