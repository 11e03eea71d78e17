"""The end of a turn, judged by a smart-turn model that mlx-audio runs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
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
from rxvoice.mlx._opening import directory_of, opening

__all__ = ["Endpoint", "EndpointModel", "EndpointSlot", "SmartTurn", "smart_turn"]

_SAMPLE_RATE = 16_000
_HEARD = 8 * _SAMPLE_RATE  # samples that a smart-turn model hears


class Endpoint(Protocol):
    """A model's judgement, as mlx-audio's ``EndpointOutput``."""

    @property
    def prediction(self) -> int:
        """1 where the user has finished, else 0."""
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
    worker: abc.SchedulerBase | None = None,
    trust_remote_code: bool = False,
) -> SmartTurn:
    """A turn ends when a model that listens to how it was said judges it to be complete.

    For `turn_window`. The model is asked when the user's silence has reached `ask_after_ms`, and
    again each `every_ms` of further silence; it hears the last 8 s of the turn as they are then.
    At `max_silence_ms` the turn ends whatever the model says. A question is void once the user
    speaks again; where it still waits for the worker it never reaches the model. A model that
    raises, or that cannot be loaded, fails the turn it was asked about.

    Nothing is loaded before the first question. The audio has to be at 16 kHz.

    Args:
        model: a directory with config.json and model.safetensors, a name on the Hugging Face hub,
            fetched once and then cached, or a model that is already there: an object with
            ``predict_endpoint(audio, sample_rate, threshold)``, or such a callable. ``audio`` is
            float32 of shape ``(n,)``, n up to 128,000; ``.prediction`` of what it gives is used.
        threshold: probability, 0 to 1, above which a turn is complete.
        ask_after_ms: milliseconds of silence before the first question, 1 or more.
        max_silence_ms: milliseconds of silence that end a turn, more than `ask_after_ms`.
        every_ms: milliseconds of silence from one question to the next, 1 or more. The default
            asks up to five times before the turn ends anyway.
        worker: the scheduler on which the model is loaded and asked, the one that runs the other
            MLX models: ``MlxScheduler().listening``. Answers come back on the scheduler given to
            ``subscribe``; without one, on the worker, which is only right where the microphone's
            chunks arrive there too. None: the model is asked in place, and the microphone waits.
        trust_remote_code: let code and pickles of the model's run. Without, a model that has any
            is refused before anything of it is loaded.

    Raises:
        ConfigError: an argument out of range, or `model` none of those.

    `threshold` and the two silences as mlx-audio's ``VoicePipelineConfig``; there the model is
    asked once a silence.
    """
    return SmartTurn(
        model,
        threshold=threshold,
        ask_after_ms=ask_after_ms,
        max_silence_ms=max_silence_ms,
        every_ms=every_ms,
        worker=worker,
        trust_remote_code=trust_remote_code,
    )


class SmartTurn:
    """An end-of-turn policy; made by `smart_turn`, whose arguments it takes.

    It remembers the silence it was last asked about. Two subscriptions at a time each want one of
    their own, by `fresh`; sharing one only asks the model more often.
    """

    sample_rate = _SAMPLE_RATE
    """Hz of the audio that it judges."""

    model: str | None
    """The directory or hub name it was made with; None for a model that was already there."""

    def __init__(
        self,
        model: str | Path | EndpointSlot = "mlx-community/smart-turn-v3",
        *,
        threshold: float = 0.5,
        ask_after_ms: int = 600,
        max_silence_ms: int = 1600,
        every_ms: int = 200,
        worker: abc.SchedulerBase | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        within("smart_turn threshold", threshold, 0.0, 1.0, "probability")
        whole("smart_turn ask_after_ms", ask_after_ms, 1, "ms")
        whole("smart_turn max_silence_ms", max_silence_ms, 1, "ms")
        whole("smart_turn every_ms", every_ms, 1, "ms")
        if max_silence_ms <= ask_after_ms:
            raise ConfigError(
                f"smart_turn max_silence_ms must be above ask_after_ms={ask_after_ms} (ms), got "
                f"{max_silence_ms}: the model would never be asked"
            )
        self._threshold = threshold
        self._ask_after_ms = ask_after_ms
        self._max_silence_ms = max_silence_ms
        self._every_ms = every_ms
        self._worker = worker
        self.model = str(model) if isinstance(model, str | Path) else None
        self._loaded = _Lazy(model, trust_remote_code)
        self._silence_ms = 0

    @property
    def trust_remote_code(self) -> bool:
        """Whether code of the model's may run; of all that come of one `fresh` family."""
        return self._loaded.trust_remote_code

    @trust_remote_code.setter
    def trust_remote_code(self, trust: bool) -> None:
        self._loaded.trust_remote_code = trust

    def fresh(self) -> SmartTurn:
        """The same policy, with the same model, for one subscription."""
        own = copy(self)
        own._silence_ms = 0
        return own

    def load(self) -> None:
        """Load the model on this thread, now rather than at the first question; once.

        The thread has to be the worker's, as in ``worker.schedule(lambda *_: policy.load())``.

        Raises:
            ConfigError: the model cannot be fetched or loaded, or is no smart-turn model.
        """
        self._loaded()

    def warm_up(self) -> None:
        """Ask the model once, on this thread, so that the first question does not wait for it."""
        self._predict(np.zeros(_HEARD, np.float32))

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether the user has finished: a bool at once, or the model's answer.

        Gives False between two questions and True from `max_silence_ms` on. A question is an
        observable of one bool, which is put to the model when it is subscribed to and forgotten
        when that subscription is disposed of. The audio is not copied: it must not change.

        Args:
            audio: float32 of shape ``(n,)``, the turn so far, at 16 kHz.
            silence_ms: the silence at its end, in milliseconds.
        """
        before = self._questions(self._silence_ms) if self._silence_ms < silence_ms else 0
        self._silence_ms = silence_ms
        if silence_ms >= self._max_silence_ms:
            return True
        if self._questions(silence_ms) == before:
            return False
        return self._question(audio[-_HEARD:])

    def _questions(self, silence_ms: int) -> int:
        """How many are due in a silence of this length."""
        if silence_ms < self._ask_after_ms:
            return 0
        return 1 + (silence_ms - self._ask_after_ms) // self._every_ms

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
    """The model, opened when it is first called for; after a failure the next call tries again."""

    def __init__(self, model: str | Path | EndpointSlot, trust_remote_code: bool) -> None:
        self.trust_remote_code = trust_remote_code
        self._name = ""
        self._predict: _Predict | None = None
        if not isinstance(model, str | Path):
            self._predict = cast(_Predict, method(model, "predict_endpoint"))
            return
        instead = "an object with predict_endpoint(...)"
        model_name("model", model, "mlx-community/smart-turn-v3", instead=instead)
        self._name = str(model)

    def __call__(self) -> _Predict:
        if self._predict is None:
            self._predict = _open(self._name, trust=self.trust_remote_code)
        return self._predict


def _open(model: str, *, trust: bool) -> _Predict:
    from mlx_audio.utils import get_model_name_parts
    from mlx_audio.vad import load  # pyright: ignore[reportUnknownVariableType]

    with opening(model, lambda why: _not_loaded(model, why)):
        path = directory_of(model, "mlx_audio", trust_remote_code=trust)
        # Not strict, it would leave weights that are missing at random values.
        loaded = load(path, strict=True, model_name_parts=get_model_name_parts(model))
    predict = getattr(loaded, "predict_endpoint", None)
    if not callable(predict):
        family = type(loaded).__module__.rpartition(".")[2]
        raise ConfigError(
            f"{model!r} is a {family} model, not a smart-turn one: use such as "
            "'mlx-community/smart-turn-v3'"
        )
    return cast(_Predict, predict)


def _not_loaded(model: str, why: str) -> str:
    if Path(model).is_dir():
        return (
            f"the directory {model!r} holds no smart-turn model that mlx-audio can load ({why}): "
            'it needs config.json with "model_type": "smart_turn", and model.safetensors with all '
            "weights"
        )
    return (
        f"the smart-turn model {model!r} is not a directory here and could not be fetched from the "
        f"Hugging Face hub or loaded ({why}): check the path or the name, the network, and for a "
        "private model the login"
    )
