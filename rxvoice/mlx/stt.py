"""Speech recognisers that mlx-audio runs, for whole turns or while they are spoken."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, TypeGuard, cast

import mlx.core as mx
import numpy as np

from rxvoice._answers.recognised import recognised
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import model_name, whole
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.events import Notice
from rxvoice.mlx._opening import code_refused, directory_of, opening
from rxvoice.mlx._stream import same_stream

__all__ = ["Stt", "SttSession", "stt"]

_LOG = logging.getLogger("rxvoice")

_EXAMPLE = "mlx-community/whisper-large-v3-turbo-asr-fp16"

_ALIASES = {"parakeet_tdt", "nemotron_asr_streaming"}
"""Model types that mlx-audio's loader knows beside its families and their other names."""

_NEMOTRON_DELAYS_MS = (80, 160, 560, 1120)
"""What nemotron_asr_streaming was trained for; it raises at any other."""


_WRITERS = {"moonshine": "_tokenizer", "whisper": "_processor"}
"""What is None where mlx-audio could not load it: it goes on, and writes numbers or fails late."""


class _Result(Protocol):
    @property
    def text(self) -> str: ...


class _Live(Protocol):
    """As in ``mlx_audio.stt.streaming``."""

    @property
    def done(self) -> bool: ...
    def feed(self, samples: Samples) -> None: ...
    def close(self) -> None: ...
    def step(self, *, max_decode_tokens: int) -> Sequence[str | Recognised | Notice]: ...


_Generate = Callable[..., _Result]
_CreateSession = Callable[..., _Live]


class _Model(Protocol):
    generate: _Generate

    def parameters(self) -> dict[str, object]: ...
    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]: ...


def stt(
    model: str | Path,
    *,
    language: str | None = None,
    max_decode_tokens_per_step: int = 6,
    max_turn_tokens: int = 256,
    finalization_max_steps: int = 96,
    transcription_delay_ms: int = 480,
    trust_remote_code: bool = False,
    word_times: bool = False,
) -> Stt:
    """A recogniser of mlx-audio, for `transcribe`. Nothing is loaded before the first turn.

    Options that a family of models does not have are not passed to it. The defaults are those of
    mlx-audio's ``VoicePipelineConfig``.

    Args:
        model: a directory with config.json and the weights, or a name on the Hugging Face hub,
            fetched once and then cached.
        language: as the model names it, such as ``"en"``; None lets it decide. A family without
            the option is told nothing, and a warning is logged.
        max_decode_tokens_per_step: the most a streaming model decodes in one step, at least 1:
            text tokens in voxtral_realtime, decisions in nemotron_asr.
        max_turn_tokens: the longest text of a turn, in the model's tokens, at least 1; longer ones
            are cut, with a warning. voxtral_realtime spends one on every 80 ms of audio, so that
            256 are 20 s.
        finalization_max_steps: the most steps a streaming model takes after the end of a turn, at
            least 1; what is left is cut, with a warning.
        transcription_delay_ms: how far a streaming model listens ahead, at least 80 ms: more is
            slower and hears better. Models made for a few values get the nearest.
        trust_remote_code: let code and pickles of the model's run. Without, a model that has any
            is refused before anything of it is loaded.
        word_times: ask Whisper for the times of words, which takes it longer; it gives those of
            phrases otherwise. Other families tell what they know.

    Raises:
        ConfigError: an argument out of range, or `model` neither a directory nor like a hub name.
    """
    return Stt(
        model,
        language=language,
        max_decode_tokens_per_step=max_decode_tokens_per_step,
        max_turn_tokens=max_turn_tokens,
        finalization_max_steps=finalization_max_steps,
        transcription_delay_ms=transcription_delay_ms,
        trust_remote_code=trust_remote_code,
        word_times=word_times,
    )


