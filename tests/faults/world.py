"""A conversation of the grammar, in virtual time, and all that is left of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from faults.grammar import WORDS, Fault, Talk
from faults.parts import (
    CHUNK,
    FLAGS,
    RATE,
    Broken,
    Caller,
    Disk,
    Ear,
    Moments,
    Mouth,
    Speaking,
    Writer,
    exception,
    microphone,
    odd,
    turn_of,
    word_of,
)
from interruption_world import Slow
from reactivex import Observable, Subject, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable, SerialDisposable
from reactivex.scheduler import ImmediateScheduler

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.testing import FakeSpeaker, marbles

__all__ = ["SAYINGS", "World", "disk_of", "play", "strike_subscriber"]

LIMIT_MS = 700
TOTAL_MS = 3_000
AFTER_MS = 8_000
"""Later than any reply is over, whatever hangs."""
OVER_MS = 500
AHEAD_MS = 300
"""How far a paced voice is ahead of the loudspeaker."""
_APP = ("uniform", "victor", "whiskey", "xray", "yankee", "zulu")
SAYINGS = tuple(f"{word.title()} is what the app says." for word in _APP)
"""What the app says by itself after each turn of the user. Each begins like no other text."""
WORDLESS = {"noise", "cough"}
NO_WORDS = (42, b"hey", 0.5, [1], "", {})


class Following:
    """What moment of which utterance a part is in that is given the chunks."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self.turn, self._chunks, self._was_silent = -1, 0, True

    def moments_of(self, samples: Any) -> tuple[str, ...]:
        number = word_of(samples)
        if number < 0:
            ends = self._chunks > 0
            self._chunks = 0
            return ("turn end", *self._moments.around(self.turn)) if ends else ()
        self._chunks = 1 if number != self.turn else self._chunks + 1
        self.turn = number
        now = "first" if self._chunks == 1 else "piece"
        return (now, *self._moments.around(number))


class Judge:
    """A detector: `right` is what it says of a chunk."""

    def __init__(self, moments: Moments, stage: str, right: Callable[..., Any]) -> None:
        self._moments, self._stage, self._right = moments, stage, right
        self._following = Following(moments)

    def __call__(self, samples: Any, *more: Any) -> Any:
        now = self._following.moments_of(samples)
        fault = self._moments.meets(self._stage, self._following.turn, *now)
        if fault is not None and fault.kind == "hangs":
            self._moments.hang()
        elif fault is not None:
            self._moments.strike(fault)
            return odd(fault, NO_WORDS if self._stage == "wake_word" else FLAGS)
        return self._right(samples, *more)


