"""Policies for the end of a turn, and the detector of barge-in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.shapes import yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._check import method, milliseconds, whole, within
from rxvoice.errors import ConfigError
from rxvoice.slots import PolicySlot

__all__ = ["any_of", "energy", "fresh", "max_duration", "rms", "silence"]


@dataclass(frozen=True, slots=True)
class Silence:
    """An end-of-turn policy: see `silence`."""

    ms: int

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the silence has lasted long enough."""
        return silence_ms >= self.ms


@dataclass(frozen=True, slots=True)
class MaxDuration:
    """An end-of-turn policy: see `max_duration`."""

    ms: float
    sample_rate: int

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool:
        """Whether the turn is long enough."""
        return len(audio) * 1000 >= self.ms * self.sample_rate


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

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether any policy says that the user has finished, at once or later."""
        later: list[Observable[bool]] = []
        for policy in self.policies:
            answer = _ask(policy)(audio, silence_ms)
            if isinstance(answer, Observable):
                later.append(cast("Observable[bool]", answer))
            elif yes_or_no(answer, "user_finished()"):
                return True
        if len(later) < 2:
            return later[0] if later else False
        return _until_yes(later)


@dataclass(frozen=True, slots=True)
class Energy:
    """A barge-in detector: see `energy`."""

    threshold: float

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        """Whether the assistant is playing and the chunk is loud enough."""
        return playing and rms(samples) > self.threshold


def silence(ms: int = 1600) -> Silence:
    """End a turn once the user has been silent this long.

    Args:
        ms: milliseconds of silence, 0 or more. With 0 the first chunk without speech ends the
            turn. The default is that of ``turn_max_incomplete_silence_ms`` in mlx-audio's
            ``VoicePipelineConfig``.
    """
    milliseconds("silence ms", ms, 0)
    return Silence(ms)


def max_duration(ms: float, *, sample_rate: int = 16_000) -> MaxDuration:
    """End a turn that is this long at its next chunk of silence, never within a word.

    Combine it with another policy: ``any_of(silence(1600), max_duration(10_000))``. In contrast,
    the ``max_duration_ms`` of `turn_window` also ends a turn in the middle of speech.

    Args:
        ms: milliseconds of the turn's audio, pre-roll included, 1 or more.
        sample_rate: Hz of that audio.
    """
    milliseconds("max_duration ms", ms, 1)
    whole("max_duration sample_rate", sample_rate, 1, "Hz")
    return MaxDuration(ms, sample_rate)


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


def energy(threshold: float = 0.02) -> Energy:
    """Speech counts as barge-in while the assistant is playing, if the chunk is louder than this.

    Args:
        threshold: root mean square, 0 to 1. 0.02 is about -34 dBFS, above a quiet room.
    """
    within("energy threshold", threshold, 0.0, 1.0, "RMS")
    return Energy(threshold)


def rms(samples: Samples) -> float:
    """The root mean square of the samples; 0 if there are none."""
    return math.sqrt(float(samples.dot(samples)) / len(samples)) if len(samples) else 0.0
