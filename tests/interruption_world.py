"""A conversation at random: who says what when, with models that count what they have open.

The same models, in virtual time and on real threads: each takes its steps on a worker, and what
differs is how long the worker lets it wait.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from interruption_story import Story, Told, tell, told_words
from reactivex import Observable, Subject, abc
from reactivex import operators as ops
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.sinks._sink import Sink
from rxvoice.testing import FakeSynthesizer

__all__ = ["CHUNK", "Plan", "Quick", "Slow", "World", "microphone"]

RATE = 1000  # Hz, of the microphone and of the voice
CHUNK = 10  # samples, and so milliseconds
CHAR = 10  # samples of speech per character
VOICE = FakeSynthesizer(samples_per_char=CHAR, sample_rate=RATE)
SAYINGS = ("", "", "stop", "please stop now", "what is it", "hm", "go on please", "one two")
FAILS = "#"
FULL = 2**23
"""The microphone's sample number `FULL` would be a 1."""

Wait = Callable[[], None]


def nothing() -> None:
    """Wait for nothing."""


class Ear:
    """A recogniser that knows each turn by its first sample, and keeps what it was given."""

    def __init__(self, seed: int, fails: float, wait: Wait) -> None:
        self._seed, self._fails, self._wait = seed, fails, wait
        self.given: dict[int, list[Any]] = {}
        """By the first sample, one list of pieces for each time it was asked."""
        self.open = 0

    def says(self, start: int) -> str:
        dice = random.Random(f"ear {self._seed} {start}")
        if dice.random() < self._fails:
            return FAILS
        saying = dice.choice(SAYINGS)
        return f"u{start} {saying}" if saying else ""

    def transcribe_turn(self, audio: Any, /) -> str:
        self._wait()
        start = index(audio)
        self.given.setdefault(start, []).append([audio])
        text = self.says(start)
        if text == FAILS:
            raise OSError(f"ear of {start}")
        return text


class StreamingEar(Ear):
    """One that says a word for each chunk, and goes back on what it said now and then."""

    def session(self) -> Listening:
        return Listening(self)


class Listening:
    """What `StreamingEar` makes of a turn."""

    def __init__(self, ear: StreamingEar) -> None:
        self._ear = ear
        self._pieces: list[Any] = []
        self._words: list[str] = []
        self._said = self._steps = 0
        self._closed = False
        self._dice = random.Random()

    @property
    def done(self) -> bool:
        return self._closed and self._said >= len(self._words) and self._words != [FAILS]

    def feed(self, samples: Any, /) -> None:
        self._ear._wait()
        if not self._pieces:
            start = index(samples)
            self._ear.given.setdefault(start, []).append(self._pieces)
            self._dice = random.Random(f"listening {self._ear._seed} {start}")
            text = self._ear.says(start)
            self._words = text.split()
        self._pieces.append(samples)

    def step(self) -> str | None:
        self._steps += 1
        if self._words == [FAILS] and self._dice.random() < 0.5:
            raise OSError("ear")
        if self._closed:
            if self._words == [FAILS]:
                raise OSError("ear")
            self._said = len(self._words)
        elif self._dice.random() < 0.5:
            return None
        elif self._said < len(self._words):
            self._said += 1
        if self._words == [FAILS]:
            return "wrong"
        return " ".join(self._words[: self._said])

    def close(self) -> None:
        self._closed = True


