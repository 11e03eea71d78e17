"""`compared`: a conversation as it was beside the same as it would have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rxvoice.trace._outline import OutlineTurn

__all__ = ["Change", "Changed", "compared", "cut_offs", "utterances"]

Change: TypeAlias = Literal[
    "cut", "joined", "missed", "new", "interrupted", "not interrupted", "same"
]
"""What would have been different:

- ``cut``: one turn would have been several
- ``joined``: several would have been one
- ``missed``: it would not have been a turn
- ``new``: it was no turn
- ``interrupted``, ``not interrupted``: its reply
"""


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """Turns that are about the same speech, as they were and as they would have been."""

    before: tuple[OutlineTurn, ...]
    after: tuple[OutlineTurn, ...]
    changes: tuple[Change, ...] = field(default=())


def compared(before: Sequence[OutlineTurn], after: Sequence[OutlineTurn]) -> list[Changed]:
    """What would have been different, in the order of the speech.

    Turns belong together if their speech overlaps. Candidates that were dropped count as no turn.
    """
    was = [it for it in before if it.counts]
    would = [it for it in after if it.counts]
    groups: list[tuple[list[OutlineTurn], list[OutlineTurn], int]] = []
    both = [(it.speech, True, it) for it in was] + [(it.speech, False, it) for it in would]
    for (start, end), is_before, turn in sorted(both, key=lambda it: (it[0], not it[1])):
        if not groups or start >= groups[-1][2]:
            groups.append(([], [], end))
        olds, news, reach = groups[-1]
        (olds if is_before else news).append(turn)
        groups[-1] = olds, news, max(reach, end)
    return [Changed(tuple(a), tuple(b), _changes(a, b)) for a, b, _ in groups]


def _changes(before: list[OutlineTurn], after: list[OutlineTurn]) -> tuple[Change, ...]:
    if not after:
        return ("missed",)
    if not before:
        return ("new",)
    found: list[Change] = []
    if len(after) > len(before):
        found.append("cut")
    elif len(after) < len(before):
        found.append("joined")
    was = sum(it.fate == "interrupted" for it in before)
    would = sum(it.fate == "interrupted" for it in after)
    if would != was:
        found.append("interrupted" if would > was else "not interrupted")
    return tuple(found) or ("same",)


def utterances(turns: Sequence[OutlineTurn]) -> list[tuple[int, int]]:
    """What the user said in one go, by the first sample and the one after the last.

    Turns are one utterance if the user went on before the reply to the first was heard: then the
    turn had ended too early.
    """
    found: list[tuple[int, int]] = []
    went_on = False
    for turn in sorted((it for it in turns if it.counts), key=lambda it: it.speech):
        start, end = turn.speech
        if found and (went_on or start < found[-1][1]):
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
        went_on = turn.heard is None and turn.fate == "interrupted"
    return found


def cut_offs(said: Sequence[tuple[int, int]], turns: Sequence[OutlineTurn]) -> int:
    """How often a turn ended while the user was in the middle of an utterance."""
    speech = [it.speech for it in turns if it.counts]
    return sum(max(0, sum(a < end and b > start for a, b in speech) - 1) for start, end in said)