class Stt:
    """A recogniser; made by `stt`, whose arguments it takes.

    Everything but `feed` and `close` of a session runs MLX on the thread that calls, and MLX wants
    it to be one. Every turn is heard afresh.
    """

    sample_rate = 16_000
    """Hz"""

    def __init__(
        self,
        model: str | Path,
        *,
        language: str | None = None,
        max_decode_tokens_per_step: int = 6,
        max_turn_tokens: int = 256,
        finalization_max_steps: int = 96,
        transcription_delay_ms: int = 480,
        trust_remote_code: bool = False,
        word_times: bool = False,
    ) -> None:
        whole("max_decode_tokens_per_step", max_decode_tokens_per_step, 1, "tokens")
        whole("max_turn_tokens", max_turn_tokens, 1, "tokens")
        whole("finalization_max_steps", finalization_max_steps, 1, "steps")
        whole("transcription_delay_ms", transcription_delay_ms, 80, "ms")
        if language is not None and not language.strip():
            raise ConfigError(
                f"language must be a name such as 'en', or None for any, got {language!r}"
            )
        model_name("model", model, _EXAMPLE)
        self.model = str(model)
        self.trust_remote_code = trust_remote_code
        self._language = language
        self._tokens_per_step = max_decode_tokens_per_step
        self._max_tokens = max_turn_tokens
        self._max_steps = finalization_max_steps
        self._delay_ms = transcription_delay_ms
        self._word_times = word_times
        self._model: _Model | None = None

    @property
    def transcription_delay_ms(self) -> int:
        """How far a streaming model listens ahead, as it was given."""
        return self._delay_ms

    def load(self) -> None:
        """Load the model on this thread, now rather than at the first turn; once.

        Raises:
            ConfigError: the model is no directory, cannot be fetched or loaded, lacks weights, is
                of a family that mlx-audio does not know, or wants another rate than 16 kHz.
        """
        self._loaded()

    def transcribe_turn(self, audio: Samples, /) -> str:
        """The text of a whole turn, without white space around it.

        "" for an empty turn or digital silence, of which the model is not asked.

        Args:
            audio: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz.

        Errors: `AudioFormatError` for other audio; `ConfigError` as `load`; what the model raises.
        Runs on: this thread, until the text is there.
        """
        return self.recognise_turn(audio).text

    def recognise_turn(self, audio: Samples, /) -> Recognised:
        """As `transcribe_turn`, with the language, the times and the confidence that the model
        tells.
        """
        found, complaint = self._recognised(audio)
        if complaint:
            _LOG.warning("%s", complaint)
        return found

    def _recognised(self, audio: Samples) -> tuple[Recognised, str]:
        """What was said, and what there is to complain of."""
        audio_samples(audio)
        model = self._loaded()
        if not audio.any():
            return Recognised(""), ""
        options = _known(
            model.generate,
            max_tokens=self._max_tokens,
            transcription_delay_ms=self._delay_ms,
            word_timestamps=self._word_times or None,
            # canary has two, for the language heard and the one written.
            **dict.fromkeys(("language", "source_lang", "target_lang"), self._language),
        )
        with same_stream():
            result = model.generate(mx.array(audio), **options)
            # A lazy array would belong to this thread; text and numbers do not.
            found = recognised(result)
        found = Recognised(found) if isinstance(found, str) else found
        found = replace(found, text=found.text.strip())
        tokens = getattr(result, "generation_tokens", 0)
        if "max_tokens" not in options or tokens < self._max_tokens:
            return found, ""
        return found, (
            f"{self.model}: the text of a turn of {len(audio) / self.sample_rate:.1f} s was cut at "
            f"max_turn_tokens={self._max_tokens}; raise it, or end turns earlier"
        )

    def session(self) -> SttSession:
        """Start to hear a turn while it is spoken; loads the model if that is still to be done.

        Models with streaming sessions (voxtral_realtime, nemotron_asr) decode as they are fed; of
        the others the session keeps the audio and gives the whole text at its end. So there is one
        for every model, also while nothing is loaded and its family is not yet known.

        Errors: `ConfigError` as `load`.
        """
        model = self._loaded()
        create = cast("_CreateSession | None", getattr(model, "create_streaming_session", None))
        return SttSession(
            _Buffered(self._recognised) if create is None else self._live(model, create),
            name=self.model,
            tokens_per_step=self._tokens_per_step,
            max_tokens=self._max_tokens,
            max_steps=self._max_steps,
        )

    def _live(self, model: _Model, create: _CreateSession) -> _Live:
        options = _known(
            create,
            max_tokens=self._max_tokens,
            language=self._language,
            transcription_delay_ms=self._delay_ms,
        )
        if getattr(model, "model_type", None) == "nemotron_asr_streaming":
            options["transcription_delay_ms"] = min(
                _NEMOTRON_DELAYS_MS, key=lambda ms: abs(ms - self._delay_ms)
            )
        with same_stream():
            return create(**options)

    def _loaded(self) -> _Model:
        if self._model is None:
            self._model = self._open()
        return self._model

    def _open(self) -> _Model:
        trust = self.trust_remote_code
        with (
            opening(self.model, lambda why: _not_loaded(self.model, why)),
            code_refused(trust_remote_code=trust),
            same_stream(),
        ):
            path = directory_of(self.model, "mlx_audio", trust_remote_code=trust)
            family = _family(path)
            model = _load(path, family)
        generate = getattr(model, "generate", None)
        if generate is None or _required(generate) > 1:
            raise ConfigError(
                f"the model {self.model!r} does not turn audio alone into text (its family is "
                f"{family}): use a recogniser, such as {_EXAMPLE!r}"
            )
        if family in _WRITERS and getattr(model, _WRITERS[family], None) is None:
            raise ConfigError(
                f"the recogniser {self.model!r} has weights but no tokenizer or processor that "
                "transformers can load: add tokenizer.json, tokenizer_config.json and for whisper "
                "preprocessor_config.json, from the model it was converted from, or use a "
                f"conversion that has them, such as {_EXAMPLE!r}"
            )
        rate = getattr(model, "sample_rate", self.sample_rate)
        if rate != self.sample_rate:
            raise ConfigError(
                f"the recogniser {self.model!r} listens at {rate} Hz, turns are of "
                f"{self.sample_rate} Hz: use another model"
            )
        if self._language is not None and not _known(model.generate, language="", source_lang=""):
            _LOG.warning(
                "%s: models of its family (%s) take no language, so %r has no effect",
                self.model,
                family,
                self._language,
            )
        return model


