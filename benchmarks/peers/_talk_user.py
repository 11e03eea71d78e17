"""The user of the talks, a microphone and a loudspeaker in real time: the same for every system.

The user is a recording. A pedestal under each utterance tells stub models which one it is, and
where speech begins and ends to the block. Between the utterances there is silence, with a number in
a sample of each block, by which lost blocks are known.
"""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
BLOCK = 512
BLOCK_S = BLOCK / RATE
OUT_RATE = 24_000
_RECORDING = Path(__file__).parents[2] / "rxvoice" / "data" / "user.wav"
_PEDESTAL, _STEP, _SPEECH = 0.10, 0.04, 0.015

Blocks = NDArray[np.int16]
Said = NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """What the user says; without words it is a cough."""

    words: tuple[str, ...]
    blocks: int
    level: int = -1

    @property
    def text(self) -> str:
        return " ".join(self.words)


def _known(*given: tuple[str, int]) -> dict[str, Utterance]:
    texts = [
        (text, Utterance(tuple(text.split()), blocks, n)) for n, (text, blocks) in enumerate(given)
    ]
    return {text or f"cough {it.blocks}": it for text, it in texts}


UTTERANCES = _known(
    ("", 10),
    ("", 20),
    ("tell me the first thing", 14),
    ("tell me the second thing", 14),
    ("tell me the third thing", 14),
    ("how far away is the moon", 14),
    ("stop it please", 22),
    ("hello", 10),
)
"""By their text. 10 blocks are 320 ms, 20 are 640 ms."""


@cache
def sound(text: str) -> Blocks:
    """The samples of an utterance."""
    it = UTTERANCES[text]
    with wave.open(str(_RECORDING)) as file:
        all_ = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    begin = RATE // 2 + it.level * 8_000
    part = all_[begin : begin + it.blocks * BLOCK]
    speech = _SPEECH * part / np.abs(all_).max()
    return np.int16(32_767 * (speech + _PEDESTAL + _STEP * it.level))


def loud(samples: Any) -> bool:
    """The voice activity of a block, float samples: it is speech if half of the block is."""
    return float(np.median(samples)) > _PEDESTAL / 2


def mark_of(samples: Any) -> int:
    """The number that `Microphone` has put into a block without speech, float samples; else 0."""
    return 0 if loud(samples) else round(32_767 * float(np.max(samples)))


def as_float(samples: Any) -> Said:
    return np.asarray(samples).astype(np.float32) / 32_767


class Recogniser:
    """Hears the words of an utterance while it is spoken, each once its sound is there."""

    def __init__(self) -> None:
        self._samples = [0] * len(UTTERANCES)
        self._told = [0] * len(UTTERANCES)
        self._by_level = list(UTTERANCES.values())
        self.silent_s = 0.0

    def feed(self, samples: Said) -> str:
        """New words, as text with a space before each but the first."""
        new = ""
        speech = samples[samples > _PEDESTAL / 2]
        if not len(speech):
            self.silent_s += len(samples) / RATE
            return new
        self.silent_s = 0.0
        level = round((float(np.median(speech)) - _PEDESTAL) / _STEP)
        it = self._by_level[level]
        self._samples[level] += len(speech)
        part = min(1.0, self._samples[level] / (it.blocks * BLOCK - 64))
        for word in it.words[self._told[level] : int(len(it.words) * part)]:
            new += f" {word}" if any(self._told) else word
            self._told[level] += 1
        return new


@dataclass(frozen=True)
class Entry:
    """A line of the transcript of a run."""

    at: float
    what: str
    of: Any = None


class Log:
    """What happened, in order, from all threads."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.entries: list[Entry] = []
        self._changed = threading.Condition()

    def note(self, what: str, of: Any = None) -> float:
        at = time.perf_counter()
        with self._changed:
            self.entries.append(Entry(at, what, of))
            self._changed.notify_all()
        return at

    def since(self, mark: int, *what: str) -> list[Entry]:
        """The entries of these kinds, from the mark on."""
        return [it for it in self.entries[mark:] if it.what in what]

    def wait(self, what: str, mark: int = 0, timeout: float = 20, count: int = 1) -> Entry:
        """The entry of that kind, from the mark on; raises if it does not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.since(mark, what)) >= count, timeout):
                raise TimeoutError(f"no {what} within {timeout:g} s")
            return self.since(mark, what)[count - 1]

    def text(self) -> str:
        """To be read: the time since the begin in ms, and what it was."""
        lines: list[str] = []
        for it in sorted(self.entries, key=lambda entry: entry.at):
            if it.what not in ("judged",):
                of = "" if it.of is None else it.of
                lines.append(f"{1000 * (it.at - self.begun):9.1f}  {it.what}  {of}")
        return "\n".join(lines)


@dataclass
class Spoken:
    """An utterance on its way: when it began, and when each of its blocks was handed over."""

    text: str
    began: float = 0.0
    pushed: list[float] = field(default_factory=list[float])
    over: threading.Event = field(default_factory=threading.Event)