class Writer:
    """A text model with a memory, as the real ones: told what was heard, it cuts it to that."""

    def __init__(self, seed: int, fails: float, wait: Wait) -> None:
        self._seed, self._fails, self._wait = seed, fails, wait
        self.conversation = rxv.Conversation()
        self.asked: list[str] = []
        self.forgotten: list[str] = []
        self.told: list[str] = []
        self.open = self.most_open = 0
        self.wrong: list[str] = []

    def respond(self, text: str, /) -> Generator[str]:
        number = len(self.asked)
        self.asked.append(text)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            self.conversation.add_user(text)
            answer: Any = None
            for piece in self._pieces(number, text):
                self._wait()
                if piece == FAILS:
                    raise OSError("writer")
                if piece:
                    if answer is None:
                        answer = self.conversation.add_assistant("")
                    answer["content"] += piece
                yield piece
        finally:
            self.open -= 1

    def _pieces(self, number: int, text: str) -> Iterator[str]:
        dice = random.Random(f"writer {self._seed} {number} {text}")
        shape = dice.random()
        if shape < 0.05:
            return
        if shape < 0.1:
            yield "... !"  # nothing that could be spoken
            return
        for n in range(dice.randint(1, 4)):
            for word in f"R{number}x{n} says {'very ' * dice.randint(0, 3)}well.".split():
                if dice.random() < self._fails:
                    yield FAILS
                if dice.random() < 0.2:
                    yield ""
                yield word + " "

    def heard(self, text: str, /) -> None:
        if self.open:
            self.wrong.append(f"told {text!r} while it writes")
        self.told.append(text)
        self.conversation.heard(text)

    def forget(self) -> None:
        if self.open:
            self.wrong.append("told to forget while it writes")
        messages = self.conversation.messages
        while messages and (last := messages.pop())["role"] != "user":
            pass
        self.forgotten.append(last["content"])


class Mouth:
    """A voice in pieces: its sound tells the text."""

    sample_rate = RATE

    def __init__(self, seed: int, fails: float, wait: Wait) -> None:
        self._dice = random.Random(f"mouth {seed}")
        self._fails, self._wait = fails, wait
        self.open = self.most_open = 0

    def synthesize_stream(self, text: str, /) -> Generator[Any]:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for piece in np.array_split(VOICE.sound(text), self._dice.randint(1, 4)):
                self._wait()
                if self._dice.random() < self._fails:
                    raise OSError("mouth")
                yield piece
        finally:
            self.open -= 1


def index(samples: Any) -> int:
    """Of the first sample, which each sample of the microphone says itself."""
    return round(float(samples[0]) * FULL)


def microphone(flags: list[bool]) -> list[AudioChunk]:
    """Chunks whose samples say their own index."""
    return [
        AudioChunk((np.arange(at, at + CHUNK) / FULL).astype(np.float32), RATE, at, speech=flags[n])
        for n, at in enumerate(range(0, len(flags) * CHUNK, CHUNK))
    ]


class Slow(PeriodicScheduler):
    """A worker in virtual time: its steps run in order, each some time after the one before."""

    def __init__(self, clock: abc.SchedulerBase, dice: random.Random, most_ms: float) -> None:
        super().__init__()
        self._clock, self._dice, self._most_ms = clock, dice, most_ms
        self._free: datetime = clock.now

    @property
    def now(self) -> datetime:
        return self._clock.now

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        ms = self._dice.choice([0, self._dice.random()]) * self._most_ms
        self._free = max(self._free, self._clock.now) + timedelta(milliseconds=round(ms))
        return self._clock.schedule_absolute(self._free, lambda *_: action(self, state))

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        return self._clock.schedule_relative(duetime, lambda *_: action(self, state))

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        return self._clock.schedule_absolute(duetime, lambda *_: action(self, state))


class Quick(Sink):
    """A loudspeaker with a thread of its own, many times faster than a real one."""

    def __init__(self, seed: int, *, most_wait_s: float = 0.0006, most_samples: int = 60) -> None:
        self._dice = random.Random(f"quick {seed}")
        self._most_wait_s, self._most_samples = most_wait_s, most_samples
        self._changed = threading.Condition()
        self._taken = np.empty(0, np.float32)
        self.position = 0
        self.played: Subject[int] = Subject()
        self.events: Subject[Any] = Subject()
        self.paused = self.stopped = False
        self.gain = 1.0
        self._thread = threading.Thread(target=self._run, name="quick")
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._can_play)
                if self.stopped:
                    return
                self._changed.wait(self._dice.random() * self._most_wait_s)
                if not self._can_play() or self.stopped:
                    continue
                more = self._dice.randint(1, self._most_samples)
                self.position = min(len(self._taken), self.position + more)
                position, over = self.position, self.position == len(self._taken)
                self._changed.notify_all()
            if over or self._dice.random() < 0.3:
                self.played.on_next(position)

    def _can_play(self) -> bool:
        return self.stopped or (not self.paused and self.position < len(self._taken))

    @property
    def heard(self) -> Any:
        with self._changed:
            return self._taken[: self.position]

    @property
    def is_running(self) -> bool:
        return self.position < len(self._taken)

    @property
    def queued_ms(self) -> int:
        with self._changed:
            return (len(self._taken) - self.position) * 1000 // RATE

    def set_sample_rate(self, sample_rate: int, /) -> None:
        pass

    def write_samples(self, samples: Any, /) -> int:
        with self._changed:
            self._taken = np.concatenate([self._taken, np.asarray(samples, np.float32)])
            self._changed.notify_all()
        return len(samples)

    def pause(self) -> None:
        with self._changed:
            self.paused = True

    def resume(self) -> None:
        with self._changed:
            self.paused = False
            self._changed.notify_all()

    def duck(self, gain: float, /) -> None:
        self.gain = gain

    def clear(self) -> Any:
        with self._changed:
            unheard = self._taken[self.position :]
            self._taken = self._taken[: self.position]
            self._changed.notify_all()
        return unheard

    def flush(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.position == len(self._taken), 60):
                raise RuntimeError("never played to its end: still paused?")

    def stop(self) -> None:
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
        self._thread.join(60)


