"""An operator that `converse` can ask what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from reactivex import Observable, abc

from rxvoice.elements import Transcript
from rxvoice.operators.kernel import Operator

A = TypeVar("A")
B = TypeVar("B")

Stage: TypeAlias = Callable[[Observable[Any]], Observable[Any]]
"""Any operator, whatever it takes and gives."""


class Memory:
    """The history of a model, which must match what the user heard.

    A model remembers each reply as it wrote it. `converse` corrects that through this object. A
    method does nothing where the model does not have it.

    Args:
        model: an object with any of ``heard(text)``, ``said(text)`` and ``forget()``.
        withdraw: withdraws a question; see `withdraw`. None: the model takes each question at once.
        tell: makes a call of the model, on the model's own thread. None: makes it in place.
    """

    def __init__(
        self,
        model: object,
        *,
        withdraw: Callable[[Transcript], bool] | None = None,
        tell: Callable[[Callable[[], object]], None] | None = None,
    ) -> None:
        names = ("heard", "said", "forget")
        found = {name: getattr(model, name, None) for name in names}
        self._methods = {name: method for name, method in found.items() if callable(method)}
        self._withdraw = withdraw
        self._tell = tell

    @property
    def can_forget(self) -> bool:
        """Whether the model can forget a question; True too where it remembers nothing."""
        return "forget" in self._methods or "heard" not in self._methods

    def withdraw(self, question: Transcript) -> bool:
        """Withdraw a question: the model will never take it.

        Returns:
            True if the question is withdrawn, False if the model has already taken it.
        """
        return self._withdraw is not None and self._withdraw(question)

    def heard(self, text: str) -> None:
        """Cut the last reply to what the user heard of it."""
        self._call("heard", text)

    def said(self, text: str) -> None:
        """Add what the assistant said without a question."""
        self._call("said", text)

    def forget(self) -> None:
        """Remove the last question and its reply."""
        self._call("forget")

    def _call(self, name: str, *args: str) -> None:
        method = self._methods.get(name)
        if method is None:
            return
        if self._tell is None:
            method(*args)
        else:
            self._tell(lambda: method(*args))


def _no_parts(_: Transcript | None) -> None:
    """The parts of an operator that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class StageOperator(Generic[A, B]):
    """An operator, and what `converse` must know of it.

    `converse` is given operators, and does not see their models.

    Args:
        operator: the operator itself.
        speaks: True if it makes speech, False if it makes text, None if it does not say.
        worker: the scheduler of its model.
        memory: the history of its model; None: it answers no questions.
        parts: gives the operators that this one consists of, for a question; None while there is
            no question. It gives None for an operator that cannot be taken apart.
    """

    operator: Operator[A, B]
    speaks: bool | None = None
    worker: abc.SchedulerBase | None = None
    memory: Memory | None = None
    parts: Callable[[Transcript | None], Sequence[Stage] | None] = _no_parts

    def __call__(self, source: Observable[A]) -> Observable[B]:
        return self.operator(source)


def asked(stage: Stage) -> StageOperator[Any, Any]:
    """The operator as a `StageOperator`.

    An operator of the app's own may say the same by attributes: ``speaks``, ``worker``, and
    ``heard(text)``, ``said(text)`` and ``forget()`` for its memory.
    """
    if isinstance(stage, StageOperator):
        return cast("StageOperator[Any, Any]", stage)
    return StageOperator(
        stage,
        speaks=getattr(stage, "speaks", None),
        worker=getattr(stage, "worker", None),
        memory=Memory(stage) if hasattr(stage, "heard") else None,
    )


def take_apart(
    stages: Iterable[Stage], question: Transcript | None = None
) -> Iterator[StageOperator[Any, Any]]:
    """The operators one by one, where some consist of several."""
    for stage in map(asked, stages):
        parts = stage.parts(question)
        if parts is None:
            yield stage
        else:
            yield from take_apart(parts, question)
