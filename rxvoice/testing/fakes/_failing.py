"""`failing`: a model or a device, one call of which raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar, cast

from rxvoice._check import whole
from rxvoice.errors import ConfigError

T = TypeVar("T")


def failing(slot: T, method: str = "__call__", *, at: int = 1, error: Exception | None = None) -> T:
    """Wrap a model or a device so that one call raises.

    ```python
    stt = failing(FakeTranscriber("yes"), "transcribe_turn", at=2)   # the second turn fails
    gate = failing(lambda samples: True)                             # a plain callable
    ```

    Args:
        slot: the model or the device.
        method: the method that raises; a plain callable has only ``"__call__"``.
        at: which call raises, from 1, counted over all subscriptions.
        error: the error to raise; None for ``RuntimeError("failing")``.
    """
    whole("failing at", at, 1, "calls")
    if not callable(getattr(slot, method, None)):
        raise ConfigError(f"failing: {slot!r} has no method {method!r}")
    return cast(T, _Failing(slot, method, at, error or RuntimeError("failing"), count(1)))


class _Failing:
    """Passes every call on to the slot, except for one."""

    def __init__(
        self, slot: object, method: str, at: int, error: Exception, calls: Iterator[int]
    ) -> None:
        self._slot = slot
        self._method = method
        self._at = at
        self._error = error
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._slot, name)
        if name == self._method:
            return self._counted(found)
        return self._fresh if name == "fresh" else found

    def __call__(self, *args: object) -> object:
        call = cast("Callable[..., object]", self._slot)
        return (self._counted(call) if self._method == "__call__" else call)(*args)

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object) -> object:
            if next(self._calls) == self._at:
                raise self._error
            return call(*args)

        return counted

    def _fresh(self) -> _Failing:
        own = cast(Any, self._slot).fresh()
        return _Failing(own, self._method, self._at, self._error, self._calls)
