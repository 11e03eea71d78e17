"""What of a model's text is said: no thoughts, no half characters, however it is cut."""

import random
from itertools import pairwise

import pytest

from rxvoice._language.thoughts import Said
from rxvoice._text.unicode import Joined, whole_text


def said(*pieces: str) -> str:
    parts = Said()
    return "".join([*map(parts.feed, pieces), parts.end()])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hello.", "Hello."),
        ("<think>two and two</think>\n\nFour. ", "Four. "),
        (" \n<think></think>Four.", "Four."),
        ("One. <think>hm</think>Two.", "One. Two."),
        ("<THINK>hm</Think>Yes.", "Yes."),
        ("<thinking>hm</thinking><thought>hm</thought>Yes.", "Yes."),
        ("[THINK]hm[/THINK]Yes.", "Yes."),
        ("<reasoning>a < b</reasoning>Yes.", "Yes."),
        ("<think>never ending", ""),
        ("hm</think>Yes.", "hmYes."),
        ("a < b, <b>bold</b> and <thin air>", "a < b, <b>bold</b> and <thin air>"),
        ("an end <thin", "an end <thin"),
        ("<think>hm</thin", ""),
        ("an i [1] and İ<think>hm</think>!", "an i [1] and İ!"),
    ],
)
def test_thoughts_are_left_out_however_they_are_cut(text: str, left: str) -> None:
    assert said(text) == left
    assert said(*text) == left
    rng = random.Random(1)
    for _ in range(50):
        cuts = sorted(rng.sample(range(len(text) + 1), 3))
        edges = [0, *cuts, len(text)]
        assert said(*(text[a:b] for a, b in pairwise(edges))) == left


def test_what_cannot_be_a_mark_is_not_held_back() -> None:
    parts = Said()
    assert [parts.feed(piece) for piece in ("a <", "b", "> <th", "e ", "end")] == [
        "a ",
        "<b",
        "> ",
        "<the ",
        "end",
    ]
    assert not parts.is_thinking


def test_a_long_thought_is_not_kept() -> None:
    parts = Said()
    for piece in ["<think>", *["hm " * 1000] * 100]:
        assert parts.feed(piece) == ""
    assert parts.is_thinking
    assert len(parts._held) < 12
    assert parts.feed("</think>Yes.") == "Yes."
    assert not parts.is_thinking
    assert not parts.has_lost_mark


def test_a_thought_that_nothing_begins_is_noted() -> None:
    parts = Said()
    assert parts.feed("hm</think>Yes.") == "hmYes."
    assert parts.has_lost_mark


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "", "\ude00"], ["", "", "😀"]),
        (["\ud83d\ude00"], ["😀"]),
        (["\ud83d", "b"], ["", "\ufffdb"]),
        (["\ude00b"], ["\ufffdb"]),
        (["\ud83d", "\ud83d", "\ude00"], ["", "\ufffd", "😀"]),
        (["a\ud83d"], ["a", "\ufffd"]),
    ],
)
def test_halves_of_a_character_find_each_other(pieces: list[str], joined: list[str]) -> None:
    text = Joined()
    given = [text.feed(piece) for piece in pieces]
    rest = text.end()
    assert [*given, *([rest] if rest else [])] == joined
    assert said(*pieces) == "".join(joined)
    assert whole_text("".join(pieces)) == "".join(joined)
