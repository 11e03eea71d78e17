"""Splits what gpt-oss writes into text to say, thoughts and calls of tools, by its channels."""

from __future__ import annotations

import re

from rxvoice._language.calls import WrittenCall, read_call

_START, _CHANNEL, _MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
ENDS = ("<|return|>", "<|call|>")
"""The tokens that end what is written. Some conversions do not list both."""

_MARK = re.compile("|".join(map(re.escape, (_START, _CHANNEL, _MESSAGE, "<|end|>", *ENDS))))
_BEGUN_MARK = re.compile(r"<(?:\|[a-z]*\|?)?$")
_NAMED = re.compile(rf"{re.escape(_CHANNEL)}\s*(\w+)")
_TO = re.compile(r"\bto=([^\s<]+)")
_SPOKEN = ("final", "commentary")
"""In the commentary, the model says what it is going to do; its calls stand there too."""


def has_channels(template: str) -> bool:
    """Whether a model with this chat template writes in channels."""
    return all(mark in template for mark in (_START, _CHANNEL, _MESSAGE))


class ChannelSplitter:
    """Splits the text of one generation, piece by piece.

    Each message has a header with its channel, and with the tool if it is a call. The prompt ends
    in the first header. A text without any header is said, since a model that was trained on may
    have unlearned them.

    Attributes:
        calls: the text of each call of a tool that is complete, with its header.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._header: str | None = ""
        """The header so far; None between headers."""
        self._channel = ""
        self._call = ""
        self._held = ""
        self._is_first = True

    @property
    def is_thinking(self) -> bool:
        """Whether a thought has begun and not ended."""
        return bool(self._channel) and self._channel not in _SPOKEN

    def feed(self, text: str) -> str:
        """The part of the text to say; empty while that is not known."""
        text, said, at = self._held + text, "", 0
        for mark in _MARK.finditer(text):
            said += self._take(text[at : mark.start()])
            self._pass(mark[0])
            at = mark.end()
        begun = _BEGUN_MARK.search(text, at)
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return said + self._take(text[at:end])

    def end(self) -> str:
        """End the text. Gives what was held back and is to be said."""
        said = self._take(self._held)
        self._held = ""
        if self._is_first and self._header:
            said, self._header = self._header, None
        self._end_call()
        return said

    def _take(self, text: str) -> str:
        """Take text between two marks. Gives what is to be said."""
        if self._header is not None:
            self._header += text
            begins = self._header.strip()[:3]
            if not self._is_first or "to=".startswith(begins):
                return ""
            text, self._header, self._channel = self._header, None, _SPOKEN[0]
        if self._call:
            self._call += text
            return ""
        return text if self._channel in _SPOKEN else ""

    def _pass(self, mark: str) -> None:
        self._is_first = False
        if mark == _MESSAGE:
            if self._header is not None:
                named = _NAMED.search(self._header)
                self._channel = named[1] if named else _SPOKEN[0]
                self._call = self._header + mark if _TO.search(self._header) else ""
                self._header = None
        elif mark == _CHANNEL and self._header is not None:
            self._header += mark
        else:
            self._end_call()
            self._channel = ""
            self._header = {_START: "", _CHANNEL: mark}.get(mark)

    def _end_call(self) -> None:
        if self._call:
            self.calls.append(self._call)
        self._call = ""


def channel_call(text: str) -> WrittenCall:
    """The call that a `ChannelSplitter` has found.

    Raises:
        ValueError: its arguments cannot be read.
    """
    header, _, arguments = text.partition(_MESSAGE)
    to = _TO.search(header)
    return read_call(to[1].removeprefix("functions.") if to else None, arguments)
