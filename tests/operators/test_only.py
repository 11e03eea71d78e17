from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.testing import check_operator

TURN = rxv.Turn.of(np.zeros(4, np.float32))
PARTIAL = rxv.Transcript(TURN, "hel", final=False)
FINAL = rxv.Transcript(TURN, "hello")
NOTICE = rxv.Notice("slow today")
REPLY = rxv.Reply(FINAL, "hi")
ALL = [PARTIAL, NOTICE, FINAL, REPLY]


def passed(*types: Any) -> list[object]:
    seen: list[object] = []
    rx.from_iterable(ALL).pipe(vox.only(*types)).subscribe(seen.append)
    return seen


def test_passes_the_battery() -> None:
    check_operator(lambda: vox.only(rxv.Transcript), elements=ALL, name="only", events="drop")
    check_operator(lambda: vox.only(rxv.Transcript, rxv.Event), elements=ALL, name="only")


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ((rxv.Transcript,), [PARTIAL, FINAL]),
        ((rxv.Event,), [NOTICE]),
        ((rxv.Reply, rxv.Notice), [NOTICE, REPLY]),
        ((rxv.Transcript, rxv.Reply, rxv.Event), ALL),
        ((rxv.Speech,), []),
        ((object,), ALL),
    ],
)
def test_what_passes(types: tuple[type, ...], wanted: list[object]) -> None:
    came = passed(*types)
    assert len(came) == len(wanted)
    assert all(a is b for a, b in zip(came, wanted, strict=True))


def test_a_filter_behind_it_needs_not_ask_what_it_is_given() -> None:
    seen: list[rxv.Transcript] = []
    rx.from_iterable(ALL).pipe(
        rxv.only(rxv.Transcript), ops.filter(lambda it: not it.final)
    ).subscribe(seen.append)
    assert seen == [PARTIAL]


@pytest.mark.parametrize("types", [(), (FINAL,), ("Transcript",), (rxv.Reply, None)])
def test_bad_arguments(types: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"only wants one or more classes, such as rxv.Transcript"
    ):
        vox.only(*types)
