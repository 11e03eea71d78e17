"""A conversation through a microphone and a loudspeaker, as an app has it, and what was heard."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from reactivex import Observable
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import AudioChunk, events, offline
from rxvoice import operators as vox
from rxvoice.trace._described import described
from rxvoice.trace._writer import _at_work

from .virtual_audio import VirtualAudio

__all__ = [
    "AUDIBLE",
    "RATE",
    "Audio",
    "Echo",
    "Heard",
    "Interruption",
    "Listener",
    "Phrase",
    "Talk",
    "demo_phrases",
    "likeness",
    "reading",
    "resampled",
    "silences",
    "talking",
]

Audio = NDArray[np.float32]
T = TypeVar("T")

Echo = Literal["correlate", "cancel", "both", "off"]
"""``"correlate"``: known by its likeness where turns begin; ``"cancel"``: taken out, and its rest
known where it would interrupt; ``"both"``: taken out, and its rest known where turns begin."""

RATE = 16_000
AUDIBLE = 1e-3
"""What is below counts as silence, though the resamplers ring."""

PATIENCE_S = 60.0
"""After which something does not come any more."""

_DATA = Path(rxv.__file__).parent / "data"
_TEXT = (
    "The moon is about three hundred and eighty four thousand kilometres away from the earth.",
    "It goes round once in twenty seven days, and always shows us the same side of its face.",
    "Long ago people thought that the dark places were seas, and gave them beautiful names.",
    "Bread is made of flour and water, and it wants an hour of rest before it goes in the oven.",
    "A lighthouse stands on the rock, and its lamp turns all night for the ships far out.",
    "In the autumn the swallows gather on the wires, and one morning every one of them is gone.",
    "Whoever wants to learn to play the piano should begin slowly, with one hand at a time.",
    "The old clock in the hall strikes seven, although it has been half past eight for years!",
    "Why does the wind always blow from the sea in the afternoon, and from the land at night?",
    "Nobody knew the name of the man who mended the bridge, but everyone walked across it.",
)


def reading(sentences: int, first: int = 0) -> str:
    """A text to be read aloud, some five seconds a sentence."""
    return " ".join(_TEXT[n % len(_TEXT)] for n in range(first, first + sentences))


@dataclass(frozen=True)
class Phrase:
    """What a recorded user says."""

    text: str
    audio: Audio
    """At 16 kHz."""


@cache
def demo_phrases() -> tuple[Phrase, ...]:
    """The four of the demonstration, made by another synthesizer than the assistant's."""
    audio, rate = soundfile.read(_DATA / "demo.wav", dtype="float32")
    assert rate == RATE
    turns = json.loads((_DATA / "demo.json").read_text("utf-8"))["turns"]
    cuts = [slice(int(it["start_s"] * rate), int(it["end_s"] * rate)) for it in turns]
    return tuple(Phrase(it["text"], audio[cut]) for it, cut in zip(turns, cuts, strict=True))


def likeness(part: Audio, where: Audio) -> tuple[int, float]:
    """Where it is heard best, and how like it that is."""
    size = 1 << (len(where) + len(part)).bit_length()
    products = np.fft.rfft(where, size) * np.conj(np.fft.rfft(part, size))
    found = np.fft.irfft(products, size)[: max(1, len(where) - len(part) + 1)]
    sums = np.concatenate([np.zeros(1), np.cumsum(np.square(where, dtype=np.float64))])
    energy = sums[len(part) :] - sums[: -len(part)]
    # What is 40 dB softer than the loudest is none.
    strength = np.linalg.norm(part) * np.sqrt(np.maximum(energy, 1e-4 * energy.max()))
    alike = found / np.maximum(strength, 1e-9)
    at = int(np.argmax(alike))
    return at, float(alike[at])


def silences(samples: Audio, length: int) -> NDArray[np.intp]:
    """Where each silence of that length begins."""
    quiet = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.abs(samples) < AUDIBLE)])
    return np.flatnonzero(quiet[length:] - quiet[: len(quiet[length:])] == length)


