"""Arithmetic and lengths of time as people say them: "seven times eight", "half an hour"."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import cast

from text_to_num import alpha2digit  # pyright: ignore

_NUMBER = r"\d+(?:\.\d+)?"
_ORDERS = (
    (rf"(?:the sum of|add) ({_NUMBER}) (?:and|to|with) ({_NUMBER})", r"\1+\2"),
    (rf"(?:the product of|multiply) ({_NUMBER}) (?:and|by|with) ({_NUMBER})", r"\1*\2"),
    (rf"divide ({_NUMBER}) by ({_NUMBER})", r"\1/\2"),
    (rf"subtract ({_NUMBER}) from ({_NUMBER})", r"\2-\1"),
    (rf"half of ({_NUMBER})", r"\1/2"),
    (rf"twice ({_NUMBER})", r"2*\1"),
    (rf"({_NUMBER}) ?(?:%|percent) of ({_NUMBER})", r"\1*\2/100"),
)
_SAID = (
    (r"\bmultiplied by\b|\btimes\b|×", "*"),
    (r"(?<=\d) ?x ?(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b|÷", "/"),
    (r"\bplus\b|\band\b", "+"),
    (r"\bminus\b|\bless\b", "-"),
)
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
}
_SECONDS = {"hour": 3600, "minute": 60, "second": 1}
_UNIT = "(hour|minute|second)"
_HALVES = (
    (r"\ba quarter of an hour\b", "15 minutes"),
    (r"\bhalf an? (hour|minute)\b", r"0.5 \1"),
    (rf"\b(?:an?|1) {_UNIT} and a half\b", r"1.5 \1"),
    (rf"\b({_NUMBER}) and a half {_UNIT}", r"\1.5 \2"),
    (rf"\ban? {_UNIT}\b", r"1 \1"),
)
_PART = re.compile(rf"({_NUMBER})[ -]?{_UNIT}s?")


class NotArithmetic(ValueError):
    """The text is not a sum, difference, product or quotient of numbers."""


def calculate(text: str) -> Fraction:
    """The value of numbers with operations between them: products first, then sums.

    Raises:
        NotArithmetic: the text is something else.
        ZeroDivisionError: it divides by zero.
    """
    formula = _digits(text)
    for said, signs in _ORDERS:
        if re.fullmatch(said, formula):
            formula = re.sub(said, signs, formula)
            break
    for said, sign in _SAID:
        formula = re.sub(said, sign, formula)
    # Of anything but numbers and signs nothing reaches Python's parser.
    if not re.fullmatch(r"[\d.+\-*/ ]{3,200}", formula) or "**" in formula or "//" in formula:
        raise NotArithmetic(text)
    # Python reads no number that begins with a zero.
    formula = re.sub(r"(?<![\d.])0+(?=\d)", "", formula)
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except SyntaxError:
        raise NotArithmetic(text) from None
    if not isinstance(tree, ast.BinOp):
        raise NotArithmetic(text)
    return _value(tree)


def seconds(text: str) -> Fraction:
    """A length of time: "5 minutes", "an hour and a half", "2 hours and 30 minutes".

    Raises:
        NotArithmetic: the text is something else.
    """
    # By itself, "second" is an ordinal number.
    length = _digits(text.lower().replace("second", "sec.")).replace("sec.", "second")
    for said, digits in _HALVES:
        length = re.sub(said, digits, length)
    parts = _PART.findall(length)
    rest = re.sub(r"\band\b|[ ,]", "", _PART.sub("", length))
    if not parts or rest:
        raise NotArithmetic(text)
    return sum((Fraction(number) * _SECONDS[unit] for number, unit in parts), Fraction())


def duration(length: Fraction) -> str:
    """A number of seconds as people say it: "1 hour and 30 minutes"."""
    said: list[str] = []
    for unit, size in _SECONDS.items():
        number, length = divmod(length, size) if size > 1 else (length, Fraction())
        if number:
            said.append(f"{spoken(Fraction(number))} {unit}{'' if number == 1 else 's'}")
    return " and ".join(said)


def spoken(value: Fraction) -> str:
    """The value as a sentence has it: "56", "about 2.33", "minus 4"."""
    size = round(abs(value), 2)
    about = "" if size == abs(value) else "about "
    minus = "minus " if value < 0 and size else ""
    digits = str(size.numerator) if size.denominator == 1 else f"{float(size):.2f}".rstrip("0")
    return f"{about}{minus}{digits}"


def _digits(text: str) -> str:
    words = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.lower())
    words = re.sub(r"\ban? (?=hundred|thousand|million)", "one ", words)
    words = cast("str", alpha2digit(words, "en", threshold=0))
    # A recogniser may write "70 6" for 76.
    words = re.sub(r"\b([2-9])0 ([1-9])\b", r"\1\2", words)
    return re.sub(r"(?<=\d),(?=\d{3})", "", words).strip()


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        return sign * _value(node.operand)
    return Fraction(ast.unparse(node))
