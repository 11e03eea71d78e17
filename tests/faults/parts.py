"""The parts of a conversation, each of which does what a `Fault` says, at its moment.

What is said and answered follows from the user's words alone, so that each turn is right or wrong
by itself: the user says "alpha", the model writes "Alpha, I see. So be it, alpha.", and each
letter of that is sound of its own height.
"""

from __future__ import annotations

import asyncio
import errno
import re
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import reactivex as rx
from faults.grammar import RAISES, WORDS, Fault
from language_model_kit import Scripted
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable

import rxvoice as rxv
from rxvoice._language.calls import WrittenCall
from rxvoice.chunks import AudioChunk
from rxvoice.sinks.wav import WavSink
from rxvoice.testing import FakeSynthesizer

__all__ = ["Broken", "Ear", "Moments", "Mouth", "Speaking", "Writer", "spoken", "written"]

RATE = 1000  # Hz, of the microphone and of the voice
CHUNK = 20  # samples, and so milliseconds
CHAR = 64  # samples of speech per character: a voice that speaks as fast as people do
VOICE = FakeSynthesizer(samples_per_char=CHAR, sample_rate=RATE)
SCALE = 2**10
"""The sound of utterance `n` has the height ``(n + 1) / SCALE``."""

TEXTS: tuple[Any, ...] = (None, 42, b"text", np.zeros(3, np.float32), object(), [None])
SOUNDS: tuple[Any, ...] = (
    None,
    "sound",
    np.full(8, np.nan, np.float32),
    np.zeros((2, 8), np.float32),
    b"\0\0",
    np.zeros(8, np.int16),
)
ODD_MS: tuple[Any, ...] = ("8", np.nan, b"", object(), -1, [])
FLAGS: tuple[Any, ...] = (None, "yes", np.nan, np.zeros(3), b"", 7)


class Oops(Exception):
    """What a part raises. One of its own, so that nothing else can be taken for it."""


def written(word: str) -> str:
    """What the model writes in answer to a word."""
    return f"{word.title()}, I see. So be it, {word}."


def spoken(text: str) -> Any:
    """The sound of a text. Each letter has a height that 16 bits hold exactly, as in a trace."""
    return VOICE.sound(text) * np.float32(2**6)


def sentences(word: str) -> list[str]:
    """The sentences of the answer to a word."""
    return [f"{it}." for it in written(word).removesuffix(".").split(". ")]


def word_of(samples: Any) -> int:
    """The number of the utterance in some sound; -1 for silence."""
    loudest = float(np.max(samples)) if len(samples) else 0.0
    return round(loudest * SCALE) - 1


@dataclass
class Moments:
    """Where the conversation is, and which faults are still to come."""

    faults: list[Fault]
    paused: Callable[[], bool] = lambda: False
    over: tuple[bool, ...] = ()
    """Which utterances are over a reply."""
    hit: list[Fault] = field(default_factory=list[Fault])
    disposing: bool = False
    hang: Callable[[], None] = lambda: None
    """Waits until the test lets go; only where there are threads."""
    wait: Callable[[], None] = lambda: None
    """Waits a little, so that what never ends leaves room for others; only there."""
    raised: list[BaseException] = field(default_factory=list[BaseException])
    open: int = 0
    """Answers that were begun and not ended."""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def meets(self, stage: str, turn: int | None, *moments: str) -> Fault | None:
        """The fault that is due now, once. It has come to pass."""
        fault = self.take(stage, turn, *moments)
        if fault is not None:
            self.hit.append(fault)
        return fault

    def take(self, stage: str, turn: int | None, *moments: str) -> Fault | None:
        """The fault that is due at one of these moments, which may never come."""
        with self._lock:
            for fault in self.faults:
                if fault.stage == stage and fault.moment in moments and turn in (fault.turn, None):
                    self.faults.remove(fault)
                    return fault
        return None

    def around(self, turn: int) -> tuple[str, ...]:
        """The moments that follow from the state of the conversation."""
        found: list[str] = []
        if 0 <= turn < len(self.over) and self.over[turn]:
            found.append("interruption")
        if self.paused():
            found.append("pause")
        return tuple(found)

    def strike(self, fault: Fault) -> None:
        """Raise, if that is what the fault does."""
        if fault.kind in RAISES:
            error = exception(fault)
            self.raised.append(error)
            raise error

    def count(self, by: int) -> None:
        with self._lock:
            self.open += by


