"""The error of a model or another user-supplied part, with the stage and the turn."""

from __future__ import annotations

from rxvoice.errors import RxvoiceError
from rxvoice.turn import Turn, turn_name

__all__ = ["StageError"]


class StageError(RxvoiceError):
    """A model or another user-supplied part raised.

    Args:
        stage: the operator it was called by, such as ``"transcribe"``.
        turn: the turn it was called for, or None where there is none (``"vad"``).
        cause: what it raised, be it the ``SystemExit`` of a ``sys.exit()``.
    """

    def __init__(self, stage: str, turn: Turn | None, cause: BaseException) -> None:
        where = stage if turn is None else f"{stage} (turn {turn_name(turn)})"
        super().__init__(f"{where} failed: {type(cause).__name__}: {cause}")
        self.stage = stage
        self.turn = turn
        self.cause = cause
        self.__cause__ = cause
