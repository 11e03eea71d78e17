"""Fakes for every slot: models and devices whose answers, and whose time, a test decides.

What takes time takes it on the scheduler of the subscription, so that with a virtual one a
"slow" model costs a test nothing. What they were given is kept, for the test to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Generic, TypeVar, cast

import numpy as np
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from rxvoice._audio.samples import Samples
from rxvoice._check import at_least, whole
from rxvoice.errors import ConfigError
from rxvoice.policies import rms

__all__ = [
    "FakeBargeIn",
    "FakePolicy",
    "FakeRecognition",
    "FakeResponder",
    "FakeSink",
    "FakeStreamingTranscriber",
    "FakeSynthesizer",
    "FakeTranscriber",
    "FakeVad",
    "failing",
]

T = TypeVar("T")


class FakeVad:
    """A voice activity detector.

    Args:
        answers: one per chunk, bools or probabilities, or a str in which ``~`` is speech and any
            other character is not; after the last one: no speech. Each subscription starts anew.
        threshold: instead of answers, the root mean square, 0 to 1, from which a chunk is speech.
    """

    def __init__(
        self, answers: str | Iterable[bool | float] = (), *, threshold: float | None = None
    ) -> None:
        if threshold is not None:
            at_least("FakeVad threshold", threshold, 0, "RMS")
        self._answers = (
            tuple(char == "~" for char in answers) if isinstance(answers, str) else tuple(answers)
        )
        self._threshold = threshold
        self._asked = 0
        self.given: list[Samples] = []
        """The chunks it was asked about, in all subscriptions."""

    def fresh(self) -> FakeVad:
        """A detector for one subscription, at the first answer."""
        own = FakeVad(self._answers, threshold=self._threshold)
        own.given = self.given
        return own

    def __call__(self, samples: Samples, /) -> bool | float:
        self.given.append(samples)
        if self._threshold is not None:
            return rms(samples) >= self._threshold
        self._asked += 1
        return self._answers[self._asked - 1] if self._asked <= len(self._answers) else False


class FakeTranscriber:
    """A recogniser of whole turns.

    Args:
        texts: what it hears, turn by turn; the last one again and again.
        after_ms: milliseconds that it takes; None: it answers at once.
    """

    def __init__(self, *texts: str, after_ms: float | None = None) -> None:
        self._texts = _Script("FakeTranscriber texts", texts)
        self._after_ms = _duration("FakeTranscriber after_ms", after_ms)
        self.given: list[Samples] = []
        """The audio of each turn."""

    def transcribe_turn(self, audio: Samples, /) -> str | Observable[str]:
        self.given.append(audio)
        text = self._texts.next()
        return text if self._after_ms is None else _later([text], self._after_ms)


class FakeStreamingTranscriber(FakeTranscriber):
    """A recogniser that hears a word of the text with each chunk, and the rest at the end.

    Args:
        texts: as `FakeTranscriber`.
        replacing: whether its news are all of the text so far (a str) or new text (a list).
    """

    def __init__(self, *texts: str, replacing: bool = False) -> None:
        super().__init__(*texts)
        self._replacing = replacing
        self.sessions: list[FakeRecognition] = []
        """Those begun, one per turn."""

    def session(self) -> FakeRecognition:
        begun = FakeRecognition(self._texts.next(), replacing=self._replacing)
        self.sessions.append(begun)
        return begun


class FakeRecognition:
    """One turn's recognition: see `FakeStreamingTranscriber`."""

    def __init__(self, text: str, *, replacing: bool = False) -> None:
        self._words = [f" {word}" if n else word for n, word in enumerate(text.split())]
        self._replacing = replacing
        self._said = 0
        self.given: list[Samples] = []
        """What it was fed."""
        self.closed = False

    @property
    def done(self) -> bool:
        return self.closed and self._said == len(self._words)

    def feed(self, samples: Samples, /) -> None:
        self.given.append(samples)

    def step(self) -> list[str] | str | None:
        if self._said == len(self._words):
            return None
        self._said += 1
        if self._replacing:
            return "".join(self._words[: self._said])
        return [self._words[self._said - 1]]

    def close(self) -> None:
        self.closed = True