class SttSession:
    """One turn being heard; made by `Stt.session`. For one thread at a time."""

    def __init__(
        self, live: _Live, *, name: str, tokens_per_step: int, max_tokens: int, max_steps: int
    ) -> None:
        self._live = live
        self._name = name
        self._tokens_per_step = tokens_per_step
        self._max_tokens = max_tokens
        self._max_steps = max_steps
        self._pieces = self._steps = self._missed = 0
        self._silent: list[Samples] | None = []
        self._notices: list[Notice] = []
        self._closed = False
        self._over = False

    @property
    def done(self) -> bool:
        """Whether the turn was closed, its text is complete and every notice was given."""
        return self._closed and self._over and not self._notices

    def feed(self, samples: Samples) -> None:
        """Take audio, without decoding it. Digital silence is kept until there is something else.

        Errors: `AudioFormatError` for other audio; `RxvoiceError` after `close`.

        Args:
            samples: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz; any number.
        """
        audio_samples(samples)
        if self._closed:
            raise RxvoiceError("this turn is closed: open another session() for more audio")
        if self._silent is not None:
            self._silent.append(samples)
            if not samples.any():
                return
            samples, self._silent = np.concatenate(self._silent), None
        if self._over:
            self._missed += len(samples)
        else:
            self._live.feed(samples)

    def step(self) -> list[str | Recognised | Notice]:
        """Decode some. Gives the new text, in pieces that are never empty; all of them joined are
        the text of the turn. A model of whole turns gives `Recognised` where it knows more.

        After `close` at most ``finalization_max_steps`` of these end the turn. A longer one is
        cut, as is one of more than ``max_turn_tokens``; a `Notice` among the pieces says so.

        Errors: what the model raises.
        Runs on: this thread, the same one for all steps.
        """
        if self._over or self._silent is not None:
            return self._told()
        with same_stream():
            news = self._live.step(max_decode_tokens=self._tokens_per_step)
        self._notices += (piece for piece in news if isinstance(piece, Notice))
        pieces = [piece for piece in news if _has_text(piece)]
        self._pieces += len(pieces)
        self._over = self._live.done
        if self._pieces > self._max_tokens:
            del pieces[self._max_tokens - self._pieces :]
            self._cut("max_turn_tokens", self._max_tokens)
        self._steps += self._closed
        if self._steps >= self._max_steps and not self._over:
            self._cut("finalization_max_steps", self._max_steps)
        return [*pieces, *self._told()]

    def close(self) -> None:
        """There is no more audio. Again: nothing happens."""
        if self._closed:
            return
        self._closed = True
        if self._silent is not None:
            self._over = True
            return
        self._live.close()
        if self._missed:
            self._tell(
                f"the last {self._missed / Stt.sample_rate:.1f} s of a turn were not heard, since "
                f"its text had ended; if it was long, raise max_turn_tokens={self._max_tokens}, or "
                "end turns earlier"
            )

    def _cut(self, limit: str, value: int) -> None:
        self._over = True
        self._tell(f"the text of a turn was cut at {limit}={value}")

    def _tell(self, what: str) -> None:
        self._notices.append(Notice(f"{self._name}: {what}"))

    def _told(self) -> list[str | Recognised | Notice]:
        told, self._notices = self._notices, []
        return [*told]


