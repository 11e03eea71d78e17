"""What is asked at every chunk may fail now and then."""

from __future__ import annotations

from typing import TypeVar

from rxvoice.events import Event, Notice
from rxvoice.operators.kernel import Subscription
from rxvoice.stage_error import StageError

T = TypeVar("T")


class Failures:
    """Tells each failure of a part that is asked at every chunk; too many in a row are an error.

    Args:
        stage: the operator that asks.
        out: where to tell it.
        most: failures in a row that end the stream.
    """

    __slots__ = ("_in_a_row", "_most", "_out", "_stage", "total")

    def __init__(self, stage: str, out: Subscription[T | Event], most: int) -> None:
        self._stage = stage
        self._out = out
        self._most = most
        self._in_a_row = 0
        self.total = 0

    def over(self) -> None:
        """The part has answered."""
        self._in_a_row = 0

    def pardon(self, error: BaseException, instead: str) -> bool:
        """Tell it; False where it was one too many, and has ended the stream.

        Args:
            instead: what is done without the answer.
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
