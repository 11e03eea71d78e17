"""Splits what a model generates into text to say, thoughts and calls of tools."""

from __future__ import annotations

from typing import Any, Protocol


class Markers(Protocol):
    """What mlx-lm's tokenizer knows of the marks that a model sets in its text."""

    has_thinking: bool
    response_initial_state: str | None

    def rfind_think_start(self, tokens: list[int], start: int) -> int: ...
    def rfind_think_end(self, tokens: list[int], start: int) -> int: ...


class TextSplitter:
    """Splits the text of one generation, piece by piece.

    Args:
        markers: the tokenizer.
        prompt: the tokens before the generation. Some templates end the prompt inside a thought.

    Attributes:
        calls: the text of each call of a tool that is complete.
    """

    def __init__(self, markers: Markers, prompt: list[int]) -> None:
        from mlx_lm.generate import (
            TextStateMachine,
            make_text_state_machine,  # pyright: ignore[reportUnknownVariableType]
        )

        self.calls: list[str] = []
        self._call = ""
        self._machine: Any = TextStateMachine
        states: Any = make_text_state_machine(markers)
        self._state: Any = states.make_state(_first_state(markers, prompt))

    def feed(self, text: str) -> str:
        """The part of the text to say; empty while that is not known."""
        was = self._state[0]
        self._state, segments = self._machine.split(self._state, text)
        return self._sort(was, segments)

    def end(self) -> str:
        """End the text. Gives what was held back and is to be said."""
        self._state, rest, state = self._machine.flush(self._state)
        said = self._sort(state, [(state, rest)])
        self._end_call()
        return said

    @property
    def is_thinking(self) -> bool:
        """Whether a thought has begun and not ended."""
        return self._state[0] == "reasoning"

    def _sort(self, was: str, segments: list[tuple[str, str]]) -> str:
        said = ""
        for index, (state, text) in enumerate(segments):
            if index and was == "tool":
                self._end_call()
            if state == "tool":
                self._call += text
            elif state == "normal":
                said += text
            was = state
        return said

    def _end_call(self) -> None:
        if self._call.strip():
            self.calls.append(self._call)
        self._call = ""


def _first_state(markers: Markers, prompt: list[int]) -> str:
    if markers.response_initial_state:
        return markers.response_initial_state
    # Only the template's own end counts, not what a user said.
    tail = max(0, len(prompt) - 32)
    if markers.has_thinking and (
        markers.rfind_think_start(prompt, tail) > markers.rfind_think_end(prompt, tail)
    ):
        return "reasoning"
    return "normal"
