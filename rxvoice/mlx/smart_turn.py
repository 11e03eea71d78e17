"""The end of a turn, judged by a smart-turn model of mlx-audio."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, cast

import numpy as np
import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxvoice._answers.deliver import deliver
from rxvoice._audio.samples import Samples
from rxvoice._check import method, model_name, whole, within
from rxvoice.errors import ConfigError
from rxvoice.mlx._opening import directory_of, opening, refusal
from rxvoice.mlx._precision import convert, wanted

__all__ = ["Endpoint", "EndpointModel", "EndpointSlot", "SmartTurn", "smart_turn"]

_SAMPLE_RATE = 16_000
_WINDOW = 8 * _SAMPLE_RATE  # the samples that a smart-turn model takes


class Endpoint(Protocol):
    """A model's verdict, as mlx-audio's ``EndpointOutput``."""

    @property
    def prediction(self) -> int:
        """1 if the user has finished, else 0."""
        ...


class EndpointModel(Protocol):
    """Judges whether the user has finished, as mlx-audio's smart-turn models do."""

    def predict_endpoint(
        self, audio: Samples, sample_rate: int, threshold: float, /
    ) -> Endpoint: ...


EndpointSlot: TypeAlias = EndpointModel | Callable[[Samples, int, float], Endpoint]

_Predict: TypeAlias = Callable[[Samples, int, float], Endpoint]


def smart_turn(
    model: str | Path | EndpointSlot = "mlx-community/smart-turn-v3",
    *,
    threshold: float = 0.5,
    ask_after_ms: int = 600,
    max_silence_ms: int = 1600,
    every_ms: int = 200,
    keep_silence_ms: int | None = 200,
    worker: abc.SchedulerBase | None = None,
    trust_remote_code: bool = False,
) -> SmartTurn:
    """An end-of-turn policy that asks a model whether the user sounds finished, for `turn_window`.

    ```python
    vox.turn_window(rxv.mlx.smart_turn(worker=worker.listening))
    ```

    The model is asked when the user's silence reaches `ask_after_ms`. It gets the last 8 s of the
    turn, of whose final silence only `keep_silence_ms` are left: a long silence alone makes it
    believe that the user has finished. While that silence is not reached, it is asked again after
    each `every_ms`. At `max_silence_ms` the turn ends, whatever the model says. A question is void
    once the user speaks again; if it still waits for the worker, the model never gets it. A model
    that raises or cannot be loaded fails the turn that it was asked about.

    The model loads with the first question. The audio has to be at 16 kHz.

    Args:
        model: a directory with config.json and model.safetensors, or a name on the Hugging Face
            hub, which is fetched once and then cached. Or a model that is already loaded: an object
            with ``predict_endpoint(audio, sample_rate, threshold)``, or a callable of that shape.
            ``audio`` is float32 of shape ``(n,)``, n up to 128,000. The policy reads
            ``.prediction`` of what it returns.
        threshold: the probability, 0 to 1, above which a turn is complete.
        ask_after_ms: milliseconds of silence before the first question, 1 or more.
        max_silence_ms: milliseconds of silence that end a turn, more than `ask_after_ms`.
        every_ms: milliseconds of silence between two questions, 1 or more. With the defaults there
            is one question in a silence, since a second one would be about the same sound.
        keep_silence_ms: the most milliseconds of the silence that the model gets, 1 or more; None
            for all, which asks up to five times before the turn ends anyway. `benchmarks.eot`
            shows why 200: Smart Turn 3.2 was made to be asked about then.
        worker: the scheduler that loads and asks the model, the one that runs the other MLX
            models: ``MlxScheduler().listening``. The verdict comes on the scheduler given to
            ``subscribe``. Without one it comes on the worker, which is right only if the
            microphone's chunks arrive there too. None: the model is asked in place, and the
            microphone waits.
        trust_remote_code: let the model's own code and pickles run. Without it, a model that has
            any is refused before anything of it is loaded.

    Raises:
        ConfigError: an argument out of range, or a `model` that is none of those.

    `threshold` and the two silences are as in mlx-audio's ``VoicePipelineConfig``; mlx-audio asks
    the model once in a silence.
    """
    timing = _Timing(ask_after_ms, max_silence_ms, every_ms, keep_silence_ms)
    within("smart_turn threshold", threshold, 0.0, 1.0, "probability")
    return SmartTurn(_Lazy(model, trust_remote_code), threshold, timing, worker)


@dataclass(frozen=True, slots=True)
class _Timing:
    """When to ask, in milliseconds of silence."""

    ask_after_ms: int
    max_silence_ms: int
    every_ms: int
    keep_silence_ms: int | None

    def __post_init__(self) -> None:
        whole("smart_turn ask_after_ms", self.ask_after_ms, 1, "ms")
        whole("smart_turn max_silence_ms", self.max_silence_ms, 1, "ms")
        whole("smart_turn every_ms", self.every_ms, 1, "ms")
        if self.keep_silence_ms is not None:
            whole("smart_turn keep_silence_ms", self.keep_silence_ms, 1, "ms")
        if self.max_silence_ms <= self.ask_after_ms:
            raise ConfigError(
                f"smart_turn max_silence_ms must be above ask_after_ms={self.ask_after_ms} (ms), "
                f"got {self.max_silence_ms}: the model would never be asked"
            )

    def questions(self, silence_ms: int) -> int:
        """How many questions are due in a silence of this length."""
        if silence_ms < self.ask_after_ms:
            return 0
        return 1 + (silence_ms - self.ask_after_ms) // self.every_ms

    def heard(self, audio: Samples, silence_ms: int) -> Samples:
        """What the model gets of a turn that ends in so much silence."""
        if self.keep_silence_ms is not None:
            excess = max(0, silence_ms - self.keep_silence_ms) * _SAMPLE_RATE // 1000
            audio = audio[: max(0, len(audio) - excess)]
        return audio[-_WINDOW:]


