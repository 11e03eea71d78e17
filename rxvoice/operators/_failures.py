"""`Failures`: a part that is called for every chunk may fail now and then."""

from __future__ import annotations

from typing import TypeVar

from rxvoice.events import Event, Notice
from rxvoice.operators.kernel import Subscription
from rxvoice.stage_error import StageError

T = TypeVar("T")


class Failures:
    """Emits a `Notice` for each failure of such a part, and an error for too many in a row.

    Args:
        stage: the name of the operator that calls the part.
        out: the subscription that gets the notices and the error.
        most: how many failures in a row end the stream.
    """

    __slots__ = ("_in_a_row", "_most", "_out", "_stage", "total")

    def __init__(self, stage: str, out: Subscription[T | Event], most: int) -> None:
        self._stage = stage
        self._out = out
        self._most = most
        self._in_a_row = 0
        self.total = 0

    def over(self) -> None:
        """Note that the part has answered: the failures in a row are over."""
        self._in_a_row = 0

    def pardon(self, error: BaseException, instead: str) -> bool:
        """Emit a `Notice` of the failure. False if it was one too many and ended the stream.

        Args:
            instead: what the operator does without the answer, for the message.
        """
        self._in_a_row += 1
        self.total += 1
        failure = StageError(self._stage, None, error)
        if self._in_a_row >= self._most:
            self._out.fail(failure)
            return False
        message = (
            f"{failure}; {instead} (failure {self.total}; {self._in_a_row} in a row, at "
            f"{self._most} the conversation ends)"
        )
        self._out.emit(Notice(message, detail=failure, stage=self._stage))
        return True
