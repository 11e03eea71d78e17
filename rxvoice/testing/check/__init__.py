"""`check_operator`: the battery of cases that every operator passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from reactivex import Observable

from rxvoice._check import at_least
from rxvoice._value import Value
from rxvoice.errors import ConfigError
from rxvoice.testing.check._cases import Cases
from rxvoice.turn import Turn

__all__ = ["check_operator"]

T = TypeVar("T")
U = TypeVar("U")


def check_operator(
    make: Callable[[], Callable[[Observable[T]], Observable[U]]],
    *,
    elements: Sequence[T],
    on_empty: Sequence[U] = (),
    failing: Callable[[Exception], Callable[[Observable[T]], Observable[U]]] | None = None,
    key: Callable[[U], object] | None = None,
    name: str | None = None,
    every_ms: float = 32,
    events: Literal["pass", "drop", "none"] | None = None,
) -> None:
    """Check that an operator keeps the rules that every operator keeps, in virtual time.

    ```python
    def loud(gate):
        def passes(element):
            return isinstance(element, Event) or gate(element.samples)

        return ops.filter(passes)

    def broken_gate(error):
        def gate(samples):
            raise error
        return gate

    check_operator(
        lambda: loud(lambda samples: abs(samples).max() > 0.1),
        elements=[sound("~").chunk(0, 4, 16_000), sound("_").chunk(4, 4, 16_000)],
        failing=lambda error: loud(broken_gate(error)),
        name="loud",
    )
    ```

    The cases:

    never             The source is silent: nothing comes. Disposal unsubscribes from the source.
    empty             The operator completes once.
    one, many         It completes once, after all values.
    never-ending      The source does not end: neither does the operator. Its values are the first
                      ones of ``many``, so it holds back only what the end may change.
    error             The error of the source arrives as the same object, once and last.
    early-disposal    After disposal behind each element, nothing comes and the operator is
                      unsubscribed from the source.
    disposal-inside   The same, for disposal inside the first ``on_next``.
    resubscription    A second subscription sees what the first one saw.
    two-at-once       Two subscribers share no state.
    callback          (``failing``) The error that a callback raises arrives as ``on_error`` or as a
                      `TurnFailed`, as the error itself or as its cause. The producer does not see
                      it.
    subscriber        The error that a subscriber raises in ``on_next`` or ``on_completed`` reaches
                      the producer. It does not come back as an element or as ``on_error``.
    broken-source     The source goes on after its end: nothing more passes.
    scheduler         The operator subscribes to the source with the scheduler of its own
                      subscription.
    events            An `Event` before, between and after the elements passes as the same object,
                      once and in order. The elements are the same as without events.

    Args:
        make: returns a new operator, with new models if they have state.
        elements: the elements to push, at least two. Together they make the operator emit, and none
            makes it end. Each is pushed many times, so the operator must not change it.
        on_empty: what the operator emits if the source completes at once.
        failing: returns an operator whose callback or model raises this error at its first call;
            None if the operator calls nothing.
        key: returns what to compare of an emitted value; None compares the value itself.
        name: the name of the operator in messages; None for the name of ``make``.
        every_ms: virtual milliseconds between two elements, above 0.
        events: what the operator does with an `Event`. ``"pass"``: it passes the event on, like
            every operator of a conversation. ``"drop"``: it drops the event, like `only`.
            ``"none"``: no event can come. None: ``"pass"`` if an element is one of rxvoice's,
            ``"none"`` for numbers, texts and arrays.

    Raises:
        AssertionError: a case failed. The message names the operator, the case, what was expected
            and what came.
    """
    if len(elements) < 2:
        raise ConfigError(f"check_operator elements: wanted at least 2, got {len(elements)}")
    at_least("check_operator every_ms", every_ms, 0.001, "ms")
    called = name or getattr(make, "__name__", "operator")
    if events not in ("pass", "drop", "none", None):
        raise ConfigError(f'check_operator events must be "pass", "drop" or "none", got {events!r}')
    Cases(
        called,
        make,
        list(elements),
        list(on_empty),
        failing,
        key,
        every_ms / 1000,
        events or _beside(elements),
    ).run()


def _beside(elements: Sequence[object]) -> Literal["pass", "none"]:
    return "pass" if any(isinstance(it, Value | Turn) for it in elements) else "none"
