"""A conversation in virtual time, for the tests of `converse`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Notice, TurnFailed
from rxvoice.testing import (
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    FakeTranscriber,
    Marbles,
    marbles,
)

RATE = 1000
CHAR = 10  # samples and milliseconds per character of speech
VOICE = FakeSynthesizer(samples_per_char=CHAR, sample_rate=RATE)


def clock() -> Marbles:
    """A character of a diagram is a chunk of 10 ms, 10 samples."""
    return marbles(tick_ms=10, sample_rate=RATE)


class Talk:
    """A text model that keeps a conversation, as the real ones do.

    Args:
        replies: its answers, each a str or its pieces, a `Notice` among them.
        every_ms: milliseconds before each piece; None: at once.
    """

    def __init__(self, *replies: str | Sequence[str | Notice], every_ms: float | None = None):
        self.conversation = rxv.Conversation()
        self.asked: list[str] = []
        self.told: list[str] = []
        self.open = 0
        """Answers being given, and how many were at the most."""
        self.most_open = 0
        self._replies = replies
        self._every_ms = every_ms
        self._settled: set[int] = set()

    @property
    def history(self) -> list[tuple[str, str]]:
        return [(it["role"], it["content"]) for it in self.conversation.messages]

    def respond(self, text: str) -> Observable[str | Notice]:
        """Cold: the question is taken when the answer is asked for."""
        self.asked.append(text)
        number = len(self.asked)
        reply = self._replies[min(number, len(self._replies)) - 1]
        pieces = [reply] if isinstance(reply, str) else reply
        self.conversation.add_user(text)
        answer: list[Any] = []

        def note(piece: str | Notice) -> None:
            if number in self._settled:
                return
            if isinstance(piece, Notice):  # a tool was called
                self.conversation.messages.append({"role": "tool", "content": piece.message})
            elif not answer:
                answer.append(self.conversation.add_assistant(piece))
            else:
                answer[0]["content"] += piece

        self.open += 1
        self.most_open = max(self.most_open, self.open)

        def closed() -> None:
            self.open -= 1

        given: Observable[Any]
        if self._every_ms is None:
            given = rx.from_iterable(pieces, scheduler=rx.scheduler.ImmediateScheduler())
        else:
            seconds = self._every_ms / 1000
            given = rx.timer(seconds, seconds).pipe(
                ops.take(len(pieces)), ops.map(lambda n: pieces[n])
            )
        return given.pipe(ops.do_action(note), ops.finally_action(closed))

    def heard(self, text: str) -> None:
        self.told.append(text)
        self._settled.add(len(self.asked))
        self.conversation.heard(text)

    def forget(self) -> None:
        self._settled.add(len(self.asked))
        messages = self.conversation.messages
        while messages and messages.pop()["role"] != "user":
            pass


class Voice(FakeSynthesizer):
    """As `VOICE`, with generators that it knows to be open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(samples_per_char=CHAR, sample_rate=RATE, **options)
        self.open = self.most_open = 0

    def synthesize_stream(self, text: str, /) -> Any:
        given = super().synthesize_stream(text)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        if isinstance(given, Observable):
            return given.pipe(ops.finally_action(self._closed))
        return self._counted(given)

    def _counted(self, pieces: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from pieces
        finally:
            self._closed()

    def _closed(self) -> None:
        self.open -= 1


class Scene:
    """Somebody speaks as in a diagram, and it is answered.

    Args:
        busy_ms: how long the text model's thread does something else; None: it has none.
        hears: what comes of a turn, in place of a recogniser.
        stages: those between the text model and the voice.
        decide: says of a turn whether it may interrupt.
        discard_at: when the app discards the turn that is open, in ms.

    Attributes:
        lines: what came, a line each: ``"120 Speaking 1"``; without `Speech` and ``TurnEnded``.
        told: what came out of the operator.
        heard: the text that was heard, decoded from the samples.
    """

    def __init__(
        self,
        mic: str,
        *texts: str,
        llm: Any = None,
        stt: Any = None,
        hears: Callable[[Marbles, rxv.Turn], Observable[Any]] | None = None,
        tts: Any = None,
        silence_ms: int = 30,
        dispose_at: int | None = None,
        sink: Any = None,
        at: Sequence[tuple[int, Any]] = (),
        source: Any = None,
        preroll_ms: int = 0,
        busy_ms: int | None = None,
        stages: Sequence[Any] = (),
        decide: Any = None,
        discard_at: Sequence[int] = (),
        **options: Any,
    ) -> None:
        self.m = m = clock()
        self.llm = llm or Talk("One two. Three four.")
        self.stt = stt or FakeTranscriber(*texts or ("hi",))
        self.tts = tts or VOICE
        self.speaker = FakeSpeaker(m.scheduler, sample_rate=RATE) if sink is None else sink(m)
        self.turns: list[rxv.Turn] = []
        chunks = m.cold(mic) if source is None else source(m)
        worker = None
        if busy_ms is not None:
            worker = TestScheduler()
            m.scheduler.schedule_relative(busy_ms / 1000, lambda *_: worker.start())
        for ms, act in at:
            m.scheduler.schedule_relative(ms / 1000, lambda *_, act=act: act(self))
        discard = Subject[None]()
        for ms in discard_at:
            m.scheduler.schedule_relative(ms / 1000, lambda *_: discard.on_next(None))
        turns = chunks.pipe(
            vox.preroll(preroll_ms),
            vox.turn_window(
                rxv.silence(silence_ms), **({"discard": discard} if discard_at else {})
            ),
            ops.do_action(lambda it: self.turns.append(it) if isinstance(it, rxv.Turn) else None),
        )
        for name in ("interrupts", "says", "interruptions"):
            if callable(made := options.get(name)):
                options[name] = made(m)
        if decide is not None:
            options["interruptions"] = decide

        def listen(turns: Observable[Any]) -> Observable[Any]:
            return turns.pipe(ops.flat_map(lambda it: hears(m, it)))

        operator = vox.converse(
            vox.transcribe(self.stt) if hears is None else listen,
            vox.respond(self.llm, worker=worker),
            *stages,
            vox.synthesize(self.tts),
            sink=self.speaker,
            **options,
        )
        self.told: list[Any] = []
        said = turns.pipe(operator, ops.do_action(self.told.append))
        self.recorded = m.record(said, dispose_at=dispose_at)
        self.lines = [
            f"{it.ms} {line}"
            for it in self.recorded
            if not isinstance(it.value, Speech | rxv.events.TurnEnded)
            and (line := _line(it.kind, it.value)) is not None
        ]

    @property
    def speech(self) -> list[Speech]:
        return [it for it in self.told if isinstance(it, Speech)]

    @property
    def heard(self) -> str:
        return decode(self.speaker.heard)

    def only(self, *names: str) -> list[str]:
        return [line for line in self.lines if line.split()[1] in names]

    def without(self, *names: str) -> list[str]:
        return [line for line in self.lines if line.split()[1] not in names]


WORDS = ["stop", "what is it", "no", "", "go on please", "two", "hm"]


def random_scene(seed: int) -> Scene:
    """Whatever is said when."""
    dice = random.Random(seed)
    mic = "".join(
        "~" * dice.randint(1, 14) + "_" * dice.choice([1, 2, 4, 8, 20, 60, 90])
        for _ in range(dice.randint(3, 8))
    )
    texts = ["hi", *(dice.choice(WORDS) for _ in range(8))]
    slow = dice.choice([None, 5, 60, 200])
    stt = dice.choice(
        [
            FakeTranscriber(*texts, after_ms=slow),
            FakeStreamingTranscriber(*texts),
        ]
    )
    replies = [
        [f"{chr(65 + n)} one two. ", "Three four five. ", "The end!"][: dice.randint(1, 3)]
        for n in range(12)
    ]
    voice = Voice(pieces=dice.randint(1, 3), every_ms=dice.choice([None, None, 15]))
    preempt = dice.choice([None, None, 20])
    keys: dict[str, Any] = {"N": None, "T": "typed"}
    presses = "".join(dice.choice("-" * 40 + "NT") for _ in range(len(mic)))
    return Scene(
        mic + "_" * 10 + "|",
        stt=stt,
        llm=Talk(*replies, every_ms=dice.choice([None, 10, 40, 150])),
        tts=voice,
        silence_ms=dice.choice([20, 40, 80]),
        min_speech_ms=dice.choice([0, 20, 50, 100]),
        min_words=dice.choice([0, 0, 2]),
        resume_after_ms=dice.choice([0, 30, 100, 1500]),
        hold_ms=dice.choice([0, 50, 10_000]),
        backchannels=dice.choice([(), ("hm",)]),
        own_words=dice.random() > 0.3,
        interruptions=dice.random() > 0.15,
        stop_words=dice.choice([(), ("stop",)]),
        echo_tail_ms=dice.choice([0, 50, 450]),
        warm_up_ms=dice.choice([0, 0, 40]),
        duck=dice.choice([None, None, 0.3]),
        preempt_after_ms=preempt,
        idle_ms=dice.choice([None, 70]),
        interrupts=(lambda m: m.cold(presses, keys)) if dice.random() < 0.4 else None,
    )


def decode(samples: Any) -> str:
    """The characters that these samples are, each with at least half of its own."""
    codes = np.rint(np.asarray(samples) * 2**21).astype(int)
    return "".join(chr(code) for code in codes[CHAR // 2 :: CHAR])


def _line(kind: str, it: Any) -> str | None:
    if kind != "next":
        return kind if it is None else f"{kind} {it}"
    name = type(it).__name__
    if isinstance(it, FinishedTurn):
        cut = " interrupted" if it.interrupted else ""
        return f"FinishedTurn {it.user_text!r} {it.assistant_text!r}{cut}"
    if isinstance(it, TurnFailed):
        return f"TurnFailed {it.turn.id} {it.error.stage}"
    if isinstance(it, Notice):
        return f"Notice {it.message}"
    told = [name]
    for field in ("turn", "reason", "text", "heard", "ms"):
        value = getattr(it, field, None)
        if isinstance(value, rxv.Turn):
            told.append(str(value.id))
        elif value is not None:
            told.append(str(value) if field in ("reason", "ms") else repr(value))
    return " ".join(told)