def _has_text(piece: str | Recognised | Notice) -> TypeGuard[str | Recognised]:
    return bool(piece.text if isinstance(piece, Recognised) else isinstance(piece, str) and piece)


class _Buffered:
    """A session with a model that hears whole turns."""

    def __init__(self, recognise: Callable[[Samples], tuple[Recognised, str]]) -> None:
        self._recognise = recognise
        self._audio: list[Samples] = []
        self._closed = False
        self.done = False

    def feed(self, samples: Samples) -> None:
        self._audio.append(samples)

    def close(self) -> None:
        self._closed = True

    def step(self, *, max_decode_tokens: int) -> list[str | Recognised | Notice]:
        if not self._closed:
            return []
        self.done = True
        found, complaint = self._recognise(np.concatenate(self._audio))
        piece = found.text if found == Recognised(found.text) else found
        return [piece, Notice(complaint)] if complaint else [piece]


def _known(call: Callable[..., object], **options: object) -> dict[str, object]:
    """Those of the options that a family names; what it takes as ``**kwargs`` it may choke on."""
    names = inspect.signature(call).parameters
    return {name: value for name, value in options.items() if name in names and value is not None}


def _required(call: Callable[..., object]) -> int:
    """How many arguments it cannot be called without."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return sum(
        parameter.default is parameter.empty and parameter.kind not in kinds
        for parameter in inspect.signature(call).parameters.values()
    )


def _family(path: Path) -> str:
    """The model type, once it is known that mlx-audio has it: it would guess another by name."""
    utils = import_module("mlx_audio.utils")
    config = cast("dict[str, object]", utils.load_config(path))
    # NeMo's own configuration, of parakeet models, has a target in the place of a type.
    nemo = "parakeet" if "preprocessor" in config and "target" in config else None
    found: str | None = utils.model_type_from_config(config) or nemo
    packages = import_module("mlx_audio.stt.models").__path__
    known = {package.name for package in iter_modules(packages) if package.ispkg}
    known |= set(import_module("mlx_audio.stt.utils").MODEL_REMAPPING) | _ALIASES
    if found is None or found not in known:
        what = "no model_type" if found is None else f"the model_type {found!r}"
        raise ConfigError(
            f"config.json in {str(path)!r} has {what}, which is no speech recogniser that "
            f"mlx-audio knows: use one of {', '.join(sorted(known))}"
        )
    return found


def _load(path: Path, family: str) -> _Model:
    """Load it, or raise where weights are missing: by itself mlx-audio leaves them random."""
    load = cast("Callable[..., _Model]", import_module("mlx_audio.stt").load)

    def loaded(*, strict: bool) -> _Model:
        # With its parts the directory's name would outrank config.json.
        return load(
            path,
            strict=strict,
            model_type=family,
            model_name_parts=[],
        )

    try:
        return loaded(strict=True)
    except ValueError as error:
        if "parameters not in model" not in str(error):
            raise
    # More weights than needed do no harm, but hide that others are missing.
    model = loaded(strict=False)
    weights = cast("dict[str, mx.array]", import_module("mlx_audio.utils").load_weights(path))
    weights = model.sanitize(weights) if hasattr(model, "sanitize") else weights
    flat = cast(
        "list[tuple[str, mx.array]]", import_module("mlx.utils").tree_flatten(model.parameters())
    )
    missing = [key for key, _ in flat if key not in weights]
    if missing:
        raise ValueError(f"Missing {len(missing)} parameters: {', '.join(missing[:5])}")
    return model


def _not_loaded(model: str, why: str) -> str:
    if Path(model).is_dir():
        return (
            f"the directory {model!r} holds no recogniser that mlx-audio can load ({why}): it "
            "needs config.json and all of the weights, as *.safetensors"
        )
    return (
        f"the recogniser {model!r} is not a directory here and could not be fetched from the "
        f"Hugging Face hub or loaded ({why}): check the path or the name, the network, and for "
        "a private model the login"
    )
