"""Text without lone surrogates: no file, socket or tokenizer takes one."""

from __future__ import annotations


def whole_text(text: str) -> str:
    """The text with pairs of surrogates joined, and U+FFFD in place of each lone one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Joined:
    """Joins text in pieces where a piece may end between the two surrogates of a character."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Returns the piece as text. The first half of a pair at its end waits for the second."""
        text = self._held + piece
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return whole_text(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """Returns what still waits, after the last piece."""
        held, self._held = self._held, ""
        return whole_text(held)