def exception(fault: Fault) -> BaseException:
    """What is raised."""
    message = said_of(fault)
    match fault.kind:
        case "Ctrl-C":
            return KeyboardInterrupt(message)
        case "exits":
            return SystemExit(message)
        case "GeneratorExit":
            return GeneratorExit(message)
        case "MemoryError":
            return MemoryError(message)
        case "raises" if fault.stage.startswith("trace"):
            return OSError(errno.ENOSPC, message)
        case _:
            return Oops(message)


def said_of(fault: Fault) -> str:
    """The message of what a fault raises."""
    return f"{fault.stage} at {fault.moment} of turn {fault.turn}"


def odd(fault: Fault, of: tuple[Any, ...]) -> Any:
    return of[fault.odd % len(of)]


class Answering:
    """A model's answer to a turn, in any shape."""

    def __init__(self, moments: Moments, stage: str, odd: tuple[Any, ...]) -> None:
        self.moments, self.stage, self._odd = moments, stage, odd
        self.shape = stage.split(" ")[1]

    def value(self, turn: int, good: Any, nothing: Any) -> Any:
        """In one piece."""
        fault = self.moments.meets(self.stage, turn, "first", *self.moments.around(turn))
        if fault is None:
            return good
        self.moments.strike(fault)
        if fault.kind == "hangs":
            self.moments.hang()
            return good
        return nothing if fault.kind == "gives nothing" else odd(fault, self._odd)

    def pieces(self, turn: int, good: list[Any], more: Any) -> Generator[Any]:
        """In pieces. `more` is what never ends."""
        moments, over = self.moments, False
        moments.count(1)
        try:
            fault = moments.meets(self.stage, turn, "first")
            if fault is not None:
                yield from self._instead(fault, more)
                return
            for n, piece in enumerate(good):
                now = ("pause",) if moments.paused() else ()
                if n:
                    now += ("piece",)
                fault = moments.meets(self.stage, turn, *now)
                if fault is not None:
                    yield from self._instead(fault, more)
                    return
                yield piece
            fault = moments.meets(self.stage, turn, "turn end")
            if fault is not None:
                yield from self._instead(fault, more)
            over = True
        finally:
            moments.count(-1)
            when = "disposal" if moments.disposing else "close" if over else "interruption"
            fault = moments.meets(self.stage, turn, when)
            if fault is not None:
                moments.strike(fault)

    def _instead(self, fault: Fault, more: Any) -> Iterator[Any]:
        self.moments.strike(fault)
        if fault.kind == "gives nonsense":
            yield odd(fault, self._odd)
        elif fault.kind == "hangs":
            self.moments.hang()
        while fault.kind == "never ends":
            self.moments.wait()
            yield more

    async def later(self, turn: int, good: list[Any], more: Any) -> AsyncGenerator[Any]:
        """In pieces, from an event loop."""
        moments = self.moments
        moments.count(1)
        try:
            for n, piece in enumerate([*good, None]):
                moment = "turn end" if n == len(good) else "piece" if n else "first"
                fault = moments.meets(self.stage, turn, moment)
                if fault is not None:
                    moments.strike(fault)
                    if fault.kind == "gives nonsense":
                        yield odd(fault, self._odd)
                    elif fault.kind == "hangs":
                        await asyncio.Event().wait()
                    while fault.kind == "never ends":
                        await asyncio.sleep(0.002)  # the time of the model itself
                        yield more
                    return
                if n < len(good):
                    yield piece
        finally:
            moments.count(-1)
            fault = moments.meets(self.stage, turn, "close")
            if fault is not None:
                moments.strike(fault)

    def observable(self, turn: int, good: list[Any], more: Any, every_ms: int) -> Observable[Any]:
        """In pieces that come by themselves."""
        moments, seconds = self.moments, every_ms / 1000

        def instead(fault: Fault) -> Observable[Any]:
            if fault.kind in RAISES:
                error = exception(fault)
                moments.raised.append(error)
                # RxPY's on_error takes none but an Exception.
                if fault.odd % 2 or not isinstance(error, Exception):

                    def subscribe(*_: Any) -> Any:
                        raise error

                    return Observable(subscribe)
                return rx.throw(error)
            match fault.kind:
                case "gives nonsense":
                    return rx.of(odd(fault, self._odd))
                case "hangs":
                    return rx.never()
                case "never ends":
                    return rx.interval(0.005).pipe(ops.map(lambda _: more))
                case _:
                    return rx.empty()

        def due(fault: Fault) -> Observable[Any]:
            def subscribed(_: object) -> Observable[Any]:
                moments.hit.append(fault)
                return instead(fault)

            return rx.defer(subscribed)

        now = moments.around(turn) if self.stage.startswith("transcribe") else ()
        fault = moments.meets(self.stage, turn, "first", *now)
        if fault is not None:
            return self._counted(instead(fault), turn)
        parts: list[Observable[Any]] = []
        for n, piece in enumerate(good):
            fault = moments.take(self.stage, turn, "piece") if n else None
            if fault is not None:
                parts.append(due(fault))
                break
            parts.append(rx.timer(seconds).pipe(ops.map(lambda _, piece=piece: piece)))
        else:
            fault = moments.take(self.stage, turn, "turn end")
            if fault is not None:
                parts.append(due(fault))
        return self._counted(rx.concat(*parts), turn)

    def _counted(self, answer: Observable[Any], turn: int) -> Observable[Any]:
        """It counts as open until it is disposed of, which may raise."""
        moments = self.moments

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            inner = answer.subscribe(observer, scheduler=scheduler)
            moments.count(1)

            def dispose() -> None:
                moments.count(-1)
                inner.dispose()
                when = "disposal" if moments.disposing else "close"
                fault = moments.meets(self.stage, turn, when)
                if fault is not None:
                    moments.strike(fault)

            return Disposable(dispose)

        return Observable(subscribe)


