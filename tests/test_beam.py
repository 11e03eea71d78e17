import pytest

from rxvoice._text.beam import BeamText, best, says_twice


def candidate(text: str, score: float) -> BeamText:
    return BeamText(text, [0] * len(text.split()), score)


def test_a_long_text_is_as_good_as_a_short_one() -> None:
    short, long = candidate("press one", -1.0), candidate("press one for the weather", -1.5)
    assert best([short, long]) is long


def test_what_stands_twice_was_said_once_if_that_is_likelier() -> None:
    once, twice = candidate("What can you?", -1.9), candidate("What can you? What can you?", -2.0)
    assert best([twice, once]) is once
    assert best([candidate("what can you", -3.0), twice, once]) is once


def test_what_is_repeated_until_there_is_no_room_was_said_once_if_that_is_likelier() -> None:
    once = candidate("What is your name?", -1.9)
    often = candidate("What is your name? What is your name? What is your name? What", -2.0)
    assert best([often, once]) is once
    assert best([often, candidate("What is your", -1.0)]) is often  # that is another text


def test_who_says_it_twice_is_heard_twice() -> None:
    once, twice = candidate("Hello?", -4.0), candidate("Hello? Hello?", -1.0)
    assert best([once, twice]) is twice


def test_no_words_are_no_repetition() -> None:
    assert best([candidate("...", -1.0), candidate("", -3.0)]).text == "..."


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("What is your name? What is your name?", True),
        ("What is your name? What is your name? What", True),
        ("No, no.", True),
        ("What is your name? What", False),
        ("Is it what it is?", False),
        ("No.", False),
        ("...", False),
        ("", False),
    ],
)
def test_which_texts_say_the_same_twice(text: str, twice: bool) -> None:
    assert says_twice(text) == twice
