"""Whisper tiny.en by faster-whisper, on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.samples import Samples
from rxvoice._blas import sleeping_when_idle
from rxvoice._text.beam import BeamText, best, says_twice
from rxvoice.elements import Recognised
from rxvoice.offline._whisper import NOTHING, BackendName, Job, believed
from rxvoice.offline.weights import WHISPER_TINY

__all__ = ["OnFasterWhisper", "Running"]

_FRAMES = 100
"""A second, of the spectrogram."""

_LEAST_S = 10
_LONGEST_S = 30
"""The shortest window, and that of the training. One of 15 s costs a third more, and a full one
three times as much; neither is more accurate, but for a text that is said twice."""

_SPARE_S = 1
"""Empty seconds in the window behind the audio."""

_BEAMS = 5
"""A single beam loses the end of some long sentences, for a fifth less of the time."""

_TOKENS_PER_S = 10
_TOKENS = 16
"""The most in a text: these, and those for each second. Speech has up to 6 a second."""


class _Result(Protocol):
    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float


class _Network(Protocol):
    """What is used of ctranslate2.models.Whisper."""

    def encode(self, features: object) -> object: ...
    def generate(
        self, features: object, prompts: list[list[int]], **options: object
    ) -> list[_Result]: ...


class _Word(Protocol):
    def __getitem__(self, key: str, /) -> Any: ...


class _Model(Protocol):
    """What is used of faster_whisper.WhisperModel, which has no types."""

    model: _Network
    hf_tokenizer: object
    feature_extractor: Callable[[Samples], NDArray[np.float32]]

    def find_alignment(
        self, tokenizer: object, text_tokens: list[list[int]], encoder_output: object, frames: int
    ) -> list[list[_Word]]: ...


class _Tokenizer(Protocol):
    sot: int
    no_timestamps: int
    eot: int

    def decode(self, tokens: list[int]) -> str: ...


class OnFasterWhisper:
    """Runs the jobs one after the other, on a thread that ends with it."""

    name: BackendName = "faster-whisper"

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "rxvoice-whisper")
        self._whisper: Future[_Whisper] | None = None

    def prepare(self, progress: Callable[[str], None]) -> None:
        """Does nothing: the library reads the files as they are."""

    def load(self) -> None:
        """Load the network, and wait for it."""
        self._loading().result()

    def begin(self, job: Job) -> Running:
        """Begin a job, once the network is loaded."""
        loading = self._loading()
        return Running(self._thread.submit(lambda: _all(job(loading.result()))))

    def _loading(self) -> Future[_Whisper]:
        if self._whisper is None:
            self._whisper = self._thread.submit(_Whisper)
        return self._whisper


class Running:
    """A job on that thread."""

    def __init__(self, future: Future[Recognised]) -> None:
        self._future = future

    def is_over(self, *, wait: bool) -> bool:
        return wait or self._future.done()

    def result(self) -> Recognised:
        return self._future.result()

    def cancel(self) -> None:
        self._future.cancel()


def _all(steps: Generator[None, None, Recognised]) -> Recognised:
    """Take all steps, and give what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("Recognised", end.value)


class _Whisper:
    """The network, loaded. A decode uses two threads at most, and releases the GIL."""

    def __init__(self) -> None:
        with sleeping_when_idle():
            library = import_module("faster_whisper")
        self._model = cast(
            "_Model",
            library.WhisperModel(
                str(WHISPER_TINY.path()),
                device="cpu",
                compute_type="int8",
                cpu_threads=min(2, os.cpu_count() or 1),
            ),
        )
        tokenizer = import_module("faster_whisper.tokenizer").Tokenizer
        self._tokenizer = cast("_Tokenizer", tokenizer(self._model.hf_tokenizer, False))
        self._view: Callable[[object], object] = import_module("ctranslate2").StorageView.from_array

    def decode(self, audio: Samples, *, timed: bool) -> Generator[None, None, Recognised]:
        if not audio.any():
            return NOTHING
        yield
        features = self._model.feature_extractor(audio)
        frames = features.shape[1]
        encoded, found, no_speech = self._search(features, _LEAST_S)
        if says_twice(found.text):
            # Whisper does so with short texts in a short window. A user may, too.
            yield
            encoded, found, no_speech = self._search(features, _LONGEST_S)
        return believed(
            found.text,
            found.score / (len(found.tokens) + 1),
            no_speech,
            lambda: self._words(encoded, found.tokens, frames) if timed else (),
        )

    def _search(
        self, features: NDArray[np.float32], least_s: int
    ) -> tuple[object, BeamText, float]:
        """What the encoder makes of it, the best text, and how likely it is that nobody speaks."""
        encoded = self._model.model.encode(self._view(_window(features, least_s)))
        return encoded, *self._generate(encoded, features.shape[1] / _FRAMES)

    def _generate(self, encoded: object, seconds: float) -> tuple[BeamText, float]:
        tokenizer = self._tokenizer
        (result,) = self._model.model.generate(
            encoded,
            [[tokenizer.sot, tokenizer.no_timestamps]],
            beam_size=_BEAMS,
            num_hypotheses=_BEAMS,
            max_length=2 + _TOKENS + int(_TOKENS_PER_S * seconds),
            return_scores=True,
            return_no_speech_prob=True,
        )
        # A score is the average of the tokens; the sum has one more, the end.
        texts: list[BeamText] = []
        for ids, score in zip(result.sequences_ids, result.scores, strict=True):
            tokens = [it for it in ids if it < tokenizer.eot]
            texts.append(BeamText(tokenizer.decode(tokens).strip(), tokens, score * len(tokens)))
        return best(texts), result.no_speech_prob

    def _words(
        self, encoded: object, tokens: list[int], frames: int
    ) -> Sequence[tuple[str, float, float, float]]:
        (words,) = self._model.find_alignment(self._tokenizer, [tokens], encoded, frames)
        timed: list[tuple[str, float, float, float]] = []
        end = 0.0
        for word in words:
            text = cast("str", word["word"])
            start, end = max(end, float(word["start"])), max(end, float(word["end"]))
            sure = min(1.0, float(word["probability"]))
            if timed and not any(map(str.isalnum, text)):
                last, began, _, known = timed[-1]
                timed[-1] = (last + text.strip(), began, end, known)
            elif text.strip():
                timed.append((text.strip(), start, end, sure))
        return timed


def _window(features: NDArray[np.float32], least_s: int) -> NDArray[np.float32]:
    """The spectrogram at the start of the shortest window that does, in zeros as the library has.

    With the spectrogram of silence in so short a window, Whisper says more texts twice.
    """
    bands, frames = features.shape
    size = max(least_s * _FRAMES, frames + _SPARE_S * _FRAMES)
    window = np.zeros((1, bands, min(_LONGEST_S * _FRAMES, size + size % 2)), np.float32)
    window[0, :, :frames] = features
    return window
