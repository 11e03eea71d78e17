"""Texts cut into parts that a voice speaks in one call."""

import pytest

from rxvoice._text.parts import parts

LONG = "word " * 14


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Short, and sweet.", ["Short, and sweet."]),
        (  # at the last clause that ends in time
            "One two three four, five six seven eight, nine ten eleven; twelve thirteen fourteen.",
            [
                "One two three four, five six seven eight, nine ten eleven;",
                "twelve thirteen fourteen.",
            ],
        ),
        (  # else at the first that ends later
            f"{LONG}{LONG}end, and this is the rest of it, all of it.",
            [f"{LONG}{LONG}end,", "and this is the rest of it, all of it."],
        ),
        (f"{LONG}{LONG}without a clause.", [f"{LONG}{LONG}without a clause."]),
        # neither a short beginning nor a short end
        (f"Well, {LONG}{LONG}so.", [f"Well, {LONG}{LONG}so."]),
        (f"{LONG}{LONG}, you see.", [f"{LONG}{LONG}, you see."]),
        # at the end of a sentence, and not of an abbreviation
        (f"{LONG}with Mr. Smith and {LONG}", [f"{LONG}with Mr. Smith and {LONG}".strip()]),
        (f"{LONG}. Now {LONG}end.", [f"{LONG}.", f"Now {LONG}end."]),
        (f"{LONG} — {LONG}end.", [f"{LONG} —", f"{LONG}end."]),
        (" \n ", []),
    ],
)
def test_clauses(text: str, wanted: list[str]) -> None:
    assert [*parts(text, clause=80)] == wanted


def test_nothing_is_lost() -> None:
    text = "All that is gold does not glitter, not all those who wander are lost; " * 20
    found = [*parts(text, clause=80)]
    assert " ".join(found) == text.strip()
    assert max(map(len, found)) <= 80


def test_a_text_without_an_end_is_cut_at_the_longest_part() -> None:
    found = [*parts("word " * 100, clause=80)]
    assert len(found) == 3
    assert max(map(len, found)) <= 240
    assert " ".join(found) == ("word " * 100).strip()
