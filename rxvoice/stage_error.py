"""`StageError`: a model failed, with the stage and the turn in which it did."""

from __future__ import annotations

from rxvoice.errors import RxvoiceError
from rxvoice.turn import Turn, turn_name

__all__ = ["StageError"]


class StageError(RxvoiceError):
    """A model, or another part that the user supplies, raised an error.

    Args:
        stage: the operator that called the model, such as ``"transcribe"``.
        turn: the turn for which it was called. None if there is no turn, as in ``"vad"``.
        cause: the error that the model raised, which may be a ``SystemExit``.
    """

    def __init__(self, stage: str, turn: Turn | None, cause: BaseException) -> None:
        where = stage if turn is None else f"{stage} (turn {turn_name(turn)})"
        super().__init__(f"{where} failed: {type(cause).__name__}: {cause}")
        self.stage = stage
        self.turn = turn
        self.cause = cause
        self.__cause__ = cause
