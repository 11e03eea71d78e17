"""Whisper's decoding a step at a time, with the measures of how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._text.beam import BeamText, best, says_twice
from rxvoice.elements import Recognised, Word
from rxvoice.errors import ConfigError

__all__ = ["WhisperSteps", "WhisperText"]

_FRAMES = 100
"""A second, of the spectrogram."""

_LEAST_S = 15
_LONGEST_S = 30
"""The shortest window, and that of the training. In a short one Whisper says some texts twice."""

_SPARE_S = 1
"""Empty seconds in the window behind the audio."""

_FLOOR = 2.0
"""How far digital silence is below the loudest place of a spectrogram."""

_TOKENS_PER_S = 10
_TOKENS = 16
"""The most in a text: these, and those for each second. Speech has up to 6 a second."""

_BEAMS = 5
"""A single beam loses the end of many texts."""

_Cache = list[tuple[tuple[mx.array, mx.array], tuple[mx.array, mx.array]]]


@dataclass(frozen=True, eq=False)
class WhisperText(Recognised):
    """What Whisper made of a recording, and how sure it is.

    Args:
        log_probability: the average of the text's tokens, its end included.
        no_speech: the probability that nobody speaks, 0 to 1.
    """

    log_probability: float = 0.0
    no_speech: float = 0.0


class WhisperSteps:
    """Decodes recordings with a Whisper of mlx-audio: by a beam search, which mlx-audio lacks."""

    def __init__(self, model: Any, language: str | None) -> None:
        if language is None and model.is_multilingual:
            raise ConfigError(
                "this Whisper knows several languages: give stt(..., language=), such as 'en'"
            )
        self._model = model
        tokenizer = self._tokenizer = model.get_tokenizer(language=language)
        self._begin = [*tokenizer.sot_sequence_including_notimestamps]
        library = import_module("mlx_audio.stt.models.whisper.decoding")
        never = np.zeros(model.dims.n_vocab, np.float32)
        never[[*library.get_suppress_tokens(tokenizer), tokenizer.no_timestamps]] = -np.inf
        never[tokenizer.timestamp_begin :] = -np.inf
        first = never.copy()
        first[[*tokenizer.encode(" "), tokenizer.eot]] = -np.inf
        self._never, self._never_first = mx.array(never), mx.array(first)
        mx.eval(self._never, self._never_first)  # pyright: ignore[reportUnknownMemberType]

    def decode(self, audio: Samples, *, timed: bool) -> Generator[None, None, WhisperText]:
        """The text of the audio. Yields after each layer of the encoder, and after each token."""
        features, frames = yield from self._encode(audio, _LEAST_S)
        most = _TOKENS + int(_TOKENS_PER_S * frames / _FRAMES)
        found, no_speech = yield from self._search(features, most)
        if says_twice(found.text):
            # A user may, too: the whole window decides.
            features, _ = yield from self._encode(audio, _LONGEST_S)
            found, no_speech = yield from self._search(features, most)
        words: Sequence[Word] = ()
        if timed and found.tokens:
            yield
            words = self._words(features, found.tokens, frames)
        sure = found.score / (len(found.tokens) + 1)
        return WhisperText(found.text, words=words, log_probability=sure, no_speech=no_speech)

    def _encode(self, audio: Samples, least_s: int) -> Generator[None, None, tuple[mx.array, int]]:
        """The audio as the decoder wants it, in the shortest window that does; and its frames."""
        spectrogram = import_module("mlx_audio.stt.models.whisper.audio").log_mel_spectrogram
        encoder, dims = self._model.encoder, self._model.dims
        mel = cast("mx.array", spectrogram(mx.array(audio), n_mels=dims.n_mels))
        frames = mel.shape[0]
        size = min(_LONGEST_S * _FRAMES, max(least_s * _FRAMES, frames + _SPARE_S * _FRAMES))
        size += size % 2
        silence = mel.max() - _FLOOR
        mel = mx.pad(mel[:size], [(0, size - min(size, frames)), (0, 0)], constant_values=silence)
        mel = mel.astype(self._model.dtype)
        gelu = cast("Callable[[mx.array], mx.array]", nn.gelu)  # pyright: ignore[reportUnknownMemberType]
        found = gelu(encoder.conv2(gelu(encoder.conv1(mel[None]))))
        found = found + encoder._positional_embedding[: size // 2]
        for block in encoder.blocks:
            mx.eval(found)  # pyright: ignore[reportUnknownMemberType]
            yield
            found, _, _ = block(found)
        found = encoder.ln_post(found)
        mx.eval(found)  # pyright: ignore[reportUnknownMemberType]
        return found, frames

    def _search(
        self, features: mx.array, most: int
    ) -> Generator[None, None, tuple[BeamText, float]]:
        """The best text of at most so many tokens, and how likely it is that nobody speaks."""
        decoder, end = self._model.decoder, self._tokenizer.eot
        logits, cache, _ = decoder(mx.array([self._begin]), features)
        beginning = self._begin.index(self._tokenizer.sot)
        nobody = mx.softmax(logits[0, beginning].astype(mx.float32))[self._tokenizer.no_speech]
        live, over = [BeamText("", [], 0.0)], list[BeamText]()
        likely = _log_probabilities(logits, self._never_first)
        mx.eval(likely, nobody)  # pyright: ignore[reportUnknownMemberType]
        for _ in range(most):
            yield
            kept: list[tuple[int, BeamText]] = []
            for rank, (at, token, score) in enumerate(self._likeliest(likely, live)):
                if token != end:
                    kept.append((at, BeamText("", [*live[at].tokens, token], score)))
                elif rank < _BEAMS:
                    over.append(self._text(live[at].tokens, score))
                if len(kept) == _BEAMS:
                    break
            live = [beam for _, beam in kept]
            if len(over) >= _BEAMS:
                break
            cache = _chosen(cache, [at for at, _ in kept])
            logits, cache, _ = decoder(mx.array([[it.tokens[-1]] for it in live]), features, cache)
            likely = _log_probabilities(logits, self._never)
        found = best(over or [self._text(it.tokens, it.score) for it in live])
        return found, cast("float", nobody.item())

    def _text(self, tokens: list[int], score: float) -> BeamText:
        return BeamText(self._tokenizer.decode(tokens).strip(), tokens, score)

    def _likeliest(self, likely: mx.array, live: list[BeamText]) -> list[tuple[int, int, float]]:
        """Beam, next token and score of the likeliest texts, twice as many as there are beams."""
        scores = mx.flatten(likely + mx.array([[it.score] for it in live]))
        count = 2 * _BEAMS
        found = mx.argpartition(-scores, count)[:count]
        pairs = zip(
            cast("list[int]", found.tolist()),
            cast("list[float]", scores[found].tolist()),
            strict=True,
        )
        ranked = sorted(pairs, key=lambda it: -it[1])
        return [(*divmod(at, likely.shape[1]), score) for at, score in ranked]

    def _words(self, features: mx.array, tokens: list[int], frames: int) -> Sequence[Word]:
        align = import_module("mlx_audio.stt.models.whisper.timing").find_alignment
        encoded = _Encoded(self._model, features)
        found = align(encoded, self._tokenizer, tokens, mx.zeros(1), frames)
        words: list[tuple[str, float, float, float]] = []
        ended = 0.0
        for it in found:
            start, ended = max(ended, float(it.start)), max(ended, float(it.end))
            sure = min(1.0, float(it.probability))
            if words and not any(map(str.isalnum, it.word)):
                last, began, _, known = words[-1]
                words[-1] = (last + it.word.strip(), began, ended, known)
            elif it.word.strip():
                words.append((it.word.strip(), start, ended, sure))
        return words


class _Encoded:
    """Stands for the model where mlx-audio aligns words, so that it does not encode again."""

    def __init__(self, model: Any, features: mx.array) -> None:
        self._decoder = model.decoder
        self._features = features
        self.alignment_heads = model.alignment_heads

    def forward_with_cross_qk(self, _: mx.array, tokens: mx.array) -> tuple[Any, Any]:
        logits, _, weights = self._decoder(tokens, self._features)
        return logits, weights


def _log_probabilities(logits: mx.array, never: mx.array) -> mx.array:
    """Of the tokens that may come next, a row for each beam."""
    last = logits[:, -1].astype(mx.float32) + never
    return last - mx.logsumexp(last, axis=-1, keepdims=True)


def _chosen(cache: _Cache, beams: list[int]) -> _Cache:
    """What was computed of these beams. All share the audio."""
    at = mx.array(beams)
    return [((keys[at], values[at]), audio) for (keys, values), audio in cache]
