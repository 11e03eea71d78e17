"""Sums and lengths of time as people say them and recognisers write them."""

from fractions import Fraction

import pytest

from rxvoice.offline._calculate import NotArithmetic, calculate, duration, seconds, spoken

SUMS = {
    "12 times 7": 84,
    "seven times eight": 56,
    "7 x 8": 56,
    "12x7": 84,
    "100 - 45": 55,
    "1,000 plus 5": 1005,
    "3.5 times 2": 7,
    "a hundred divided by four": 25,
    "twenty-five times four": 100,
    "one hundred and five plus three": 108,
    "2 plus 3 times 4": 14,
    "2 minus 6": -4,
    "add 5 and 7": 12,
    "add 5 to 7": 12,
    "subtract 3 from ten": 7,
    "multiply twelve by 12": 144,
    "divide 10 by 4": Fraction(5, 2),
    "half of seventy": 35,
    "twice 21": 42,
    "15% of 80": 12,
    "15 percent of eighty": 12,
    "the sum of 3 and 4": 7,
    "the product of 3 and 4": 12,
    "007 + 1": 8,
    "70 6 plus 58": 134,
}
LENGTHS = {
    "5 minutes": 300,
    "5 minute": 300,
    "five-minute": 300,
    "a minute": 60,
    "90 seconds": 90,
    "twenty seconds": 20,
    "half an hour": 1800,
    "an hour and a half": 5400,
    "a quarter of an hour": 900,
    "two and a half minutes": 150,
    "2 hours and 30 minutes": 9000,
    "1 minute 5 seconds": 65,
}


@pytest.mark.parametrize("text", SUMS)
def test_what_people_say_is_calculated(text: str) -> None:
    assert calculate(text) == SUMS[text]


@pytest.mark.parametrize("text", ["", "7", "seven", "2 ** 9", "9 // 2", "__import__('os')", "1 +"])
def test_anything_else_is_no_sum(text: str) -> None:
    with pytest.raises(NotArithmetic):
        calculate(text)


def test_nothing_is_divided_by_zero() -> None:
    with pytest.raises(ZeroDivisionError):
        calculate("5 divided by 0")


@pytest.mark.parametrize("text", LENGTHS)
def test_a_length_of_time_is_so_many_seconds(text: str) -> None:
    assert seconds(text) == LENGTHS[text]


@pytest.mark.parametrize("text", ["", "soon", "5", "five bananas", "5 minutes ago"])
def test_anything_else_is_no_length(text: str) -> None:
    with pytest.raises(NotArithmetic):
        seconds(text)


def test_values_and_lengths_are_sentences_for_a_voice() -> None:
    values = [Fraction(56), Fraction(7, 3), Fraction(-4), Fraction(5, 2), Fraction(-1, 1000)]
    assert [spoken(it) for it in values] == ["56", "about 2.33", "minus 4", "2.5", "about 0"]
    said = [duration(Fraction(it)) for it in (1, 60, 90, 5400, 3600, 86_400)]
    assert said == [
        *("1 second", "1 minute", "1 minute and 30 seconds", "1 hour and 30 minutes"),
        *("1 hour", "24 hours"),
    ]
