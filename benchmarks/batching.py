"""Eight sessions answered at once by one text model: together, and a token of each in turn."""

from __future__ import annotations

import os

# Else the first answers would measure the compilation.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import reactivex as rx

import rxvoice as rxv
from benchmarks._measure import Result, median
from benchmarks._smollm import smollm
from rxvoice import operators as vox
from rxvoice.mlx import Llm, MlxScheduler

TOKENS = 64
ROUNDS = 2
QUESTIONS = (
    "Tell me the story of the three little pigs.",
    "How do I make a good cup of tea?",
    "Explain why the sky is blue.",
    "Tell me about the moon.",
    "Describe how a violin is made.",
    "How does a bicycle stay upright?",
    "Plan a day in Paris for me.",
    "Tell me about the life of Shakespeare.",
)
_TURN = rxv.Turn.of(np.zeros(16, np.float32), sample_rate=16_000)


@dataclass(eq=False)
class _Asked:
    """A question, and when each piece of its answer came."""

    model: Llm
    times: list[float] = field(default_factory=list[float])
    text: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self, models: MlxScheduler, question: str) -> None:
        """Ask on the model thread."""
        rx.just(rxv.Transcript(_TURN, question)).pipe(
            vox.respond(self.model, worker=models.text, timeout_ms=None, total_timeout_ms=None)
        ).subscribe(self._take, on_completed=self.over.set)

    def _take(self, reply: object) -> None:
        if isinstance(reply, rxv.Reply) and reply.delta:
            self.times.append(time.perf_counter())
            self.text += reply.delta


@dataclass(frozen=True)
class _Round:
    """Eight questions at once: tokens a second, seconds to each first word, and the texts.

    Attributes:
        rate: from the first question to the last token.
        writing_rate: while all eight answers are being written.
    """

    rate: float
    writing_rate: float
    firsts: list[float]
    texts: list[str]


def measure() -> list[Result]:
    """Measure rounds of either kind alternately; the best round of each kind counts."""
    with smollm() as model, MlxScheduler(stuck_ms=None) as models:
        turns, together = _loaded(model, models, batch=1), _loaded(model, models, batch=8)
        rounds = [(_answer(together, models), _answer(turns, models)) for _ in range(ROUNDS)]
        gap, step = _gaps(together, models)
    rate, rate_in_turns = (max(it.rate for it in kind) for kind in zip(*rounds, strict=True))
    writing, writing_in_turns = (
        max(it.writing_rate for it in kind) for kind in zip(*rounds, strict=True)
    )
    first, first_in_turns = (
        min(median(it.firsts) for it in kind) for kind in zip(*rounds, strict=True)
    )
    differ = sum(
        text != other
        for one, two in rounds
        for text, other in zip(one.texts, two.texts, strict=True)
    )
    name = f"{len(QUESTIONS)} at once, {TOKENS} tokens each"
    return [
        Result(
            f"{name}: time per token while all are written",
            1000 / writing,
            "ms",
            f"in turns: {1000 / writing_in_turns:.1f} "
            f"({writing:.0f} to {writing_in_turns:.0f} tok/s)",
            writing_in_turns / writing,
            0.25,
        ),
        Result(
            f"{name}: time per token, with the prompts",
            1000 / rate,
            "ms",
            f"in turns: {1000 / rate_in_turns:.1f} ({rate:.0f} to {rate_in_turns:.0f} tok/s)",
            rate_in_turns / rate,
        ),
        Result(
            f"{name}: median first word",
            first,
            "s",
            f"in turns: {first_in_turns:.2f}",
            first / first_in_turns,
            1.0,
        ),
        Result(f"{name}: texts that differ", differ, "", "of alone: 0", differ, 0),
        Result(
            f"longest wait of {len(QUESTIONS) - 1} answers for a token, when one joins",
            1000 * gap,
            "ms",
            f"else, in the middle: {1000 * step:.0f}",
            gap / step,
        ),
    ]


def _loaded(path: Path, models: MlxScheduler, *, batch: int) -> Llm:
    """A model that has answered before; two at once, so that it has been tried in a batch."""
    parent = rxv.mlx.llm(path, max_tokens=TOKENS, batch=batch)
    asked = [_Asked(parent.fresh()) for _ in range(2)]
    for each in asked:
        each.ask(models, "Hello.")
    for each in asked:
        each.over.wait()
    return parent


def _answer(parent: Llm, models: MlxScheduler) -> _Round:
    asked = [_Asked(parent.fresh()) for _ in QUESTIONS]
    begin = time.perf_counter()
    for each, question in zip(asked, QUESTIONS, strict=True):
        each.ask(models, question)
    for each in asked:
        each.over.wait()
    spent = time.perf_counter() - begin
    tokens = sum(each.model.stats.generated_tokens for each in asked)
    since, until = max(it.times[0] for it in asked), min(it.times[-1] for it in asked)
    written = sum(since < at <= until for it in asked for at in it.times)
    return _Round(
        tokens / spent,
        written / (until - since),
        [it.times[0] - begin for it in asked],
        [it.text for it in asked],
    )


def _gaps(parent: Llm, models: MlxScheduler) -> tuple[float, float]:
    """The longest time between two tokens of the others when the last one joins, and the median."""
    asked = [_Asked(parent.fresh()) for _ in QUESTIONS]
    *others, last = zip(asked, QUESTIONS, strict=True)
    for each, question in others:
        each.ask(models, question)
    while min(len(each.times) for each, _ in others) < TOKENS // 4:
        time.sleep(0.01)
    last[0].ask(models, last[1])
    for each in asked:
        each.over.wait()
    first = last[0].times[0]
    at_join: list[float] = []
    gaps: list[float] = []
    for each, _ in others:
        gaps += list(np.diff(each.times))
        at = int(np.searchsorted(each.times, first))
        at_join += list(np.diff(each.times[max(0, at - 2) : at + 2]))
    return max(at_join), median(gaps)