@dataclass(frozen=True)
class Happening:
    """Something that happened, and when.

    Args:
        time: in seconds of the monotonic clock.
        captured: how many samples of the microphone had come.
    """

    element: object
    time: float
    captured: int


class Heard:
    """What happened, and to be waited for.

    Args:
        captured: how many samples of the microphone have come.
    """

    def __init__(self, captured: Callable[[], int]) -> None:
        self.log: list[Happening] = []
        self.errors: list[Exception] = []
        self._captured = captured
        self._changed = threading.Condition()

    def __call__(self, element: object) -> None:
        with self._changed:
            self.log.append(Happening(element, time.monotonic(), self._captured()))
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """The conversation is over."""
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def of(self, kind: type[T] | tuple[type[T], ...], after: int = 0) -> list[T]:
        """Those of a kind, from that place in the log on."""
        return [it.element for it in self.log[after:] if isinstance(it.element, kind)]

    def find(self, element: object) -> Happening:
        """When it happened."""
        return next(it for it in self.log if it.element is element)

    def until(
        self,
        kind: type[T] | tuple[type[T], ...],
        where: Callable[[T], bool] = lambda _: True,
        *,
        after: int = 0,
    ) -> T:
        """The first such element from that place in the log on, once it is there."""

        def found() -> T | None:
            return next(filter(where, self.of(kind, after)), None)

        self.wait(lambda: found() is not None, PATIENCE_S)
        element = found()
        assert element is not None
        return element

    def wait(self, satisfied: Callable[[], bool], seconds: float) -> None:
        """Until it is so; looks whenever something has happened."""
        with self._changed:
            so = self._changed.wait_for(lambda: self.errors or satisfied(), seconds)
        assert not self.errors, f"{self.errors}, {self.told()}"
        assert so, f"not in {seconds:g} s: {self.told()}"

    def look(self) -> None:
        """Something else has happened."""
        with self._changed:
            self._changed.notify_all()

    def told(self) -> str:
        """The log, without what is said too often."""
        often = (events.ReplyDelta, events.Partial)
        lines = [
            f"{it.time:.2f} {it.element!r}" for it in self.log if not isinstance(it.element, often)
        ]
        return "\n".join(lines)


