"""What a row of the comparison is: what is measured, by which program for each system, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

OWN = "rxvoice"
SYSTEMS = (OWN, "pipecat", "livekit", "mlx-audio")
"""In the order of the columns."""

Value = float | bool


@dataclass(frozen=True)
class Probe:
    """A program that measures one system, once a round.

    It is run by that system's Python, from the root of the checkout, as ``python -m MODULE *ARGS``,
    with ``--quick`` after them in a quick run. By `benchmarks.peers._tell` it prints lines of JSON:
    ``{"row": NAME, "value": 1.5}``, ``{"row": NAME, "value": true}`` or
    ``{"row": NAME, "cannot": "why"}``. It may tell more than one value of a row: the median is the
    round's. It may tell of other rows as well: rows with an equal probe share one run of it.

    Args:
        guarantees: what the system promises on this path: threads, queues, copies.
        timeout_s: after this time the program is ended, and its rows are not measured.
    """

    module: str
    args: tuple[str, ...] = ()
    guarantees: str = ""
    timeout_s: float = 180

    @property
    def command(self) -> tuple[str, ...]:
        """What is run, after ``python -m``."""
        return (self.module, *self.args)


@dataclass(frozen=True)
class Cannot:
    """A system has no such thing, so it is marked and not scored."""

    why: str


@dataclass(frozen=True)
class Row:
    """One question to all systems.

    Args:
        question: which of the six of the comparison it belongs to.
        name: for ``--only``, and in the lines of the programs.
        what: the question, as the reader sees it.
        unit: of its numbers; "yes" for a row that a system answers by yes or no.
        by: who answers for each of `SYSTEMS`.
        better: "less" or "more"; of a row of yes and no, yes is better.
        note: what else a reader has to know to compare.
        headline: what README calls it; empty for a row that README does not have.
        rounds: how often each system answers; fewer in a quick run.
    """

    question: int
    name: str
    what: str
    unit: str
    by: Mapping[str, Probe | Cannot]
    better: Literal["less", "more"] = "less"
    note: str = ""
    headline: str = ""
    rounds: int = 7

    def __post_init__(self) -> None:
        if unlike := {*SYSTEMS} ^ {*self.by}:
            raise ValueError(
                f"the row {self.name} must say who answers for each of {', '.join(SYSTEMS)}, or "
                f"that one cannot; this is too much or too little: {', '.join(sorted(unlike))}"
            )