@dataclass
class World:
    """One conversation, what was told of it, and what it left."""

    talk: Talk
    moments: Moments
    clock: Any
    tmp: Path | None = None
    told: list[Any] = field(default_factory=list[Any])
    ended: str | None = None
    error: Exception | None = None
    escaped: list[BaseException] = field(default_factory=list[BaseException])
    turns: list[rxv.Turn] = field(default_factory=list[rxv.Turn])
    after_end: int = 0
    given: list[Any] = field(default_factory=list[Any])
    """The sound of the microphone that came."""
    warnings: list[str] = field(default_factory=list[str])
    """Of the trace."""
    sayings: list[str] = field(default_factory=list[str])
    """What the app wanted to be said."""
    sources: int = 0
    """Subscriptions to the microphone that are not disposed."""
    utterance: int = 0
    """The last that the microphone gave sound of."""

    def __post_init__(self) -> None:
        talk, moments = self.talk, self.moments
        moments.over = tuple(it.when == "over" for it in talk.utterances)
        self.speaker = self.make_speaker()
        moments.paused = lambda: self.speaker.paused
        self.ear = Ear(moments, talk.hears, self.said)
        self.writer: Any
        if talk.pipe == "answer":
            self.writer = Speaking(moments, talk.speaks)
        else:
            self.writer = Caller(moments) if talk.writes == "tool" else Writer(moments, talk.writes)
        self.mouth = Mouth(moments, talk.speaks)
        self.sink = Broken(self.speaker, moments, self.answered)
        self.muting: Subject[Any] = Subject()
        self.pressing: Subject[Any] = Subject()
        self.saying: Subject[Any] = Subject()

    def make_speaker(self) -> Any:
        return FakeSpeaker(self.clock, sample_rate=RATE)

    def limits(self, stage: str) -> Any:
        """The time limits of a stage."""
        return {"timeout_ms": LIMIT_MS, "total_timeout_ms": TOTAL_MS}

    def said(self, number: int) -> str:
        """What the user says."""
        wordless = number < 0 or self.talk.utterances[number].said in WORDLESS
        return "" if wordless else f"{WORDS[number]} please"

    def answered(self) -> int:
        """The turn of the last question."""
        return turn_of(self.writer.asked[-1]) if self.writer.asked else -1

    def is_time_to_leave(self, fault: Fault, element: Any) -> bool:
        """Whether the app disposes of the conversation now, so that the fault may come."""
        if fault.stage.startswith("transcribe"):
            opened = isinstance(element, events.TurnOpened | events.Candidate)
            return opened and self.utterance == fault.turn
        made = events.ReplyStarted if fault.stage.startswith("respond") else Speech
        return isinstance(element, made) and self.answered() == fault.turn

    # The pipe

    def pipe(self, source: Observable[Any], lanes: tuple[Any, Any, Any]) -> Any:
        talk, moments = self.talk, self.moments
        chain: list[Any] = [vox.chunk(CHUNK, sample_rate=RATE)]
        if "recorder" in talk.parts:
            assert self.tmp is not None
            chain.append(vox.record(self.tmp / "talk.wav"))
        if "mute" in talk.parts:
            chain.append(vox.mute(self.muting))
        chain.append(vox.vad(Judge(moments, "vad", lambda it: word_of(it) >= 0)))
        if "wake_word" in talk.parts:
            spot = Judge(moments, "wake_word", lambda it: "hey" if word_of(it) == 0 else None)
            chain.append(vox.wake_word(spot, open_ms=10**6, tail_ms=0))
        if "barge_in" in talk.parts:
            detect = Judge(moments, "barge_in", lambda it, playing: playing)
            chain.append(vox.barge_in(detect, playing=lambda: bool(self.speaker.is_running)))
        chain.append(vox.preroll(40))
        chain.append(vox.turn_window(self._policy, timeout_ms=20, max_duration_ms=2_000))
        turns: Any = source.pipe(*chain).pipe(self._noted)
        options = {"interrupts": self.pressing, "min_speech_ms": 50, "echo_tail_ms": 0}
        if talk.pipe == "answer":
            answer = vox.answer(self.writer, worker=lanes[2], **self.limits("answer"))
            return turns.pipe(vox.converse(answer, sink=self.sink, **options))
        listen = vox.transcribe(self.ear, worker=lanes[0], **self.limits("transcribe"))
        respond = vox.respond(self.writer, worker=lanes[1], min_chars=1, **self.limits("respond"))
        voice = lanes[2]
        if "paced" in talk.parts:
            voice = rxv.paced(voice, self.sink, ahead_ms=AHEAD_MS)
            self.sink.pacing = True
        speak = vox.synthesize(self.mouth, worker=voice, **self.limits("synthesize"))
        if talk.pipe == "plain":
            heard = ops.do_action(self._note_speech)
            return turns.pipe(listen, respond, speak, heard, vox.play(self.sink, errors="event"))
        stages = (listen, respond, speak)
        return turns.pipe(vox.converse(*stages, sink=self.sink, says=self.saying, **options))

    def _note_speech(self, element: Any) -> None:
        if isinstance(element, Speech):
            self.told.append(element)

    def _noted(self, source: Observable[Any]) -> Observable[Any]:
        def note(element: Any) -> None:
            if isinstance(element, rxv.Turn):
                self.turns.append(element)

        return source.pipe(ops.do_action(note))

    _hung = -2

    def _policy(self, audio: Any, silence_ms: int) -> Any:
        turn = word_of(audio)
        now = () if silence_ms < 40 else ("turn end", *self.moments.around(turn))
        fault = self.moments.meets("policy", turn, *now)
        if self._hung == turn:
            return rx.never()
        if fault is None:
            return silence_ms >= 40
        self.moments.strike(fault)
        match fault.kind:
            case "hangs":
                self._hung = turn
                return rx.never()
            case "never ends":
                now = ImmediateScheduler()
                return rx.concat(rx.from_([False, False], scheduler=now), rx.never())
            case _:
                return odd(fault, FLAGS)

    # What comes from outside

    def chunks(self) -> list[tuple[int, AudioChunk, int, tuple[str, ...]]]:
        """When, which, of which utterance, and at what moments of it."""
        found: list[tuple[int, AudioChunk, int, tuple[str, ...]]] = []
        plan: list[list[int]] = []
        times: list[tuple[int, int, tuple[str, ...]]] = []
        now = 0
        for number, it in enumerate(self.talk.utterances):
            now += (OVER_MS if it.when == "over" else AFTER_MS) if number else 0
            loud = 1 if it.said == "cough" else 5
            numbers = [number] * loud + [-1] * 4
            plan.append(numbers)
            for n in range(len(numbers)):
                moment = "first" if n == 0 else "piece" if n < loud else ""
                if n == loud + 1:
                    moment = "turn end"
                times.append((now, number, (moment,) if moment else ()))
                now += CHUNK
        for chunk, (ms, number, moment) in zip(microphone(plan), times, strict=True):
            found.append((ms, chunk, number, moment))
        return found

    def give(self, observer: Any, chunk: AudioChunk, number: int, now: tuple[str, ...]) -> None:
        """The microphone gives a chunk; or what it does instead. The app does what it does."""
        meets = self.moments.meets
        self.utterance = number
        if now:
            now = (*now, *self.moments.around(number))
        if (fault := meets("mute", number, *now)) is not None:
            upset(self.muting, fault, (42, None, "on", 0.5, b"", []))
        if (fault := meets("commands", number, *now)) is not None:
            upset(self.pressing, fault, (42, b"stop", 0.5, object(), [1], {}))
        if (fault := meets("says", number, *now)) is not None:
            upset(self.saying, fault, (42, b"hello", 0.5, object(), None, {}))
        elif "says" in self.talk.parts and "turn end" in now:
            self.sayings.append(SAYINGS[number])
            self.saying.on_next(SAYINGS[number])
        if (fault := meets("source", number, *now)) is not None:
            self._give_instead(observer, chunk, fault)
            return
        self.given.append(chunk.samples)
        observer.on_next(chunk)

    def _give_instead(self, observer: Any, chunk: AudioChunk, fault: Fault) -> None:
        match fault.kind:
            case "raises":
                observer.on_error(exception(fault))
            case "gives nothing":
                observer.on_completed()
            case "gives nonsense":
                observer.on_next(nonsense(chunk, fault))
            case _:
                self.over()  # no more of it

    def over(self) -> None:
        self.silent = True

    silent = False
    threaded = False
    """Whether it runs on threads: then a Ctrl-C there is an error as others are."""