class Ear:
    """A recogniser: it says the word whose sound it is given."""

    def __init__(self, moments: Moments, shape: str, said: Callable[[int], str]) -> None:
        self.answering = Answering(moments, f"transcribe {shape}", TEXTS)
        self.said = said
        self.sessions: list[Listening] = []
        if shape == "session":
            self.session = lambda: self._listen()

    def _listen(self) -> Listening:
        listening = Listening(self)
        self.sessions.append(listening)
        return listening

    def transcribe_turn(self, audio: Any, /) -> Any:
        turn = word_of(audio)
        text, answering = self.said(turn), self.answering
        match answering.shape:
            case "pieces":
                return answering.pieces(turn, [text[:5], text[5:]], "")
            case "async":
                return answering.later(turn, [text[:5], text[5:]], "")
            case "observable":
                return answering.observable(turn, [text[:5], text[5:]], "", 5)
            case _:
                return answering.value(turn, text, "")


class Listening:
    """The session of a turn: it tells its word once it has heard three chunks."""

    def __init__(self, ear: Ear) -> None:
        self._ear, self._moments, self._stage = ear, ear.answering.moments, ear.answering.stage
        self._turn = -1
        self._fed = 0
        self._endless = self._told_nothing = False
        self.closed = 0
        self.done: Any = False

    def _struck(self, *moments: str) -> Fault | None:
        fault = self._moments.meets(self._stage, self._turn, *moments)
        if fault is not None:
            self._moments.strike(fault)
            self._endless = self._endless or fault.kind == "never ends"
            self._told_nothing = self._told_nothing or fault.kind == "gives nothing"
        return fault

    def feed(self, samples: Any, /) -> None:
        if self.closed:
            raise AssertionError("fed after it was closed")
        self._turn = max(self._turn, word_of(samples))
        self._fed += 1

    def step(self) -> Any:
        now = ("turn end",) if self.closed else self._moments.around(self._turn)
        if not self.closed and self._turn >= 0:
            now += ("first",) if self._fed <= 3 else ("piece",)
        fault = self._struck(*now)
        if fault is not None and fault.kind == "hangs":
            self._moments.hang()
        self.done = bool(self.closed) and not self._endless
        if fault is not None and fault.kind == "gives nonsense":
            return odd(fault, (42, b"text", object(), np.zeros(2), {"text": 3}, [3]))
        if self._told_nothing or self._endless:
            return None
        text = self._ear.said(self._turn) if self._turn >= 0 else ""
        return text if self.closed or self._fed > 3 else None

    def close(self) -> None:
        self.closed += 1
        self._struck("disposal" if self._moments.disposing else "close")