class FakeResponder:
    """A text model.

    Args:
        replies: what it answers, turn by turn, a str or its pieces; the last one again and again.
        every_ms: milliseconds before each piece; None: they come at once.
    """

    def __init__(self, *replies: str | Sequence[str], every_ms: float | None = None) -> None:
        self._replies = _Script("FakeResponder replies", replies)
        self._every_ms = _duration("FakeResponder every_ms", every_ms)
        self.asked: list[str] = []
        """The texts it was asked to answer."""
        self.told: list[str] = []
        """What it was told was heard of its interrupted replies."""
        self.forgotten: list[str] = []
        """The texts it was told to forget."""

    def respond(self, text: str, /) -> str | Iterator[str] | Observable[str]:
        self.asked.append(text)
        reply = self._replies.next()
        if self._every_ms is None:
            return reply if isinstance(reply, str) else iter(reply)
        return _later([reply] if isinstance(reply, str) else reply, self._every_ms)

    def heard(self, text: str, /) -> None:
        """Keep it in ``told``."""
        self.told.append(text)

    def forget(self) -> None:
        """Keep the last text in ``forgotten``."""
        self.forgotten.extend(self.asked[-1:])


class FakeSynthesizer:
    """A voice: each character of a text is the same number of samples of ``ord(char) / 2**21``.

    Args:
        samples_per_char: 0 or more.
        sample_rate: Hz.
        pieces: into how many pieces, as equal as can be, it divides a text.
        every_ms: milliseconds before each piece; None: they come at once.
    """

    def __init__(
        self,
        *,
        samples_per_char: int = 10,
        sample_rate: int = 24_000,
        pieces: int = 1,
        every_ms: float | None = None,
    ) -> None:
        whole("FakeSynthesizer samples_per_char", samples_per_char, 0, "samples")
        whole("FakeSynthesizer sample_rate", sample_rate, 1, "Hz")
        whole("FakeSynthesizer pieces", pieces, 1, "pieces")
        self._samples_per_char = samples_per_char
        self._pieces = pieces
        self._every_ms = _duration("FakeSynthesizer every_ms", every_ms)
        self.sample_rate = sample_rate
        self.spoken: list[str] = []
        """The texts it was asked to speak."""

    def synthesize_stream(self, text: str, /) -> Iterator[Samples] | Observable[Samples]:
        self.spoken.append(text)
        pieces = np.array_split(self.sound(text), self._pieces)
        return iter(pieces) if self._every_ms is None else _later(pieces, self._every_ms)

    def sound(self, text: str) -> Samples:
        """What the text sounds like, in one piece."""
        levels = np.array([ord(char) for char in text], np.float32) / np.float32(2**21)
        return np.repeat(levels, self._samples_per_char)


class FakePolicy:
    """An end-of-turn policy.

    Args:
        answers: one per question; after the last one: no.
        after_ms: milliseconds that each answer takes; None: it answers at once.
    """

    def __init__(self, answers: Iterable[bool] = (True,), *, after_ms: float | None = None) -> None:
        self._answers = list(answers)
        self._after_ms = _duration("FakePolicy after_ms", after_ms)
        self.asked: list[tuple[Samples, int]] = []
        """The questions: the turn's audio and its silence in milliseconds."""

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        self.asked.append((audio, silence_ms))
        n = len(self.asked)
        answer = self._answers[n - 1] if n <= len(self._answers) else False
        return answer if self._after_ms is None else _later([answer], self._after_ms)


class FakeBargeIn:
    """A barge-in detector.

    Args:
        answers: one per question; None: yes whenever the assistant plays. After the last one: no.
    """

    def __init__(self, answers: Iterable[bool] | None = None) -> None:
        self._answers = None if answers is None else list(answers)
        self.asked: list[tuple[Samples, bool]] = []
        """The questions: the chunk, and whether the assistant was playing."""

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        self.asked.append((samples, playing))
        if self._answers is None:
            return playing
        n = len(self.asked)
        return self._answers[n - 1] if n <= len(self._answers) else False


