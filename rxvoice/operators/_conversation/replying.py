"""The stage that remembers the conversation, as far as an answer has to tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rxvoice._answers.stuck import SharedThread, shared_thread
from rxvoice.elements import Transcript
from rxvoice.operators._conversation.settings import Stage
from rxvoice.operators._flat import flat


def responder_at(stages: Sequence[Stage]) -> int:
    """Which of the stages answers a question: the first that can be told what became of it."""
    able = (n for n, it in enumerate(stages) if hasattr(it, "heard") or hasattr(it, "withdraw"))
    return next(able, 0)


def threads_of(stages: Iterable[Stage]) -> Iterator[SharedThread]:
    """The threads that the stages' models share with others, each once."""
    seen: list[SharedThread] = []
    for stage in flat(stages):
        thread = shared_thread(getattr(stage, "worker", None))
        if thread is not None and thread not in seen:
            seen.append(thread)
            yield thread


class Memory:
    """What an answer has to tell: here, nobody who would remember it.

    Each thing is told only where the stage has the method for it.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def withdraw(self, transcript: Transcript) -> bool:
        """Withdraw the question; whether it had been taken, as far as anybody says."""
        return True

    def heard(self, text: str) -> None:
        """Only this was heard of what was said."""

    def finished(self, text: str) -> None:
        """All of it was heard."""

    def forget(self) -> None:
        """The last question was none."""

    def _tell(self, name: str, *args: str) -> None:
        tell: Callable[..., object] | None = getattr(self._stage, name, None)
        if tell is not None:
            tell(*args)


class Responder(Memory):
    """Of the answer to a question; the model has written it into its conversation itself."""

    def withdraw(self, transcript: Transcript) -> bool:
        """If the model has not taken the question, it never will."""
        withdraw: Callable[[Transcript], object] | None = getattr(self._stage, "withdraw", None)
        return withdraw is None or bool(withdraw(transcript))

    def heard(self, text: str) -> None:
        """The conversation is cut to it."""
        self._tell("heard", text)

    def forget(self) -> None:
        """The conversation is as it was before."""
        self._tell("forget")


class Teller(Memory):
    """Of what the app says by itself, which joins the conversation once it was heard."""

    def heard(self, text: str) -> None:
        """What was not heard was not said."""
        if text:
            self._tell("said", text)

    def finished(self, text: str) -> None:
        """It is the assistant's."""
        self.heard(text)