class Writer:
    """A text model with a memory."""

    def __init__(self, moments: Moments, shape: str) -> None:
        self._answering = Answering(moments, f"respond {shape}", TEXTS)
        self.moments = moments
        self.conversation = rxv.Conversation()
        self.asked: list[str] = []
        self.app_said: list[str] = []
        if shape == "generator":  # a generator function is asked at its first step
            self.respond = self._generator
        elif shape == "async":
            self.respond = self._later

    def respond(self, text: str, /) -> Any:  # type: ignore[no-redef]
        turn, good = self._ask(text)
        if self._answering.shape == "observable":
            said = self._answering.observable(turn, good, "la ", 20)
            return said.pipe(ops.do_action(self._add))
        answer = self._answering.value(turn, "".join(good), "")
        self._add(answer)
        return answer

    def _generator(self, text: str, /) -> Generator[Any]:
        turn, good = self._ask(text)
        for piece in (pieces := self._answering.pieces(turn, good, "la ")):
            self._add(piece)
            try:
                yield piece
            except GeneratorExit:
                pieces.close()
                raise

    async def _later(self, text: str, /) -> AsyncGenerator[Any]:
        turn, good = self._ask(text)
        async with aclosing(self._answering.later(turn, good, "la ")) as pieces:
            async for piece in pieces:
                self._add(piece)
                yield piece

    def _ask(self, text: str) -> tuple[int, list[str]]:
        self.asked.append(text)
        self.conversation.add_user(text)
        self._message: Any = None
        turn = turn_of(text)
        return turn, [f"{word} " for word in written(WORDS[turn]).split()]

    def _add(self, piece: Any) -> None:
        if isinstance(piece, str) and piece:
            if self._message is None:
                self._message = self.conversation.add_assistant("")
            self._message["content"] += piece

    def said(self, text: str, /) -> None:
        """What was heard of what the app has said by itself."""
        self.app_said.append(text)

    def heard(self, text: str, /) -> None:
        turn = turn_of(self.asked[-1]) if self.asked else 0
        fault = self.moments.meets(
            "respond memory", turn, "disposal" if self.moments.disposing else "interruption"
        )
        self.conversation.heard(text)
        if fault is not None:
            self.moments.strike(fault)


def turn_of(text: str) -> int:
    """The last word that the user said in this text."""
    found = [WORDS.index(word) for word in re.findall(r"\w+", text.lower()) if word in WORDS]
    return found[-1] if found else -1


