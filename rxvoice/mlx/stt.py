"""Recognisers that mlx-audio runs, for whole turns or while the user speaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import cast

import mlx.core as mx

from rxvoice._answers.recognised import recognised
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import model_name
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError
from rxvoice.mlx._precision import Dtype, check_dtype, on_cpu
from rxvoice.mlx._stream import same_stream
from rxvoice.mlx._stt_model import EXAMPLE, LiveTurn, SttModel, known_options, load_stt
from rxvoice.mlx._stt_session import SAMPLE_RATE, Recognition, SttSession, WholeTurn
from rxvoice.mlx._whisper import Windows, is_doubtful, own_options
from rxvoice.mlx._whisper_steps import WhisperSteps, WhisperText

__all__ = ["Stt", "SttSession", "WhisperText", "stt"]

_LOG = logging.getLogger("rxvoice")

_NEMOTRON_DELAYS_MS = (80, 160, 560, 1120)
"""The delays that nemotron_asr_streaming was trained for; it raises at any other."""


def stt(
    model: str | Path,
    *,
    language: str | None = None,
    max_decode_tokens_per_step: int = 6,
    max_turn_tokens: int = 256,
    finalization_max_steps: int = 96,
    transcription_delay_ms: int = 480,
    dtype: Dtype | None = None,
    trust_remote_code: bool = False,
    word_times: bool = False,
) -> Stt:
    """A recogniser of mlx-audio, for `transcribe`. It loads with the first turn.

    ```python
    rxv.mlx.stt("mlx-community/whisper-large-v3-turbo-asr-fp16", language="en")
    ```

    An option that the model's family does not have is not passed on. The defaults are those of
    mlx-audio's ``VoicePipelineConfig``.

    Args:
        model: a directory with config.json and the weights, or a name on the Hugging Face hub,
            which is fetched once and then cached.
        language: as the model names it, such as ``"en"``; None lets the model decide. For a family
            without the option a warning is logged.
        max_decode_tokens_per_step: the most that a streaming model decodes in one step, at least 1:
            text tokens in voxtral_realtime, decisions in nemotron_asr.
        max_turn_tokens: the longest text of a turn, in the model's tokens, at least 1. A longer
            one is cut, with a warning. voxtral_realtime spends one token on every 80 ms of audio,
            so 256 are 20 s.
        finalization_max_steps: the most steps a streaming model takes after the end of a turn, at
            least 1. The rest is cut, with a warning.
        transcription_delay_ms: how far a streaming model listens ahead, at least 80 ms. More is
            slower and more accurate. A model made for a few values gets the nearest.
        dtype: the type of number that it computes in: ``"float32"``, ``"bfloat16"`` or
            ``"float16"``. None for float32 on a CPU, where MLX is 3 to 30 times slower in the
            others, and for that of the weights on Metal. float32 takes twice the memory of 16-bit
            weights. Whisper has no bfloat16.
        trust_remote_code: let the model's own code and pickles run. Without it, a model that has
            any is refused before anything of it is loaded.
        word_times: ask Whisper for the times of words, which takes it longer; without it, Whisper
            gives those of phrases. Other families tell what they know.

    Raises:
        ConfigError: an argument out of range, or a `model` that is neither a directory nor like a
            hub name.
    """
    recognition = Recognition(
        language,
        max_decode_tokens_per_step,
        max_turn_tokens,
        finalization_max_steps,
        transcription_delay_ms,
        word_times,
    )
    return Stt(model, recognition, dtype=dtype, trust_remote_code=trust_remote_code)


class Stt:
    """A recogniser on this machine; made by `stt`.

    Everything but `feed` and `close` of a session runs MLX on the thread that calls, and MLX wants
    that to be one thread. No turn depends on the one before.
    """

    sample_rate = SAMPLE_RATE
    """Hz"""

    def __init__(
        self,
        model: str | Path,
        recognition: Recognition,
        *,
        dtype: Dtype | None = None,
        trust_remote_code: bool,
    ) -> None:
        model_name("model", model, EXAMPLE)
        check_dtype(dtype)
        self.model = str(model)
        self.dtype: Dtype | None = dtype
        self.trust_remote_code = trust_remote_code
        self._recognition = recognition
        self._model: SttModel | None = None
        self._windows: Windows | None = None
        self._steps: WhisperSteps | None = None

    @property
    def transcription_delay_ms(self) -> int:
        """How far a streaming model listens ahead, as it was given."""
        return self._recognition.transcription_delay_ms

    def load(self) -> None:
        """Load the model on this thread now, and not with the first turn. Once.

        Raises:
            ConfigError: the model is no directory, cannot be fetched or loaded, lacks weights, is
                of a family that mlx-audio does not know, or wants another rate than 16 kHz.
        """
        self._loaded()

    def transcribe_turn(self, audio: Samples, /) -> str:
        """The text of a whole turn, without white space around it.

        An empty turn and digital silence give "", without asking the model.

        Args:
            audio: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz.

        Errors: `AudioFormatError` for other audio; `ConfigError` as `load`; what the model raises.
        Runs on: this thread, until the text is there.
        """
        return self.recognise_turn(audio).text

    def recognise_turn(self, audio: Samples, /) -> Recognised:
        """As `transcribe_turn`, with the language, times and confidence that the model gives."""
        found, complaint = self._recognised(audio)
        if complaint:
            _LOG.warning("%s", complaint)
        return found

    def session(self) -> SttSession:
        """Begin to transcribe a turn while the user speaks. Loads the model if need be.

        Models with streaming sessions (voxtral_realtime, nemotron_asr) decode as they are fed. For
        any other the session keeps the audio and gives the whole text at the end.

        Errors: `ConfigError` as `load`.
        """
        model = self._loaded()
        create = cast(
            "Callable[..., LiveTurn] | None", getattr(model, "create_streaming_session", None)
        )
        live = WholeTurn(self._recognised) if create is None else self._live(model, create)
        return SttSession(live, name=self.model, recognition=self._recognition)

    def decoding(
        self, audio: Samples, /, *, word_times: bool = False
    ) -> Generator[None, None, WhisperText]:
        """Decode a recording with Whisper a step at a time; the generator returns the text.

        It searches with five beams. Beside the text it returns what tells a text that Whisper makes
        up in noise from one that was said. A step is a layer of the encoder, a token, or the times
        of all words.

        Errors: `AudioFormatError` for other audio; `ConfigError` as `load`, for a model that is no
            Whisper, and for one of several languages without `language`.
        Runs on: this thread; any other may take over between two steps, if MLX allows that.

        Args:
            audio: float32 of shape ``(n,)`` in [-1, 1], at 16 kHz. After 30 s the rest is left out.
            word_times: find the times of the words too.
        """
        audio_samples(audio)
        if self._steps is None:
            model = self._loaded()
            language = self._recognition.language
            if not type(model).__module__.startswith("mlx_audio.stt.models.whisper"):
                raise ConfigError(f"{self.model!r} is no Whisper, which decoding() is for")
            self._steps = WhisperSteps(model, language)
        return self._steps.decode(audio, timed=word_times)

    def _recognised(self, audio: Samples) -> tuple[Recognised, str]:
        """What was said, and a complaint or ""."""
        audio_samples(audio)
        model = self._loaded()
        if not audio.any():
            return Recognised(""), ""
        whole = model
        sized: dict[str, object] = {}
        if self._windows is not None:
            model, sized = self._windows.fitting(len(audio) / SAMPLE_RATE)
        wanted = self._recognition
        options = known_options(
            model.generate,
            max_tokens=wanted.max_turn_tokens,
            transcription_delay_ms=wanted.transcription_delay_ms,
            word_timestamps=wanted.word_times or None,
            # parakeet and canary would round the samples to bfloat16.
            dtype=mx.float32,
            # canary has two: the language spoken and the one written.
            **dict.fromkeys(("language", "source_lang", "target_lang"), wanted.language),
        )
        options |= own_options(model)
        with same_stream():
            result = model.generate(mx.array(audio), **options, **sized)
            if sized and is_doubtful(result):
                result = whole.generate(mx.array(audio), **options)
            # A lazy array would belong to this thread; text and numbers do not.
            found = recognised(result)
        found = Recognised(found) if isinstance(found, str) else found
        found = replace(found, text=found.text.strip())
        tokens = getattr(result, "generation_tokens", 0)
        if "max_tokens" not in options or tokens < wanted.max_turn_tokens:
            return found, ""
        return found, (
            f"{self.model}: the text of a turn of {len(audio) / SAMPLE_RATE:.1f} s was cut at "
            f"max_turn_tokens={wanted.max_turn_tokens}; raise it, or end turns earlier"
        )

    def _live(self, model: SttModel, create: Callable[..., LiveTurn]) -> LiveTurn:
        delay_ms = self._recognition.transcription_delay_ms
        options = known_options(
            create,
            max_tokens=self._recognition.max_turn_tokens,
            language=self._recognition.language,
            transcription_delay_ms=delay_ms,
        )
        if getattr(model, "model_type", None) == "nemotron_asr_streaming":
            options["transcription_delay_ms"] = min(
                _NEMOTRON_DELAYS_MS, key=lambda ms: abs(ms - delay_ms)
            )
        with same_stream():
            return create(**options)

    def _loaded(self) -> SttModel:
        if self._model is None:
            model, family = load_stt(
                self.model, SAMPLE_RATE, dtype=self.dtype, trust=self.trust_remote_code
            )
            language = self._recognition.language
            takes = known_options(model.generate, language="", source_lang="")
            if language is not None and not takes:
                _LOG.warning(
                    "%s: models of its family (%s) take no language, so %r has no effect",
                    self.model,
                    family,
                    language,
                )
            self._model = model
            if family == "whisper" and on_cpu():
                self._windows = Windows(model)
        return self._model
