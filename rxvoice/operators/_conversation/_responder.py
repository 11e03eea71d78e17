"""The stage that remembers the conversation, as far as an interruption has to tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rxvoice.elements import Transcript
from rxvoice.operators._conversation._settings import Stage

__all__ = ["Responder"]


class Responder:
    """The first of the stages that can be told anything, each thing only if it has the method."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        able = (it for it in stages if hasattr(it, "heard") or hasattr(it, "withdraw"))
        self._stage = next(able, None)

    def withdraw(self, transcript: Transcript) -> bool:
        """Whether it has taken this question, as far as it says; if it has not, it never will."""
        withdraw: Callable[[Transcript], object] | None = getattr(self._stage, "withdraw", None)
        return withdraw is None or bool(withdraw(transcript))

    def heard(self, text: str) -> None:
        """Of its last reply only this was heard."""
        self._tell("heard", text)

    def forget(self) -> None:
        """Its last question was none."""
        self._tell("forget")

    def _tell(self, name: str, *args: str) -> None:
        tell: Callable[..., object] | None = getattr(self._stage, name, None)
        if tell is not None:
            tell(*args)