class Caller(Scripted):
    """One that looks something up first."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.asked: list[str] = []
        self.app_said: list[str] = []

        def look(where: str = "") -> object:
            """Look.

            Args:
                where: Where.
            """
            fault = moments.meets("tool", turn_of(self.asked[-1]), "first")
            if fault is not None:
                moments.strike(fault)
                return odd(fault, (None, object(), np.zeros(3), b"", float("nan"), {1: 2}))
            return f"{where}!"

        super().__init__(tools=[look])

    def respond(self, text: str) -> Any:
        self.asked.append(text)
        words = [f"{word} " for word in written(WORDS[turn_of(text)]).split()]
        self._stretches = iter([[*words[:2], WrittenCall("look", {"where": "there"})], words[2:]])
        return super().respond(text)

    def said(self, text: str, /) -> None:
        self.app_said.append(text)


class Mouth:
    """A voice."""

    sample_rate = RATE

    def __init__(self, moments: Moments, shape: str) -> None:
        self._answering = Answering(moments, f"synthesize {shape}", SOUNDS)

    def synthesize_stream(self, text: str, /) -> Any:
        turn, answering = turn_of(text), self._answering
        good = list(np.array_split(spoken(text), 3))
        more = np.full(20, 0.25, np.float32)
        if answering.shape == "generator":
            return answering.pieces(turn, good, more)
        if answering.shape == "async":
            return answering.later(turn, good, more)
        return answering.observable(turn, good, more, 5)


class Speaking:
    """One model that takes the user's sound, and gives text and its own sound."""

    sample_rate = RATE

    def __init__(self, moments: Moments, shape: str) -> None:
        self._answering = Answering(moments, f"answer {shape}", (*SOUNDS[:1], 42, *SOUNDS[2:]))
        self.asked: list[str] = []
        self.app_said: list[str] = []
        self.conversation = rxv.Conversation()  # it keeps none

    def answer_turn(self, audio: Any, /) -> Any:
        turn = word_of(audio)
        word = WORDS[turn]
        self.asked.append(f"{word} please")
        good: list[Any] = [rxv.Recognised(self.asked[-1])]
        for sentence in sentences(word):
            good += [f"{sentence} ", *np.array_split(spoken(sentence), 3)]
        more = np.full(20, 0.25, np.float32)
        if self._answering.shape == "generator":
            return self._answering.pieces(turn, good, more)
        return self._answering.observable(turn, good, more, 5)


class Broken:
    """A sink, some calls of which fail."""

    def __init__(self, sink: Any, moments: Moments, turn: Callable[[], int]) -> None:
        self._sink, self._moments, self._turn = sink, moments, turn
        self._seen: set[int] = set()
        self.taken = 0
        self.pacing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def _struck(self, *moments: str) -> Fault | None:
        fault = self._moments.meets("sink", self._turn(), *moments)
        if fault is not None:
            self._moments.strike(fault)
        return fault

    def write_samples(self, samples: Any, /) -> Any:
        turn = self._turn()
        fault = self._struck("piece" if turn in self._seen else "first")
        self._seen.add(turn)
        if fault is not None and fault.kind == "hangs":
            self._moments.hang()
        elif fault is not None:
            if fault.kind == "gives nothing":
                return 0
            return odd(fault, (None, "8", -1, 10**6, 0.5, np.nan))
        taken = self._sink.write_samples(samples)
        self.taken += taken
        return taken

    @property
    def queued_ms(self) -> Any:
        """Asked by `paced` alone, on any thread."""
        if self.pacing:
            turn = self._turn()
            now = "piece" if turn in self._seen else "first"
            fault = self._moments.meets("paced", turn, now, *self._moments.around(-1))
            if fault is not None:
                self._moments.strike(fault)
                return None if fault.kind == "gives nothing" else odd(fault, ODD_MS)
        return self._sink.queued_ms

    def end_reply(self) -> None:
        self._struck("turn end")
        if hasattr(self._sink, "end_reply"):
            self._sink.end_reply()

    def flush(self) -> Any:
        fault = self._moments.meets("sink", None, "close")
        if fault is not None:
            self._moments.strike(fault)
        self._sink.flush()

    def pause(self) -> None:
        self._struck("pause")
        self._sink.pause()

    def clear(self) -> Any:
        fault = self._struck("disposal" if self._moments.disposing else "interruption")
        unheard = self._sink.clear()
        self.taken -= len(unheard)
        if fault is not None:
            return odd(fault, (None, 3, "no", [], b"", object())) if "nons" in fault.kind else None
        return unheard


class Disk(WavSink):
    """A file that cannot be written any further."""

    judge: Callable[[Any], object]
    """Raises when it is time; set for each conversation."""

    def write_samples(self, samples: Any, /) -> int:
        Disk.judge(samples)
        return super().write_samples(samples)


def microphone(utterances: list[list[int]]) -> list[AudioChunk]:
    """Chunks: for each a number of an utterance, or -1 for silence."""
    chunks: list[AudioChunk] = []
    for numbers in utterances:
        for number in numbers:
            samples = np.full(CHUNK, (number + 1) / SCALE, np.float32)
            chunks.append(AudioChunk(samples, RATE, len(chunks) * CHUNK))
    return chunks
