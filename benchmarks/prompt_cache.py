"""A long conversation with a language model: the cost of a turn, against feeding all again."""

from __future__ import annotations

import os

# Else the first turns would measure the compilation.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import time
from dataclasses import dataclass

from benchmarks._measure import Result, median
from rxvoice import offline
from rxvoice.mlx import Llm

TURNS = 30


@dataclass(frozen=True)
class Turn:
    """What one turn cost: the tokens fed, and the milliseconds until the first token."""

    fed: int
    first_ms: float


def measure() -> list[Result]:
    """Measure with the demo's model. A new system prompt in every turn makes the cache useless."""
    kept, again = _talk(changing=False), _talk(changing=True)
    last, last_again = kept[-1], again[-1]
    early, late = kept[1:6], kept[-5:]
    first_ms = median([turn.first_ms for turn in late])
    early_ms = median([turn.first_ms for turn in early])
    again_ms = median([turn.first_ms for turn in again[-5:]])
    # Questions differ in length, so a turn is compared with the mean of others.
    early_fed = sum(turn.fed for turn in early) / len(early)
    late_fed = sum(turn.fed for turn in late) / len(late)
    return [
        Result(
            f"tokens fed in turn {TURNS}",
            last.fed,
            "tokens",
            f"all of it again: {last_again.fed}",
            last.fed / last_again.fed,
            0.1,
        ),
        Result(
            f"tokens fed in turns {TURNS - 4} to {TURNS}",
            late_fed,
            "tokens",
            f"turns 2 to 6: {early_fed:.1f}",
            late_fed / early_fed,
            1.5,
        ),
        Result(
            f"question to first text in turns {TURNS - 4} to {TURNS}",
            first_ms,
            "ms",
            f"all of it again: {again_ms:.1f}",
            first_ms / again_ms,
            0.5,
        ),
        Result(
            f"question to first text in turns {TURNS - 4} to {TURNS}",
            first_ms,
            "ms",
            f"turns 2 to 6: {early_ms:.1f}",
            first_ms / early_ms,
        ),
    ]


def _talk(*, changing: bool) -> list[Turn]:
    model = offline.llm()
    model.load()
    _ask(model, "Hello, who are you?")
    model.reset()
    model.conversation.system = "This is turn one."
    questions = offline.phrases()
    turns: list[Turn] = []
    for turn in range(TURNS):
        if changing:
            model.conversation.system = f"{turn} is the turn."
        turns.append(_ask(model, questions[turn % len(questions)]))
    return turns


def _ask(model: Llm, question: str) -> Turn:
    begin = time.perf_counter()
    answer = model.respond(question)
    while not next(answer):
        pass
    first = time.perf_counter() - begin
    for _ in answer:
        pass
    return Turn(model.stats.prefilled_tokens, first * 1000)
