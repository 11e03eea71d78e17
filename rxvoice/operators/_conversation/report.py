"""What a reply reports to the model's memory, so that its history matches what the user heard."""

from __future__ import annotations

from functools import partial

from rxvoice._boundary import Calling
from rxvoice.elements import Transcript
from rxvoice.operators._stage_operator import Memory


class ReplyReport:
    """Reports on the reply to a question. The model itself has added it to its history.

    Args:
        memory: None: the model remembers nothing.
        call: how to call the model.
    """

    def __init__(self, memory: Memory | None, call: Calling) -> None:
        self._memory = memory
        self._call = call

    def withdraw(self, question: Transcript) -> bool:
        """Withdraw the question. False if the model has already taken it."""
        memory = self._memory
        return memory is not None and self._call(
            "withdraw", lambda: memory.withdraw(question), False
        )

    def forget(self) -> None:
        """The question has changed: the model forgets the one it was asked."""
        if self._memory:
            self._call("forget", self._memory.forget, None)

    def heard(self, text: str) -> None:
        """The user heard only this text."""
        if self._memory:
            self._call("heard", partial(self._memory.heard, text), None)

    def heard_whole(self, text: str) -> None:
        """The user heard all of the reply, as the model wrote it."""


class SayingReport(ReplyReport):
    """Reports on what the app says by itself. The model learns of it once it was heard."""

    def withdraw(self, question: Transcript) -> bool:
        """There is no question to withdraw."""
        return False

    def forget(self) -> None:
        """There is no question to forget."""

    def heard(self, text: str) -> None:
        """Add the text to the history; without any, nothing was said."""
        if text and self._memory:
            self._call("said", partial(self._memory.said, text), None)

    def heard_whole(self, text: str) -> None:
        """Add all of the text to the history."""
        self.heard(text)
