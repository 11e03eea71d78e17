from __future__ import annotations

from typing import Any

import pytest
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.testing.check import check_operator

TEXT = "It is five. Are you sure?  Yes!\nGood"
CUT = ["It is five.", "Are you sure?", "Yes!", "Good"]


def run(pieces: Any, **options: Any) -> list[Any]:
    source: Subject[str] = Subject()
    seen: list[Any] = []
    source.pipe(vox.sentences(**options)).subscribe(
        seen.append, seen.append, lambda: seen.append("completed")
    )
    for piece in pieces:
        source.on_next(piece)
    source.on_completed()
    return seen


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.sentences(),
        elements=["It is f", "ive. Are", " you? Y", "es"],
        name="sentences",
        events="pass",
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_same_however_the_text_was_cut(size: int) -> None:
    pieces = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
    assert run(pieces) == [*CUT, "completed"]


def test_each_as_soon_as_it_is_certain() -> None:
    source: Subject[str] = Subject()
    seen: list[str] = []
    source.pipe(vox.sentences()).subscribe(seen.append)
    when = {}
    for n, char in enumerate("One. Two"):
        source.on_next(char)
        when[n] = list(seen)
    assert when[4] == []
    assert when[5] == ["One."]


@pytest.mark.parametrize("pieces", [[], [""], [" ", "\n"]])
def test_nothing_but_white_space(pieces: list[str]) -> None:
    assert run(pieces) == ["completed"]


def test_the_first_clause() -> None:
    assert run(["Well then, it is five. So there, so."], first_clause_chars=5) == [
        "Well then,",
        "it is five.",
        "So there, so.",
        "completed",
    ]


def test_an_error_drops_what_is_not_over() -> None:
    source: Subject[str] = Subject()
    seen: list[Any] = []
    boom = RuntimeError("x")
    source.pipe(vox.sentences()).subscribe(seen.append, seen.append)
    source.on_next("One. Two")
    source.on_error(boom)
    assert seen == ["One.", boom]


@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True])
def test_bad_arguments(value: Any) -> None:
    with pytest.raises(ConfigError, match="first_clause_chars must be a whole number of at least"):
        vox.sentences(first_clause_chars=value)


@pytest.mark.parametrize("piece", [None, 5, b"One."])
def test_a_piece_that_is_no_text_is_an_error(piece: Any) -> None:
    (error,) = run([piece])
    assert isinstance(error, Exception)