def nonsense(chunk: AudioChunk, fault: Fault) -> Any:
    """What no microphone gives."""
    bad: tuple[Any, ...] = (
        None,
        AudioChunk(np.full(CHUNK, np.nan, np.float32), RATE, chunk.start),
        AudioChunk(chunk.samples, 44_100, chunk.start),
        AudioChunk(np.zeros((CHUNK, 2), np.float32), RATE, chunk.start),
        b"\0\0",
        np.zeros(CHUNK, np.int16),
    )
    return odd(fault, bad)


def upset(subject: Subject[Any], fault: Fault, of: tuple[Any, ...]) -> None:
    """An observable of the app does what the fault says."""
    match fault.kind:
        case "raises":
            subject.on_error(exception(fault))  # type: ignore[arg-type]
        case "gives nothing":
            subject.on_completed()
        case _:
            subject.on_next(odd(fault, of))


class Steady(Slow):
    """A worker in virtual time whose steps take so many milliseconds each."""

    def __init__(self, clock: abc.SchedulerBase, ms: int) -> None:
        super().__init__(clock, random.Random(0), ms)
        self._ms = ms

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        self._free = max(self._free, self._clock.now) + timedelta(milliseconds=self._ms)
        return self._clock.schedule_absolute(self._free, lambda *_: action(self, state))


