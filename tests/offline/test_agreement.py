from rxvoice.offline._agreement import Agreement


def told(*texts: str) -> list[str | None]:
    agreement = Agreement()
    return [agreement.take(text) for text in texts]


def test_a_word_is_told_once_two_decodes_in_a_row_have_it():
    assert told("How", "How far", "How far away is", "How far away is the") == [
        None,
        "How",
        "How far",
        "How far away is",
    ]


def test_punctuation_and_capitals_do_not_count():
    assert told("hello.", "Hello, who", "Hello who are") == [None, "Hello,", "Hello who"]


def test_what_was_told_stays_told():
    assert told("one two", "one two", "wonder", "wonder", "one two three", "one two three") == [
        None,
        "one two",
        None,
        None,
        None,
        "one two three",
    ]


def test_no_words_agree_on_nothing():
    agreement = Agreement()
    assert not agreement.any
    assert [agreement.take(text) for text in ("", "", "a", "a b")] == [None, None, None, "a"]
    assert agreement.any
