"""`ReplayedSink`: a sink that answers as the trace says, and plays nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from reactivex import never

from rxvoice._audio.samples import Samples
from rxvoice.trace._reading import is_count
from rxvoice.trace._traced_sink import OBSERVABLES, OPTIONAL

_PROPERTIES = ("position", "written", "queued_ms", "is_running")
_KEPT_S = 120 * 48_000
"""How many samples may have been written that a `clear` gives back."""


class _SinkAnswers(Protocol):
    def answer_of_sink(self, method: str, n: int | None = None) -> Any:
        """What the sink answered.

        Args:
            n: how many samples it was given.
        """
        ...


class ReplayedSink:
    """Answers as the trace says.

    Args:
        has: what of the optional the sink had.
    """

    def __init__(self, answers: _SinkAnswers, has: Sequence[str]) -> None:
        self._answers = answers
        self._has = {name for name in has if name in OPTIONAL}
        self._written: deque[Samples] = deque()
        self._count = 0

    def write_samples(self, samples: Samples, /) -> int:
        """As many as it took."""
        count = samples.shape[0]
        answer = self._answers.answer_of_sink("write_samples", count)
        taken = min(answer, count) if is_count(answer) and answer else count
        self._written.append(np.asarray(samples, np.float32)[:taken])
        self._count += taken
        while self._count - len(self._written[0]) > _KEPT_S:
            self._count -= len(self._written.popleft())
        return taken

    def clear(self) -> Samples:
        """As much of what was written last as had not been heard."""
        answer = self._answers.answer_of_sink("clear")
        if answer is None:  # nor did the sink say
            return cast("Samples", None)
        unheard = min(answer, _KEPT_S) if is_count(answer) else 0
        whole = np.concatenate([np.empty(0, np.float32), *self._written])
        self._written.clear()
        self._count = 0
        missing = np.zeros(max(0, unheard - len(whole)), np.float32)
        return np.concatenate([missing, whole[len(whole) - min(unheard, len(whole)) :]])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in OPTIONAL and name not in self._has:
            raise AttributeError(f"the sink that was recorded has no {name}")
        if name in OBSERVABLES:
            return never()
        if name in _PROPERTIES:
            return self._answers.answer_of_sink(name)

        def call(*_: Any) -> Any:
            return self._answers.answer_of_sink(name)

        return call