class FakeSink:
    """A loudspeaker that plays nothing and keeps everything.

    Args:
        take: samples that it takes at most per write, 0 to stall; None: all that it is offered.
        stalls_after: writes after which it takes nothing more; None: never.
    """

    def __init__(self, *, take: int | None = None, stalls_after: int | None = None) -> None:
        if take is not None:
            whole("FakeSink take", take, 0, "samples")
        if stalls_after is not None:
            whole("FakeSink stalls_after", stalls_after, 0, "writes")
        self._take = take
        self._stalls_after = stalls_after
        self._unheard = 0
        self.is_running = False
        self.writes: list[Samples] = []
        """What it took, write by write."""
        self.offered: list[int] = []
        """How many samples it was offered, write by write."""
        self.rates: list[int] = []
        """The sample rates it was told, in Hz."""
        self.flushes = 0
        self.clears = 0
        self.stopped = False

    @property
    def samples(self) -> Samples:
        """All that it took, in one piece."""
        return np.concatenate([np.empty(0, np.float32), *self.writes])

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Keep it in ``rates``."""
        self.rates.append(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        self.offered.append(len(samples))
        if self._stalls_after is not None and len(self.offered) > self._stalls_after:
            return 0
        taken = np.array(samples[: self._take], np.float32)
        self.writes.append(taken)
        self._unheard += len(taken)
        return len(taken)

    def flush(self) -> None:
        self.flushes += 1
        self._unheard = 0

    def clear(self) -> Samples:
        """Counts everything since the last flush as unheard: nothing is played here."""
        self.clears += 1
        kept = self.samples
        unheard = kept[len(kept) - self._unheard :]
        self._unheard = 0
        return unheard

    def stop(self) -> None:
        self.stopped = True


def failing(slot: T, method: str = "__call__", *, at: int = 1, error: Exception | None = None) -> T:
    """The same model or device, except that one call raises.

    ```python
    stt = failing(FakeTranscriber("yes"), "transcribe_turn", at=2)   # the second turn fails
    gate = failing(lambda samples: True)                             # a plain callable
    ```

    Args:
        slot: anything that fills a slot.
        method: which of its methods raises; a plain callable has only the one.
        at: which call, from 1, counted over all subscriptions.
        error: what to raise; None for ``RuntimeError("failing")``.
    """
    whole("failing at", at, 1, "calls")
    if not callable(getattr(slot, method, None)):
        raise ConfigError(f"failing: {slot!r} has no method {method!r}")
    return cast(T, _Failing(slot, method, at, error or RuntimeError("failing"), count(1)))


class _Failing:
    """Passes everything on to the slot but one call."""

    def __init__(
        self, slot: object, method: str, at: int, error: Exception, calls: Iterator[int]
    ) -> None:
        self._slot = slot
        self._method = method
        self._at = at
        self._error = error
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._slot, name)
        if name == self._method:
            return self._counted(found)
        return self._fresh if name == "fresh" else found

    def __call__(self, *args: object) -> object:
        call = cast("Callable[..., object]", self._slot)
        return (self._counted(call) if self._method == "__call__" else call)(*args)

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object) -> object:
            if next(self._calls) == self._at:
                raise self._error
            return call(*args)

        return counted

    def _fresh(self) -> _Failing:
        own = cast(Any, self._slot).fresh()
        return _Failing(own, self._method, self._at, self._error, self._calls)


class _Script(Generic[T]):
    """Gives one item after the other, the last one again and again."""

    def __init__(self, name: str, items: Sequence[T]) -> None:
        if not items:
            raise ConfigError(f"{name}: wanted at least one, got none")
        self._items = items
        self._given = 0

    def next(self) -> T:
        self._given += 1
        return self._items[min(self._given, len(self._items)) - 1]


def _duration(name: str, ms: float | None) -> float | None:
    if ms is not None:
        at_least(name, ms, 0, "ms")
    return ms


def _later(pieces: Sequence[T], every_ms: float) -> Observable[T]:
    """The pieces, each after that many milliseconds on the subscription's scheduler."""
    if not pieces:
        return rx.empty()

    def piece(n: int) -> T:
        return pieces[n]

    seconds = every_ms / 1000
    return rx.timer(seconds, seconds).pipe(ops.take(len(pieces)), ops.map(piece))
