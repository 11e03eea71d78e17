"""Of an answer that is not spoken as it was written: which of it has been heard."""

from __future__ import annotations

from bisect import bisect_right

from rxvoice.elements import Reply

__all__ = ["Written"]


class Written:
    """The pieces of an answer: what a voice says, and what the model wrote for it."""

    def __init__(self) -> None:
        self._spoken = ""
        self._said: list[str] = []
        self._wrote: list[str] = []
        self._ends: list[int] = []  # of what is said, for each piece
        self._verbatim: list[bool] = []
        self.length = 0
        """Characters to be spoken, so far."""

    def add(self, reply: Reply) -> None:
        """The next piece."""
        if reply.delta or reply.written:
            self.length += len(reply.delta)
            self._said.append(reply.delta)
            self._wrote.append(reply.written)
            self._ends.append(self.length)
            self._verbatim.append(reply.markup is None)

    @property
    def spoken(self) -> str:
        """What a voice says."""
        if len(self._spoken) < self.length:
            self._spoken = "".join(self._said)
        return self._spoken

    @property
    def written(self) -> str:
        """What the model wrote."""
        return "".join(self._wrote)

    def up_to(self, length: int) -> str:
        """What the model wrote for the first `length` characters of what a voice says.

        A piece that is said in other words than it was written belongs to it once all of it has
        been said; one that is not said at all, once something after it has.
        """
        if length <= 0:
            return ""
        whole = bisect_right(self._ends, length)
        begun = length - (self._ends[whole - 1] if whole else 0)
        if begun and whole < len(self._ends) and self._verbatim[whole]:
            return "".join(self._wrote[:whole]) + self._said[whole][:begun]
        while 0 < whole < len(self._ends) and not self._said[whole - 1]:
            whole -= 1
        return "".join(self._wrote[:whole])