def play(talk: Talk, tmp: Path | None = None) -> World:
    """Run a conversation in virtual time, to its end."""
    clock: Any = marbles(tick_ms=1).scheduler
    world = World(talk, Moments(list(talk.faults)), clock, tmp)
    lanes: Any = tuple(None if ms is None else Steady(clock, ms) for ms in talk.lanes)
    disposes = [it for it in talk.faults if it.moment == "disposal"]
    life = SerialDisposable()

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        world.sources += 1
        chunks = world.chunks()

        def gone() -> None:
            world.sources -= 1
            world.over()

        for ms, *what in chunks:
            clock.schedule_relative(
                ms / 1000, lambda *_, it=what: None if world.silent else world.give(observer, *it)
            )

        def complete(*_: object) -> None:
            if not world.silent:
                observer.on_completed()

        clock.schedule_relative(chunks[-1][0] / 1000 + 0.02, complete)
        return Disposable(gone)

    def on_next(element: Any) -> None:
        world.after_end += world.ended is not None
        world.told.append(element)
        strike_subscriber(world, element)
        if any(world.is_time_to_leave(it, element) for it in disposes):
            clock.schedule_relative(0.025, dispose)

    def dispose(*_: object) -> None:
        world.ended = world.ended or "disposed"
        world.moments.disposing = True
        life.dispose()

    def end(error: Exception | None = None) -> None:
        world.after_end += world.ended is not None
        world.ended, world.error = "completed" if error is None else "failed", error

    with disk_of(world):
        pipe = world.pipe(Observable(subscribe), lanes)

        def begin() -> None:
            life.disposable = pipe.subscribe(on_next, end, end, scheduler=clock)

        attempt(world, begin)
        attempt(world, lambda: clock.run(200.0), again=True)
        if world.ended is None:
            attempt(world, dispose)
        attempt(world, lambda: clock.run(400.0), again=True)
    return world


@contextmanager
def disk_of(world: World) -> Iterator[None]:
    """What `record` writes to may fail."""
    if "recorder" not in world.talk.parts:
        yield
        return
    judge = Judge(world.moments, "recorder", lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disk, "judge", staticmethod(judge), raising=False)
        patch.setattr(import_module("rxvoice.sinks.wav"), "WavSink", Disk)
        yield


def attempt(world: World, action: Callable[[], object], *, again: bool = False) -> None:
    """Do it. What escapes is noted, and the rest goes on, as in an app that catches it."""
    while True:
        try:
            action()
        except BaseException as error:
            if not any(error is it for it in world.moments.raised):
                raise
            world.escaped.append(error)
            if not again:
                return
        else:
            return


def strike_subscriber(world: World, element: Any) -> None:
    """What the app does with an element may raise."""
    if not any(it.stage == "subscriber" for it in world.moments.faults):
        return
    moment = {
        "TurnOpened": "first",
        "Candidate": "first",
        "Speech": "piece",
        "FinishedTurn": "piece",
        "TurnEnded": "turn end",
        "Interrupted": "interruption",
        "Paused": "pause",
    }.get(type(element).__name__, "")
    turn = getattr(element, "turn", None)
    number = world.answered() if turn is None else max(word_of(turn.audio), -1)
    if number < 0:
        number = world.utterance  # its sound is still to come
    fault = world.moments.meets("subscriber", number, moment) if moment else None
    if fault is not None:
        world.moments.strike(fault)