class Recognition:
    """The session of one turn, of a recogniser that hears while the user speaks."""

    def __init__(self, log: Log) -> None:
        self._recogniser = Recogniser()
        self._new: list[str] = []
        self._closed = self.done = False
        self._log = log

    def feed(self, samples: Any) -> None:
        if new := self._recogniser.feed(np.asarray(samples)):
            self._new.append(new)
            self._log.note("words", new)

    def step(self) -> list[str]:
        self.done = self._closed
        new, self._new = self._new, []
        return new

    def close(self) -> None:
        self._closed = True


class Microphone:
    """Hands over a block each 32 ms, as a sound card does, on a thread of its own.

    Args:
        push: takes the block, int16.
        log: notes the begin and the end of an utterance.
    """

    def __init__(self, push: Callable[[Blocks], None], log: Log) -> None:
        self._push, self._log = push, log
        self._now: list[tuple[Spoken, Blocks]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.marks: list[int] = []
        """The numbers of the blocks without speech that were handed over, 1 to 999."""
        self.slow = threading.Event()
        """Set: a pause of 100 ms follows each block of speech, so that one can see its effect."""
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def say(self, text: str) -> Spoken:
        """Begin to say it with the next block."""
        spoken = Spoken(text)
        with self._lock:
            self._now.append((spoken, sound(text)))
        return spoken

    def _run(self) -> None:
        silence = np.zeros(BLOCK, np.int16)
        due = time.perf_counter()
        while not self._stop.is_set():
            with self._lock:
                spoken, rest = self._now[0] if self._now else (None, silence)
                if spoken is not None:
                    self._now[0] = (spoken, rest[BLOCK:])
                    if len(rest) == BLOCK:
                        self._now.pop(0)
            if spoken is not None and not spoken.pushed:
                spoken.began = due - BLOCK_S  # by the sound card's clock
                self._log.note("user begins", spoken.text)
            if spoken is not None:
                spoken.pushed.append(time.perf_counter())
            block = rest[:BLOCK]
            if spoken is None:
                self.marks.append(len(self.marks) % 999 + 1)
                block = silence.copy()
                block[BLOCK // 2] = self.marks[-1]
            self._push(block)
            if spoken is not None and len(rest) == BLOCK:
                self._log.note("user ends", spoken.text)
                spoken.over.set()
            due += BLOCK_S
            if spoken is not None and self.slow.is_set():
                due = max(due, time.perf_counter()) + 0.1
            time.sleep(max(0.0, due - time.perf_counter()))


class Loudspeaker:
    """Asks for sound each 10 ms, as a sound card does, and keeps what was heard of which reply.

    Each reply has a loudness of its own, so its samples are known in the sound.

    Args:
        fill: gives so many samples, int16.
    """

    FRAMES = OUT_RATE // 100

    def __init__(self, fill: Callable[[int], Any], log: Log, frames: int = FRAMES) -> None:
        self._fill, self._log, self._frames = fill, log, frames
        self._stop = threading.Event()
        self.runs: list[list[int]] = []
        """Pairs of the number of a reply and how many of its samples were heard in one go."""
        self.silent_at = 0.0
        """When the last sample with sound was over."""
        self._sounds = False
        self._thread = threading.Thread(target=self._run, name="loudspeaker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def sounds(self) -> bool:
        return self._sounds

    def heard(self, reply: int) -> int:
        """How many samples of this reply."""
        return sum(count for number, count in self.runs if number == reply)

    @property
    def order(self) -> list[int]:
        """The replies in the order in which they were heard, each as often as it came back."""
        order: list[int] = []
        for number, count in self.runs:
            if count > OUT_RATE // 50 and (not order or order[-1] != number):
                order.append(number)
        return order

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._stop.is_set():
            self.take(np.asarray(self._fill(self._frames)))
            due += self._frames / OUT_RATE
            time.sleep(max(0.0, due - time.perf_counter()))

    def take(self, samples: NDArray[np.int16]) -> None:
        """Hear a block."""
        heard = samples[samples != 0]
        if len(heard):
            number = number_of(heard)
            if not self.runs or self.runs[-1][0] != number:
                self.runs.append([number, 0])
            self.runs[-1][1] += len(heard)
            length = int(np.flatnonzero(samples)[-1]) + 1
            self.silent_at = time.perf_counter() + length / OUT_RATE
        if bool(len(heard)) != self._sounds:
            self._sounds = bool(len(heard))
            what = "sounds" if self._sounds else "is silent"
            self._log.note(f"loudspeaker {what}", number_of(heard) if self._sounds else None)


_LOUDNESS = 1_500


def speech(seconds: float, reply: int) -> NDArray[np.int16]:
    """Sound of this reply."""
    return np.full(round(seconds * OUT_RATE), _LOUDNESS * (reply + 1), np.int16)


def number_of(samples: Sequence[int] | NDArray[np.int16]) -> int:
    """Which reply this is sound of; fades are quieter than what they belong to."""
    return round(float(np.max(samples)) / _LOUDNESS) - 1
