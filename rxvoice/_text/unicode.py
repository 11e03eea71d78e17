"""Text without lone surrogates, which no file, socket or tokenizer takes."""

from __future__ import annotations


def whole_text(text: str) -> str:
    """The text with pairs of surrogates joined, and U+FFFD for each that is alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Joined:
    """Text in pieces, where a piece may end between the two surrogates of one character."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The next piece; the first half of a pair at its end waits for the second."""
        text = self._held + piece
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return whole_text(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """What still waits when there are no more pieces."""
        held, self._held = self._held, ""
        return whole_text(held)
