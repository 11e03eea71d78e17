"""What was heard of a reply, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from rxvoice._text.words import up_to_word, words
from rxvoice.elements import Reply, Sentence, Speech, Transcript
from rxvoice.operators._conversation.spoken_reply import SpokenReply
from rxvoice.testing import turn

REPLY = Reply(Transcript(turn("~"), "hi"), "")


def said(
    text: str,
    samples: int | None = None,
    words: tuple[tuple[int, int], ...] = (),
    sentence: Sentence | None = None,
) -> Speech:
    """A piece of sound: a sample a character, unless told otherwise."""
    length = len(text) if samples is None else samples
    sound = np.zeros(length, np.float32)
    return Speech(REPLY, sound, 1000, text, words=words, sentence=sentence)


def ledger(
    text: str, *pieces: Speech, start: int = 0, over: bool = True, pace: float = 0
) -> SpokenReply:
    made = SpokenReply(start, pace)
    made.text.add(Reply(REPLY.transcript, text))
    for piece in pieces:
        made.add(piece)
    if over:
        made.close()
    return made


TEXT = "One two.  Three four! "


def test_sentences_count_whole_and_the_current_one_up_to_a_word() -> None:
    it = ledger(TEXT, said("One two."), said("Three four!"))
    heard = [it.heard(position) for position in range(20)]
    assert heard == [
        *[""] * 3,
        *["One"] * 4,
        "One two",
        *["One two."] * 5,
        *["One two.  Three"] * 5,
        "One two.  Three four",
        "One two.  Three four!",
    ]


def test_it_is_always_the_beginning_of_the_reply() -> None:
    it = ledger(TEXT, said("One two."), said("Three four!"))
    assert all(TEXT.startswith(it.heard(position)) for position in range(25))


def test_what_is_between_the_sentences_belongs_to_it() -> None:
    it = ledger("One. *** Two.", said("One."), said("Two."))
    assert it.heard(4) == "One."
    assert it.heard(8) == "One. *** Two."


def test_positions_count_from_where_the_reply_began() -> None:
    it = ledger("One two.", said("One two."), start=100)
    assert (it.start, it.end) == (100, 108)
    assert [it.heard(position) for position in (0, 100, 102, 103, 107, 108)] == [
        "",
        "",
        "",
        "One",
        "One two",
        "One two.",
    ]


def test_a_sentence_in_pieces_is_one() -> None:
    sentence = "".join(["One ", "two."])
    it = ledger(sentence, *(said(sentence, 2) for _ in range(4)))
    assert it.heard(2) == ""
    assert it.heard(3) == "One"
    assert it.heard(8) == "One two."


def test_the_same_sentence_twice() -> None:
    first, second, third = Sentence("No."), Sentence("No."), Sentence("Yes.")
    it = ledger(
        "No. No. Yes.",
        said("No.", 10, sentence=first),
        said("No.", 5, sentence=second),
        said("No.", 5, sentence=second),
        said("Yes.", 10, sentence=third),
    )
    assert [it.heard(position) for position in (9, 10, 15, 20, 30)] == [
        "No",
        "No.",
        "No.",
        "No. No.",
        "No. No. Yes.",
    ]


def test_sound_of_a_stage_that_names_no_sentence_is_another_sentence() -> None:
    it = ledger("No. No.", said("No.", 10, sentence=Sentence("No.")), said("No.", 10))
    assert [it.heard(position) for position in (9, 10, 20)] == ["No", "No.", "No. No."]


def test_pieces_with_an_equal_text_that_the_reply_has_once_are_one_sentence() -> None:
    it = ledger("No way.", said("No way.", 10), said("".join(["No ", "way."]), 10))
    assert it.heard(10) == "No"
    assert it.heard(20) == "No way."


def test_word_ends_are_exact() -> None:
    # "One" takes 70 of the 100 samples.
    it = ledger("One two.", said("One two.", 100, ((3, 70), (8, 90))))
    assert [it.heard(position) for position in (69, 70, 89, 90)] == ["", "One", "One", "One two."]


def test_word_ends_count_from_their_own_piece() -> None:
    text = "One two."
    it = ledger(text, said(text, 50, ((3, 40),)), said(text, 50, ((7, 20),)))
    assert [it.heard(position) for position in (39, 40, 69, 70)] == ["", "One", "One", "One two."]


def test_a_sentence_that_may_go_on_is_not_whole() -> None:
    """By the pace so far it has 30 samples, and 10 were made."""
    it = ledger("One. Two three four.", said("One.", 8), said("Two three four.", 10), over=False)
    assert it.pace == 2
    assert it.heard(18) == "One. Two"
    it.close()
    assert it.heard(18) == "One. Two three four."


def test_a_sentence_that_may_go_on_is_measured_by_a_usual_pace_where_none_is_known() -> None:
    """15 characters in a second, so 1000 samples for 15 of them."""
    text = "One two three four."
    it = ledger(text, said(text, 510), over=False)
    assert it.heard(510) == "One two"


def test_a_sentence_that_may_go_on_is_never_heard_to_its_end() -> None:
    it = ledger("One two", said("One two", 20), over=False, pace=1)
    assert it.heard(20) == "One"


def test_a_sentence_is_whole_once_all_of_its_sound_was_made() -> None:
    sentence = Sentence("One two.")
    it = ledger("One two.", said("One two.", 4, sentence=sentence), over=False)
    sentence.pieces, sentence.is_over = 2, True
    assert it.heard(4) == "", "the other piece is on its way"
    it.add(said("One two.", 4, sentence=sentence))
    assert it.heard(8) == "One two."
    assert it.pace == 1


def test_the_pace_of_the_last_reply_is_the_guess() -> None:
    it = ledger("One two.", said("One two.", 8), over=False, pace=4)
    assert it.heard(8) == ""
    assert it.heard(16) == "One"


def test_without_the_replys_text_it_is_what_was_spoken() -> None:
    it = ledger("", said("One two."), said("Three."))
    assert it.heard(3) == "One"
    assert it.heard(14) == "One two. Three."


def test_words_that_were_changed_on_the_way() -> None:
    it = ledger("At 5 pm. Yes.", said("At five pm."), said("Yes."))
    assert it.heard(11) == "At five pm."
    assert it.heard(15) == "At five pm. Yes."


def test_scripts_without_spaces_are_cut_at_a_character() -> None:
    it = ledger("你好吗。", said("你好吗。", 40))
    assert [it.heard(position) for position in (9, 10, 20, 40)] == ["", "你", "你好", "你好吗。"]


def test_nothing_spoken_is_nothing_heard() -> None:
    assert ledger("Never.").heard(100) == ""


@pytest.mark.parametrize(
    ("position", "wanted"),
    [(0, set()), (1, {"one"}), (4, {"one"}), (5, {"one", "two"}), (9, {"two", "three"})],
)
def test_the_words_being_spoken(position: int, wanted: set[str]) -> None:
    it = ledger("One. Two. Three.", said("One."), said("Two."), said("Three."))
    assert it.words_at(position) == wanted


def test_words() -> None:
    assert words("Don't — STOP, it's 5!") == ["dont", "stop", "its", "5"]
    assert words("…?!") == []
    assert words("你好 there") == ["你", "好", "there"]
    assert up_to_word("One, two", 4) == 3
    assert up_to_word("One, two", 2) == 0
