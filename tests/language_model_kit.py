"""A language model that writes what it is told to, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from threading import Event
from typing import Any

from rxvoice._language.calls import WrittenCall
from rxvoice._language.model import LanguageModel, Written
from rxvoice._language.question import Question
from rxvoice.events import Notice

WAIT = 30


class Scripted(LanguageModel):
    """Writes one stretch after another; raises what is an exception, waits for what is an event."""

    def __init__(
        self,
        *stretches: Iterable[Written | BaseException | Event],
        max_tool_rounds: int = 4,
        tools: Any = (),
        **options: Any,
    ) -> None:
        super().__init__(
            system_prompt=None,
            conversation=None,
            tools=tools,
            max_tool_rounds=max_tool_rounds,
            **options,
        )
        self._stretches = iter(stretches)
        self.closed = 0

    def _prepare(self) -> None:
        pass

    def respond(self, text: str) -> Generator[str | Notice, None, None]:
        return self._respond(text)

    def _write(self, question: Question) -> Generator[Written, None, None]:
        try:
            for piece in next(self._stretches):
                if isinstance(piece, BaseException):
                    raise piece
                if isinstance(piece, Event):
                    assert piece.wait(WAIT)
                else:
                    yield piece
        finally:
            self.closed += 1


def look(where: str = "") -> str:
    """Look.

    Args:
        where: Where.
    """
    return f"{where}!"


def contents(model: LanguageModel) -> list[str]:
    return [message["content"] for message in model.messages]


LOOK = WrittenCall("look", {"where": "there"})