class SmartTurn:
    """An end-of-turn policy; made by `smart_turn`.

    It remembers the silence that it was last asked about, so two subscriptions at a time should
    each have a policy of their own, by `fresh`. Sharing one only asks the model more often.
    """

    sample_rate = _SAMPLE_RATE
    """Hz of the audio that it judges."""

    model: str | None
    """The directory or hub name of the model; None for one that was already loaded."""

    def __init__(
        self, model: _Lazy, threshold: float, timing: _Timing, worker: abc.SchedulerBase | None
    ) -> None:
        self.model = model.name
        self._loaded = model
        self._threshold = threshold
        self._timing = timing
        self._worker = worker
        self._silence_ms = self._asked_ms = 0

    @property
    def trust_remote_code(self) -> bool:
        """Whether the model's own code may run, in all policies of one `fresh` family."""
        return self._loaded.trust_remote_code

    @trust_remote_code.setter
    def trust_remote_code(self, trust: bool) -> None:
        self._loaded.trust_remote_code = trust

    def fresh(
        self, *, max_silence_ms: int | None = None, worker: abc.SchedulerBase | None = None
    ) -> SmartTurn:
        """The same policy with the same model, for another subscription.

        Args:
            max_silence_ms: another longest silence, as in `smart_turn`.
            worker: another worker.

        Raises:
            ConfigError: the silence is not above `ask_after_ms`.
        """
        own = copy(self)
        own._silence_ms = own._asked_ms = 0
        if max_silence_ms is not None:
            own._timing = replace(self._timing, max_silence_ms=max_silence_ms)
        own._worker = worker or self._worker
        return own

    def load(self) -> None:
        """Load the model on this thread now, and not with the first question. Once.

        It has to be the worker's thread: ``worker.schedule(lambda *_: policy.load())``.

        Raises:
            ConfigError: the model cannot be fetched or loaded, or is no smart-turn model.
        """
        self._loaded()

    def warm_up(self) -> None:
        """Ask the model once, on this thread, so that the first question does not wait for it."""
        self._predict(np.zeros(_WINDOW, np.float32))

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether the user has finished: a bool at once, or the model's verdict later.

        Gives False between two questions and True from `max_silence_ms` on. A question is an
        observable of one bool. Subscribing puts it to the model; disposing the subscription makes
        it void. The audio is not copied, so it must not change.

        Args:
            audio: float32 of shape ``(n,)``, the turn so far, at 16 kHz.
            silence_ms: the silence at its end, in milliseconds.
        """
        due, keep_ms = self._timing.questions, self._timing.keep_silence_ms
        before = due(self._silence_ms) if self._silence_ms < silence_ms else 0
        self._silence_ms = silence_ms
        if silence_ms >= self._timing.max_silence_ms:
            return True
        if due(silence_ms) == before:
            return False
        if before and keep_ms is not None and self._asked_ms >= keep_ms:
            return False  # it would hear the same again
        self._asked_ms = silence_ms
        return self._question(self._timing.heard(audio, silence_ms))

    def _question(self, audio: Samples) -> Observable[bool]:
        def subscribe(
            observer: abc.ObserverBase[bool], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            life = CompositeDisposable()
            deliver(
                lambda: self._predict(audio),
                observer.on_next,
                observer.on_completed,
                lambda error: observer.on_error(cast("Exception", error)),
                life=life,
                worker=self._worker,
                scheduler=scheduler,
            )
            return life

        return rx.create(subscribe)

    def _predict(self, audio: Samples) -> bool:
        predict = self._loaded()
        return bool(predict(audio, _SAMPLE_RATE, self._threshold).prediction)


class _Lazy:
    """The model, loaded by the first call. After a failure the next call tries again."""

    def __init__(self, model: str | Path | EndpointSlot, trust_remote_code: bool) -> None:
        self.trust_remote_code = trust_remote_code
        self.name: str | None = None
        self._predict: _Predict | None = None
        if isinstance(model, str | Path):
            instead = "an object with predict_endpoint(...)"
            model_name("model", model, "mlx-community/smart-turn-v3", instead=instead)
            self.name = str(model)
        else:
            self._predict = cast(_Predict, method(model, "predict_endpoint"))

    def __call__(self) -> _Predict:
        if self._predict is None:
            self._predict = _open(cast("str", self.name), trust=self.trust_remote_code)
        return self._predict


def _open(model: str, *, trust: bool) -> _Predict:
    from mlx_audio.utils import get_model_name_parts
    from mlx_audio.vad import load  # pyright: ignore[reportUnknownVariableType]

    needs = 'config.json with "model_type": "smart_turn", and model.safetensors with all weights'
    with opening(model, refusal(model, "smart-turn model", "mlx-audio", needs)):
        path = directory_of(model, "mlx_audio", trust_remote_code=trust)
        # Unless it is strict, it leaves missing weights random.
        loaded = load(path, strict=True, model_name_parts=get_model_name_parts(model))
        convert(loaded, wanted(None))
    predict = getattr(loaded, "predict_endpoint", None)
    if not callable(predict):
        family = type(loaded).__module__.rpartition(".")[2]
        raise ConfigError(
            f"{model!r} is a {family} model, not a smart-turn one: use such as "
            "'mlx-community/smart-turn-v3'"
        )
    return cast(_Predict, predict)
