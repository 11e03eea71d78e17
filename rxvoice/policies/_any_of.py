"""`any_of`: a policy made of others; `fresh`: a policy for one subscription."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.shapes import yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._check import method
from rxvoice.errors import ConfigError
from rxvoice.slots import PolicySlot

__all__ = ["AnyOf", "any_of", "fresh"]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """An end-of-turn policy made of others: see `any_of`."""

    policies: tuple[PolicySlot, ...]

    @property
    def sample_rate(self) -> int | None:
        """The sample rate that the policies want, in Hz; None if none of them names one."""
        return next(iter(_rates(self.policies)), None)

    def fresh(self) -> AnyOf:
        """A copy for one subscription, made of its policies' own copies."""
        return AnyOf(tuple(map(fresh, self.policies)))

    def user_spoke_again(self, silence_ms: int, /) -> None:
        """Tell the policies that want to know it."""
        for policy in self.policies:
            tell = getattr(policy, "user_spoke_again", None)
            if callable(tell):
                tell(silence_ms)

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether any policy says that the user has finished, at once or later."""
        later: list[Observable[bool]] = []
        for policy in self.policies:
            answer = _ask(policy)(audio, silence_ms)
            if isinstance(answer, Observable):
                later.append(cast("Observable[bool]", answer))
            elif yes_or_no(answer, "user_finished()"):
                return True
        match later:
            case []:
                return False
            case [only]:
                return only
            case _:
                return _until_yes(later)


def any_of(*policies: PolicySlot) -> AnyOf:
    """End a turn as soon as one of these policies says that the user has finished.

    After each chunk of silence the policies are called in order, up to the first that says True at
    once; then the others are not called, and answers still to come do not count. If none says True
    at once, later answers count as they come, up to the first True. A policy that raises fails the
    turn.

    Args:
        policies: one or more policies, each anything that `turn_window` takes, even an `any_of`.

    Raises:
        ConfigError: there is no policy, one of them is not a policy, or they want different sample
            rates.
    """
    if not policies:
        raise ConfigError("any_of wants one or more policies, got none")
    for policy in policies:
        method(policy, "user_finished")
    rates = _rates(policies)
    if len(rates) > 1:
        raise ConfigError(f"any_of wants policies for one sample rate, got {sorted(rates)} Hz")
    return AnyOf(policies)


def fresh(policy: PolicySlot) -> PolicySlot:
    """The policy for one subscription: the result of its ``fresh()``, or the policy itself."""
    make = getattr(policy, "fresh", None)
    return cast("PolicySlot", make()) if callable(make) else policy


def _ask(policy: PolicySlot) -> Callable[[Samples, int], object]:
    return cast("Callable[[Samples, int], object]", getattr(policy, "user_finished", policy))


def _until_yes(answers: list[Observable[bool]]) -> Observable[bool]:
    """Merge the answers, up to the first True."""
    # Not rx.merge(): it swallows what a subscriber raises, and goes on after a True.

    def subscribe(
        observer: abc.ObserverBase[bool], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        life = CompositeDisposable()
        waiting = len(answers)

        def on_next(finished: bool) -> None:
            try:
                finished = yes_or_no(finished, "user_finished()")
            except Exception as error:
                life.dispose()
                observer.on_error(error)
                return
            if finished:
                life.dispose()
            observer.on_next(finished)
            if finished:
                observer.on_completed()

        def on_completed() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                observer.on_completed()

        for answer in answers:
            if life.is_disposed:
                break
            life.add(
                answer.subscribe(on_next, observer.on_error, on_completed, scheduler=scheduler)
            )
        return life

    return rx.create(subscribe)


def _rates(policies: tuple[PolicySlot, ...]) -> set[int]:
    rates = (getattr(policy, "sample_rate", None) for policy in policies)
    return {rate for rate in rates if rate is not None}
