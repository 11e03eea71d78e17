"""Models of a soak, and a loudspeaker: they raise, give nothing, and hang."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from reactivex import abc
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxvoice._language.model import LanguageModel
from rxvoice._language.question import fewest_turns
from rxvoice.sinks._forwarding import ForwardingSink

__all__ = ["CONTEXT", "TIMEOUT_MS", "VOICE_RATE", "Ear", "Lane", "Mouth", "Refusing", "Writer"]

VOICE_RATE = 8_000
CONTEXT = 400
"""Words that the text model takes at once."""
TIMEOUT_MS = 3_000


class Lane(PeriodicScheduler):
    """The thread of a model, in virtual time: its steps take a while, and now and then for ever."""

    def __init__(self, clock: abc.SchedulerBase, dice: random.Random, most_ms: float) -> None:
        super().__init__()
        self._clock, self._dice, self._most_ms = clock, dice, most_ms
        self._free: datetime = clock.now
        self.hung = 0

    @property
    def now(self) -> datetime:
        return self._clock.now

    def schedule(self, action: Any, state: Any = None) -> abc.DisposableBase:
        seconds = self._dice.random() * self._most_ms / 1000
        if self._dice.random() < 0.0004:
            self.hung += 1
            seconds = 5 * TIMEOUT_MS / 1000
        self._free = max(self._free, self._clock.now) + timedelta(seconds=seconds)
        return self._clock.schedule_absolute(self._free, lambda *_: action(self, state))

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        return self._clock.schedule_relative(duetime, lambda *_: action(self, state))

    def schedule_absolute(self, duetime: Any, action: Any, state: Any = None) -> abc.DisposableBase:
        return self._clock.schedule_absolute(duetime, lambda *_: action(self, state))


class Ear:
    """A recogniser that tells a word now and then; some turns have none, and some make it raise."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def session(self) -> Listening:
        return Listening(self._dice)


class Listening:
    """What `Ear` makes of one turn."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        many = dice.choice([0, 0, 1, 2, 5, 9])
        self._words = [
            dice.choice(["stop", "what", "is", "it", "mhm", "three"]) for _ in range(many)
        ]
        self._said = 0
        self._closed = False

    @property
    def done(self) -> bool:
        return self._closed and self._said == len(self._words)

    def feed(self, samples: Any, /) -> None:
        if self._dice.random() < 0.0005:
            raise OSError("the ear")

    def step(self) -> str | None:
        if self._closed:
            self._said = len(self._words)
        elif self._said < len(self._words) and self._dice.random() < 0.1:
            self._said += 1
        else:
            return None
        return " ".join(self._words[: self._said])

    def close(self) -> None:
        self._closed = True


class Writer(LanguageModel):
    """A text model with a history, and a context that is soon full."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__(system_prompt="Be brief.", max_tokens=64, context_tokens=CONTEXT)
        self._dice = dice
        self.most_words = self.open = 0

    def respond(self, text: str, /) -> Generator[Any, None, None]:
        yield from self._respond(text)

    def _prepare(self) -> None:
        if self._dice.random() < 0.01:
            raise OSError("the writer is not ready")

    def _write(self, question: Any) -> Generator[Any, None, None]:
        self.open += 1
        try:
            if too_many := self._excess(question):
                yield from self._drop_oldest(
                    question,
                    too_many,
                    f"context of {CONTEXT} words",
                    lambda: self._excess(question),
                )
            self.most_words = max(self.most_words, words(question.messages))
            for n in range(self._dice.choice([0, 3, 8, 25, 60])):
                if self._dice.random() < 0.001:
                    raise OSError("the writer")
                yield f"word{n % 10} " if n % 8 != 7 else "end. "
        finally:
            self.open -= 1

    def _excess(self, question: Any) -> int:
        if words(question.messages) <= CONTEXT:
            return 0
        return fewest_turns(question.messages, lambda it: words(it) <= CONTEXT * 3 // 4)


def words(messages: Any) -> int:
    """How many words the messages have together."""
    return sum(len(it["content"].split()) for it in messages)


class Mouth:
    """A voice of 60 ms a word."""

    sample_rate = VOICE_RATE

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.open = 0

    def synthesize_stream(self, text: str, /) -> Iterator[Any]:
        self.open += 1
        try:
            for _ in range(len(text.split())):
                if self._dice.random() < 0.0005:
                    raise OSError("the mouth")
                yield np.full(VOICE_RATE * 6 // 100, 0.1, np.float32)
        finally:
            self.open -= 1


class Refusing(ForwardingSink):
    """A loudspeaker that raises now and then."""

    def __init__(self, sink: Any, dice: random.Random) -> None:
        super().__init__(sink)
        self._dice = dice

    def write_samples(self, samples: Any, /) -> int:
        if self._dice.random() < 0.0005:
            raise OSError("the loudspeaker")
        return super().write_samples(samples)
