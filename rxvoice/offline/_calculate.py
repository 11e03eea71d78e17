"""Arithmetic as people say it: "seven times eight", "12 divided by 5"."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from text_to_num import alpha2digit

_SAID = (
    (r"\bmultiplied by\b|\btimes\b|\bx\b|×", "*"),
    (r"\bdivided by\b|\bover\b|÷", "/"),
    (r"\bplus\b|\band\b", "+"),
    (r"\bminus\b|\bless\b", "-"),
    (r"(?<=\d),(?=\d{3})", ""),
    (r"\ban? (?=\d)", ""),
)
_VALUE = re.compile(r"-?\s*(\d+(?:\.\d+)?)\s*(.*)")
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class NotArithmetic(ValueError):
    """The text is not a sum, difference, product or quotient of numbers."""


def calculate(text: str) -> Fraction:
    """The value of numbers with operations between them: products first, then sums.

    Raises:
        NotArithmetic: the text is something else.
        ZeroDivisionError: it divides by zero.
    """
    formula = _digits(text)
    for said, sign in _SAID:
        formula = re.sub(said, sign, formula)
    # Of anything but numbers and signs nothing reaches Python's parser.
    if not re.fullmatch(r"[\d.+\-*/ ]{3,200}", formula) or "**" in formula or "//" in formula:
        raise NotArithmetic(text)
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except SyntaxError:
        raise NotArithmetic(text) from None
    if not isinstance(tree, ast.BinOp):
        raise NotArithmetic(text)
    return _value(tree)


def quantity(text: str) -> tuple[Fraction, str]:
    """The number at the beginning of a text, and the words after it: 2 and "minutes".

    Raises:
        NotArithmetic: there is no number.
    """
    found = _VALUE.fullmatch(
        re.sub(r"^an? (?!\d)", "1 ", re.sub(r"^an? (?=\d)", "", _digits(text)))
    )
    if found is None:
        raise NotArithmetic(text)
    return Fraction(found[1]), found[2].strip()


def spoken(value: Fraction) -> str:
    """The value as a sentence has it: "56", "about 2.33", "minus 4"."""
    size = round(abs(value), 2)
    about = "" if size == abs(value) else "about "
    minus = "minus " if value < 0 and size else ""
    digits = str(size.numerator) if size.denominator == 1 else f"{float(size):.2f}".rstrip("0")
    return f"{about}{minus}{digits}"


def _digits(text: str) -> str:
    words = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text.lower())
    return alpha2digit(words, "en", threshold=0).strip()


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        return sign * _value(node.operand)
    return Fraction(ast.unparse(node))
