from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.testing import check_operator, turn


def reply(n: int, *pieces: str) -> list[rxv.Reply]:
    asked = rxv.Transcript(turn("~_", id=n), "hi")
    final = rxv.Reply(asked, text="".join(pieces), final=True)
    return [*(rxv.Reply(asked, piece) for piece in pieces), final]


def test_map_sentences_passes_the_battery() -> None:
    check_operator(
        lambda: vox.map_sentences(str.upper),
        elements=[*reply(1, "One. Tw", "o."), *reply(2, "Three.")],
        name="map_sentences",
    )


def test_wherever_the_text_is_cut() -> None:
    text = "One. Two three. Four!"
    for at in range(len(text)):
        seen: list[Any] = []
        rx.from_iterable(reply(1, text[:at], text[at:])).pipe(
            vox.map_sentences(lambda it: f"<{it}>")
        ).subscribe(seen.append)
        assert seen[-1].text == "<One.> <Two three.> <Four!>"
        assert "".join(it.delta for it in seen) == seen[-1].text


def test_a_reply_that_failed_before_leaves_nothing_to_the_next() -> None:
    first, second = reply(1, "Half a sen", "tence."), reply(2, "Whole.")
    failed = rxv.TurnFailed(first[0].turn, rxv.StageError("respond", first[0].turn, OSError()))
    seen: list[Any] = []
    rx.of(first[0], failed, *second).pipe(vox.map_sentences(str.upper)).subscribe(seen.append)
    assert [getattr(it, "text", None) for it in seen][-1] == "WHOLE."


def test_a_flush_ends_the_sentence_and_passes() -> None:
    asked = rxv.Transcript(turn("~_"), "hi")
    pieces = [rxv.Reply(asked, "One moment"), rxv.Reply(asked, flush=True)]
    seen: list[Any] = []
    rx.from_iterable(
        [*pieces, rxv.Reply(asked, "It is sunny."), rxv.Reply(asked, final=True)]
    ).pipe(vox.map_sentences(str.upper)).subscribe(seen.append)
    assert [(it.delta, it.flush) for it in seen] == [
        ("ONE MOMENT", False),
        ("", True),
        (" IT IS SUNNY.", False),
        ("", False),
    ]
    assert seen[-1].text == "ONE MOMENT IT IS SUNNY."


@pytest.mark.parametrize("answer", [None, 3, b"x"])
def test_what_is_no_text_fails_the_turn(answer: Any) -> None:
    seen: list[Any] = []
    rx.from_iterable([*reply(1, "One."), *reply(2, "Two.")]).pipe(
        vox.map_sentences(lambda it: answer if it == "One." else it)
    ).subscribe(seen.append)
    assert "wanted the sentence to be said instead" in str(seen[0].error)
    assert seen[-1].text == "Two."


def test_it_wants_a_function() -> None:
    with pytest.raises(ConfigError, match="map_sentences takes a function from str to str, got 3"):
        vox.map_sentences(3)  # type: ignore[arg-type]