class Noted:
    """A sink without some of its members, which notes what it took and where it was cleared."""

    def __init__(self, sink: Any, without: frozenset[str]) -> None:
        self._sink, self._without = sink, without
        self.taken = 0  # less what was cleared
        self.starts: list[tuple[Any, int]] = []  # each piece, and what it had before
        self.asked = 0  # the last position told
        self.clears: list[tuple[int, int]] = []  # the position asked before, and taken after

    def __getattr__(self, name: str) -> Any:
        if name in self._without:
            raise AttributeError(name)
        value = getattr(self._sink, name)
        if name == "position":
            self.asked = value
        return value

    def write_samples(self, samples: Any, /) -> int:
        self.starts.append((samples, self.taken))
        taken = self._sink.write_samples(samples)
        self.taken += taken
        return taken

    def start(self, piece: Any) -> int | None:
        """How many samples it had when it was given this piece; None: it never was."""
        return next((at for samples, at in self.starts if samples is piece), None)

    def clear(self) -> Any:
        unheard = self._sink.clear()
        self.taken -= len(unheard)
        asked = self.taken if "position" in self._without else self.asked
        self.clears.append((asked, self.taken))
        return unheard


@dataclass
class Plan:
    """All that chance decides of a conversation."""

    seed: int
    flags: list[bool]
    options: dict[str, Any]
    silence_ms: int
    streaming: bool
    without: frozenset[str]
    fails: tuple[float, float, float]
    presses: list[tuple[int, str | None]]
    """Milliseconds of the microphone, and what the app says."""

    @classmethod
    def roll(
        cls, seed: int, *, turns: tuple[int, int] = (3, 9), longest: int = 90, ms: float = 1
    ) -> Plan:
        """Throw the dice.

        Args:
            turns: at least and at most.
            longest: chunks of silence between them.
            ms: real milliseconds in one of the conversation's, for what a clock measures.
        """
        dice = random.Random(f"plan {seed}")
        flags: list[bool] = []
        for _ in range(dice.randint(*turns)):
            for _ in range(dice.choice([1, 1, 1, 2, 3])):
                flags += [True] * dice.randint(1, 14)
                flags += [False] * dice.choice([1, 1, 2, 3])
            flags += [False] * min(longest, dice.choice([2, 4, 8, 20, 60, 90]))
        flags += [False] * 10
        failing = dice.random() < 0.3
        low = dice.choice([0.005, 0.03])
        lacks = dice.random()
        without: set[str] = set()
        if lacks < 0.25:
            names = ["pause", "position", "played", "events", "queued_ms"]
            without = {name for name in names if dice.random() < 0.4}
            if "pause" in without:
                without.add("resume")
        options: dict[str, Any] = {
            "min_speech_ms": dice.choice([0, 20, 50, 100]),
            "min_words": dice.choice([0, 0, 0, 2]),
            "min_chars": dice.choice([0, 2, 2]),
            "resume_after_ms": dice.choice([0, 30, 100, 1500]) * ms,
            "hold_ms": dice.choice([0, 50, 10_000]) * ms,
            "backchannels": dice.choice([(), ("hm",)]),
            "own_words": dice.random() > 0.3,
            "interruptions": dice.random() > 0.15,
            "stop_words": dice.choice([(), ("stop",)]),
            "echo_tail_ms": dice.choice([0, 50, 450]) * ms,
            "warm_up_ms": dice.choice([0, 0, 40]) * ms,
            "duck": dice.choice([None, None, None, 0.3]),
            "preempt_after_ms": dice.choice([None, None, 0, 20]),
            "preempt_tries": dice.choice([1, 2, 5]),
            "idle_ms": dice.choice([None, max(1, 70 * ms)]),
            "echo": (lambda it: index(it) // 200 % 3 == 0) if dice.random() < 0.2 else None,
        }
        presses: list[tuple[int, str | None]] = []
        if dice.random() < 0.5:
            for n in range(dice.randint(1, 6)):
                at = dice.randint(0, len(flags) * CHUNK)
                said = None if dice.random() < 0.5 else f"t{n} typed"
                presses.append((at, said))
                if dice.random() < 0.3:
                    presses.append((at, dice.choice([None, f"t{n} again", " "])))
        presses.sort(key=lambda press: press[0])
        return cls(
            seed,
            flags,
            options,
            dice.choice([20, 40, 80]),
            dice.random() < 0.5,
            frozenset(without),
            (low * 3, low, low) if failing else (0, 0, 0),
            presses,
        )


@dataclass
class World:
    """A conversation in progress, and what is to be said of it when it is over."""

    plan: Plan
    speaker: Any
    wait: Wait = nothing
    told: list[Any] = field(default_factory=list[Any])
    turns: list[rxv.Turn] = field(default_factory=list[rxv.Turn])
    clears: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """The last clear when a turn was told to be interrupted."""
    wrong: list[str] = field(default_factory=list[str])
    ended: str | None = None

    def __post_init__(self) -> None:
        seed, (ear, writer, mouth) = self.plan.seed, self.plan.fails
        self.ear = (StreamingEar if self.plan.streaming else Ear)(seed, ear, self.wait)
        self.writer = Writer(seed, writer, self.wait)
        self.mouth = Mouth(seed, mouth, self.wait)
        self.sink = Noted(self.speaker, self.plan.without)
        self._inside: int | None = None

    def pipe(
        self,
        chunks: Observable[Any],
        presses: Observable[Any],
        listening: abc.SchedulerBase | None,
        text: abc.SchedulerBase | None,
        speech: abc.SchedulerBase | None,
    ) -> Observable[Any]:
        """The conversation, and all that watches it."""

        def opened(it: object) -> None:
            if isinstance(it, rxv.Turn):
                self.turns.append(it)

        operator: Any = vox.converse(
            vox.transcribe(self.ear, worker=listening),
            vox.respond(self.writer, worker=text),
            vox.synthesize(self.mouth, worker=speech),
            sink=self.sink,
            interrupts=presses,
            **self.plan.options,
        )
        return chunks.pipe(
            vox.turn_window(rxv.silence(self.plan.silence_ms)),
            ops.do_action(opened),
            operator,
            self._watched,
        )

    def _watched(self, source: Observable[Any]) -> Observable[Any]:
        """Everything, as it comes out; and that it comes one at a time, and nothing at the end."""

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            def alone(action: Callable[[], None]) -> None:
                me = threading.get_ident()
                if self._inside is not None:
                    self.wrong.append(f"{me} came in while {self._inside} was there")
                if self.ended is not None:
                    self.wrong.append("something after the end")
                self._inside = me
                try:
                    action()
                finally:
                    self._inside = None

            def on_next(element: Any) -> None:
                def act() -> None:
                    self._note(element)
                    observer.on_next(element)

                alone(act)

            def end(kind: str, action: Callable[[], None]) -> None:
                alone(lambda: None)
                self.ended = kind
                action()

            return source.subscribe(
                on_next,
                lambda error: end(f"error {error!r}", lambda: observer.on_error(error)),
                lambda: end("completed", observer.on_completed),
                scheduler=scheduler,
            )

        return Observable(subscribe)

    def _note(self, element: Any) -> None:
        self.told.append(element)
        if isinstance(element, events.Interrupted) and self.sink.clears:
            self.clears[id(element.turn)] = self.sink.clears[-1]

    def over(self, how: str) -> None:
        """Nothing may come any more."""
        self.ended = self.ended or how

    # What is to be said

    def check_cut(self) -> None:
        """All that must hold when it was disposed or has failed."""
        assert not self.wrong, self.wrong
        assert not self.writer.wrong, self.writer.wrong
        assert (self.writer.open, self.mouth.open) == (0, 0), "a generator is open"
        assert not self.speaker.paused, "the sink is still paused"
        assert self.speaker.gain == 1, "the sink is still ducked"
        story = Story(
            interruptions=self.plan.options["interruptions"],
            pauses=self.plan.options["duck"] is None,
        )
        tell(self.told, story, ended=self.ended == "completed")
        current = [it for it in story.turns.values() if it.speech and it.state == "current"]
        if current and self.ended != "completed":
            assert len(self.speaker.heard) == self.sink.taken, "a reply is heard after the end"

    def check(self) -> Story:
        """All that must hold when it is over."""
        assert self.ended == "completed", self.ended
        assert not self.wrong, self.wrong
        assert not self.writer.wrong, self.writer.wrong
        plan = self.plan
        pauses = plan.options["duck"] is None
        story = Story(interruptions=plan.options["interruptions"], pauses=pauses)
        tell(self.told, story)
        self._check_audio(story)
        self._check_heard(story)
        self._check_memory(story)
        assert (self.writer.open, self.mouth.open) == (0, 0), "a generator is open"
        assert self.writer.most_open <= 1, "two answers were being written at once"
        assert self.mouth.most_open <= 1, "two sentences were being spoken at once"
        assert not self.speaker.paused, "the sink is still paused"
        assert self.speaker.gain == 1, "the sink is still ducked"
        return story

    def _check_audio(self, story: Story) -> None:
        """Each sample of speech is in one turn, and each turn went to the recogniser, whole."""
        covered: set[int] = set()
        for turn in self.turns:
            assert id(turn) in story.turns, f"nothing was told of turn {turn.id}"
            told = story.turns[id(turn)]
            samples = np.rint(np.asarray(turn.audio, np.float64) * 2**23).astype(int).tolist()
            assert not covered.intersection(samples), "a sample is in two turns"
            covered.update(samples)
            given = self.ear.given.get(samples[0], [])
            whole = [all for all in given if np.array_equal(np.concatenate(all), turn.audio)]
            assert len(given) <= 1, f"turn {turn.id} was recognised {len(given)} times"
            if told.reason in ("short", "echo", "no_words", "closed") and told.text is None:
                continue
            if told.failed is not None or told.reason == "failed":
                continue
            if told.state == "pending":
                continue  # and nobody was there to take its words up: see `_check_memory`
            assert len(whole) == 1, f"not all of turn {turn.id} was recognised"
            if told.text is None:
                continue
            assert told.text.split() == self.ear.says(samples[0]).split(), (
                f"somebody else's words: {told.text!r} of {samples[0]}"
            )
        for n, speech in enumerate(self.plan.flags):
            if speech:
                assert n * CHUNK in covered, f"sample {n * CHUNK} is in no turn"
        for start in self.ear.given:
            assert any(turn.start == start for turn in self.turns)

    def _says(self, it: Told) -> str | None:
        """What was said in a turn that was set aside, whose words nobody is told."""
        said = self.ear.says(it.turn.start) if len(it.turn.audio) else it.text
        return None if said == FAILS else said

    def _check_heard(self, story: Story) -> None:
        """What was played is the beginnings of replies, in order, and as long as was told."""
        heard = np.asarray(self.speaker.heard)
        starts = {
            id(it): start
            for it in story.turns.values()
            if it.speech and (start := self.sink.start(it.speech[0].samples)) is not None
        }
        replies = [it for it in story.turns.values() if id(it) in starts]
        replies.sort(key=lambda it: self.told.index(it.speech[0]))
        knows = not {"position", "played"} & self.plan.without
        paced = False
        for n, it in enumerate(replies):
            pieces = [np.asarray(piece.samples) for piece in it.speech]
            all_of_it = np.concatenate(pieces)
            start = starts[id(it)]
            later = replies[n + 1 :]
            end = starts[id(later[0])] if later else len(heard)
            played = heard[start:end]
            if knows:
                assert np.array_equal(played, all_of_it[: len(played)]), "no beginning of a reply"
                if it.end == "Finished":
                    assert len(played) == len(all_of_it), "finished but not played"
            sentences = sentences_of(it.speech)
            if it.end == "Interrupted":
                asked, taken = self.clears[id(it.turn)]
                if knows:
                    assert asked <= taken, "more heard than was played"
                    assert taken == start + len(played)
                wanted = heard_words(sentences, asked - start)
                got = told_words(it.heard or "")
                assert got == wanted[: len(got)], f"told more than was heard: {got}, {wanted}"
                # The last word of a sentence that may go on is not told; without a pace, fewer.
                paced = paced or any(is_complete(each) for each in sentences[:-1])
                whole = len(sentences) > 0 and it.speech[-1].sentence.is_over  # type: ignore[union-attr]
                if whole and it.failed is None:
                    assert got == wanted, (got, wanted, asked - start, sentences)
                elif paced and it.failed is None:
                    assert len(got) >= len(wanted) - 1, (got, wanted, asked - start, sentences)
            paced = paced or any(is_complete(each) for each in sentences[:-1])
            paced = paced or it.end == "Finished"

    def _check_memory(self, story: Story) -> None:
        """What the model keeps of it is what was said, and what was heard."""
        told = list(story.turns.values())
        asked = self.writer.asked.copy()
        for forgotten in self.writer.forgotten:
            asked.remove(forgotten)
        # A typed question does not take up the words of a turn that it came between.
        spoken = [it for it in told if len(it.turn.audio)]
        last = max((it.answered_at for it in spoken), default=-1)
        for it in told:
            said = it.text if it.state != "pending" else self._says(it)
            if it.reason is not None or not told_words(said or ""):
                continue
            holding = [question for question in asked if said.strip() in question]  # type: ignore[union-attr]
            if not holding and it.end == "Interrupted" and it.ended_at > last:
                continue  # nobody came who could have taken its words up
            assert len(holding) == 1, f"{said!r} was asked {len(holding)} times: {asked}"
        kept = [
            (message["role"], " ".join(message["content"].split()))
            for message in self.writer.conversation.messages
        ]
        assert all(text for _, text in kept), f"an empty message is kept: {kept}"
        assert [text for role, text in kept if role == "user"] == [
            " ".join(question.split()) for question in asked
        ]
        logs: dict[str, list[str]] = {}
        for it in told:
            if it.log is not None:
                logs.setdefault(" ".join(it.log.user_text.split()), []).append(
                    " ".join(it.log.assistant_text.split())
                )
        for n, (role, text) in enumerate(kept):
            if role != "user" or text not in logs:
                continue
            answer = kept[n + 1][1] if kept[n + 1 : n + 2] and kept[n + 1][0] != "user" else ""
            assert answer == logs[text][0], f"kept of {text!r}: {answer!r}, told: {logs[text][0]!r}"


def sentences_of(speech: list[Speech]) -> list[tuple[str, int]]:
    """Each sentence, with how many samples were made of it."""
    found: list[tuple[str, int]] = []
    for piece in speech:
        if found and found[-1][0] == piece.text:
            found[-1] = (piece.text, found[-1][1] + len(piece.samples))
        else:
            found.append((piece.text, len(piece.samples)))
    return found


def is_complete(sentence: tuple[str, int]) -> bool:
    """Whether all of its sound was made."""
    text, length = sentence
    return length == len(text) * CHAR


def heard_words(sentences: list[tuple[str, int]], samples: int) -> list[str]:
    """The words that end within so many samples."""
    words: list[str] = []
    for text, _ in sentences:
        length = max(0, min(len(text), samples // CHAR))
        cut = text[:length]
        if length < len(text) and text[length].isalnum():
            cut = cut[: max((i for i, c in enumerate(cut) if not c.isalnum()), default=0)]
        words += told_words(cut)
        samples -= len(text) * CHAR
        if samples < 0:
            break
    return words