class Listener:
    """Records the loudspeaker, and knows when each sample was heard."""

    RATE = 48_000  # the loudspeaker's own: a third of a sample at 16 kHz is not alike any more

    def __init__(self, audio: VirtualAudio) -> None:
        self._child = subprocess.Popen(
            [
                *("parec", "--device=speaker.monitor", "--raw", "--format=float32le"),
                *(f"--rate={self.RATE}", "--channels=1", "--latency-msec=20"),
            ],
            env=audio._environment,
            stdout=subprocess.PIPE,
        )
        self._blocks: list[bytes] = []
        self._taken = 0
        self._began = float("inf")
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.until(0.1)

    def _read(self) -> None:
        assert self._child.stdout is not None
        while block := self._child.stdout.read1(1 << 16):
            with self._changed:
                self._blocks.append(block)
                self._taken += len(block)
                # Late at times, but never early.
                self._began = min(self._began, time.monotonic() - self._taken / 4 / self.RATE)
                self._changed.notify_all()

    def until(self, seconds: float) -> None:
        """Wait until that much more was heard."""
        with self._changed:
            wanted = self._taken + 4 * int(seconds * self.RATE)
            assert self._changed.wait_for(lambda: self._taken >= wanted, PATIENCE_S)

    @property
    def samples(self) -> Audio:
        with self._changed:
            joined = b"".join(self._blocks)
        return np.frombuffer(joined[: len(joined) // 4 * 4], "<f4")

    def index(self, at: float) -> int:
        """Of the sample that was heard at that time."""
        return max(0, round((at - self._began) * self.RATE))

    def between(self, begin: float, end: float) -> Audio:
        """What was heard in that time."""
        return self.samples[self.index(begin) : self.index(end)]

    def last_sound(self, begin: float, end: float, gap_s: float = 0.3) -> float | None:
        """When the first silence of `gap_s` in that time begins; None where there is none."""
        silent = silences(self.between(begin, end), round(gap_s * self.RATE))
        return begin + int(silent[0]) / self.RATE if len(silent) else None

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        self._thread.join()
        assert self._child.stdout is not None
        self._child.stdout.close()


@dataclass(frozen=True)
class Interruption:
    """What came of a phrase that was spoken over the assistant.

    Args:
        text: that was understood.
        heard: of the assistant.
        whole: whether the turn's audio has all of the phrase.
        early: whether the loudspeaker was silent before the end of the phrase. The words that
            confirm the interruption may be understood only after it.
        interrupted_ms: from the beginning of the phrase to that.
        silent_ms: from the beginning of the phrase until the loudspeaker was silent, and stayed so
            until the answer; None where it was not, or did not.
        answered: whether it was understood.
    """

    phrase: Phrase
    text: str
    heard: str
    whole: bool
    early: bool
    interrupted_ms: float
    silent_ms: float | None
    answered: bool


class Talk:
    """The conversation: what was heard of it, and by it."""

    def __init__(self, audio: VirtualAudio, tap: rxv.echo.Tap, listener: Listener) -> None:
        self.audio = audio
        self.tap = tap
        self.heard = Heard(self._count)
        self.listener = listener
        self.microphone: list[AudioChunk] = []
        """As it was before the echo was taken out."""

    def _count(self) -> int:
        return self.microphone[-1].start + len(self.microphone[-1].samples)

    def captured(self, begin: int = 0, end: int | None = None) -> Audio:
        """What the microphone heard, from one sample to another."""
        chunks = [
            it
            for it in self.microphone
            if it.start + len(it.samples) > begin and (end is None or it.start < end)
        ]
        first = begin - chunks[0].start
        last = None if end is None else end - chunks[0].start
        return np.concatenate([it.samples for it in chunks])[first:last]

    def time_of(self, index: int) -> float:
        """When that sample of the microphone was captured."""
        chunk = next(it for it in reversed(self.microphone) if it.start <= index)
        assert chunk.time is not None
        return chunk.time + (index - chunk.start) / RATE

    def say(self, samples: Audio) -> subprocess.Popen[bytes]:
        """Begin to speak into the microphone."""
        return self.audio.say(samples, RATE)

    def ask(self, phrase: Phrase) -> rxv.Turn:
        """Ask, and wait until an answer is heard; the turn."""
        after = len(self.heard.log)
        self.say(phrase.audio)
        return self.heard.until(events.Speaking, after=after).turn

    def interrupt(self, phrase: Phrase) -> Interruption:
        """Speak over the answer, and wait for what comes of it."""
        after, begun = len(self.heard.log), self._count()
        self.say(phrase.audio)
        interrupted = self.heard.until(events.Interrupted, after=after)
        confirmed = self.heard.until(events.Confirmed, after=after)
        turn = confirmed.turn
        transcribed = self.heard.until(events.Transcribed, lambda it: it.turn is turn, after=after)
        next_one = self.heard.until(
            (events.Speaking, events.Dropped), lambda it: it.turn is turn, after=after
        )
        heard = self.captured(begun)
        at, _ = likeness(phrase.audio, heard)
        begin = begun + at
        end = begin + len(phrase.audio)
        began = self.time_of(begin)
        answered = self.heard.find(next_one)
        self.listener.until(0.2)
        silent_ms = self._silent_ms(began, answered.time)
        return Interruption(
            phrase=phrase,
            text=transcribed.text,
            heard=interrupted.heard,
            whole=turn.start <= begin and end <= turn.start + len(turn.audio),
            early=silent_ms is not None and silent_ms <= 1000 * len(phrase.audio) / RATE,
            interrupted_ms=1000 * (self.heard.find(interrupted).time - began),
            silent_ms=silent_ms,
            answered=isinstance(next_one, events.Speaking),
        )

    def _silent_ms(self, began: float, answered: float) -> float | None:
        """Until there was no sound any more; None where there was one before the answer."""
        silent = self.listener.last_sound(began, answered)
        if silent is None:
            return None
        again = self.listener.between(silent + 0.01, answered - 0.5)
        return None if np.abs(again).max(initial=0) > AUDIBLE else 1000 * (silent - began)

    @property
    def answers(self) -> bool:
        """Whether an answer is being heard."""
        turns = (events.Speaking, events.Interrupted, events.Finished)
        return isinstance(([None, *self.heard.of(turns)])[-1], events.Speaking)

    def play_on(self, seconds: float) -> None:
        """Wait until so much more of an answer has been heard, or it is over."""
        tts_rate = offline.tts("espeak:en-us").sample_rate
        wanted = self.tap.position + round(seconds * tts_rate)
        watch = self.tap.played.subscribe(lambda _: self.heard.look())
        try:
            self.heard.wait(
                lambda: self.tap.position >= wanted or not self.answers, PATIENCE_S + 2 * seconds
            )
        finally:
            watch.dispose()


@contextmanager
def talking(
    audio: VirtualAudio,
    answer: Callable[[str], str | Iterable[str]],
    *,
    echo: Echo,
    silence_ms: int = 1_600,
    trace: Path | None = None,
    **options: Any,
) -> Iterator[Talk]:
    """A conversation from the default microphone to the default loudspeaker.

    Args:
        answer: the text model.
        echo: how the assistant does not hear itself.
        silence_ms: that ends a turn.
        trace: the directory to record in. When the conversation is over, it is replayed there, and
            the same must come out.
        options: more for `converse`.
    """
    models = rxv.mlx.MlxScheduler()
    listener = Listener(audio)
    stt = offline.stt()
    with rxv.speaker() as speaker:
        tap = rxv.echo.tap(speaker)
        talk = Talk(audio, tap, listener)

        def keep(element: object) -> None:
            if isinstance(element, AudioChunk):
                talk.microphone.append(element)

        turns = rxv.microphone().pipe(
            ops.do_action(keep),
            vox.chunk(512),
            ops.do_action() if echo in ("correlate", "off") else vox.cancel_echo(tap),
            vox.vad(offline.silero())
            if echo in ("cancel", "off")
            else vox.vad(offline.silero(), start_chunks=3, echo=rxv.echo.correlation(tap)),
            vox.preroll(250),
            vox.turn_window(rxv.silence(silence_ms)),
        )
        conversation = turns.pipe(
            vox.converse(
                vox.transcribe(stt, worker=models.listening),
                vox.respond(answer, worker=models.text),
                vox.synthesize(offline.tts("espeak:en-us"), worker=rxv.paced(models.speech, tap)),
                sink=tap,
                echo=rxv.echo.correlation(tap) if echo == "cancel" else None,
                **options,
            ),
            vox.metrics(sink=tap),
        )
        live = rxv.live(conversation, trace=trace).subscribe(talk.heard, talk.heard.fail)
        try:
            yield talk
        finally:
            live.dispose()
            listener.close()
            models.shutdown()
    assert talk.heard.errors == []
    if trace is not None:
        assert_replays(trace, conversation, [it.element for it in talk.heard.log])


def assert_replays(trace: Path, conversation: Observable[Any], first: list[object]) -> None:
    """The same pipe on its own trace gives the same again."""
    for writer in [*_at_work]:
        assert writer.join(PATIENCE_S)
    again: list[object] = []
    errors: list[Exception] = []
    rxv.replay(trace, conversation).subscribe(again.append, errors.append)
    assert not errors, errors[0]
    assert [described(it) for it in again] == [described(it) for it in first[: len(again)]]
    assert len(again) >= len(first) - 1  # one may have come out while it was disposed of


def resampled(samples: Audio, sample_rate: int) -> Audio:
    """At the listener's rate."""
    return soxr.resample(samples, sample_rate, Listener.RATE)
