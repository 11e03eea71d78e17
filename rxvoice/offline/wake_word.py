"""Wake words with microWakeWord, whose models are in the `pymicro-wakeword` wheel."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._check import file_path, within
from rxvoice.errors import ConfigError, MissingDependency

__all__ = ["MicroWakeWord", "wake_word"]

_WORDS = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")

_ONCE = 100
"""Features, of 10 ms each, below the threshold after which the word is another one."""


def wake_word(word: str | Path = "okay_nabu", *, threshold: float | None = None) -> MicroWakeWord:
    """A detector of a wake word, for the operator `wake_word`. It needs no download.

    The package pymicro-wakeword has wheels for Linux with glibc 2.35 or later and for macOS 15 or
    later. It and its four models are under the Apache licence, version 2.0.

    Errors: `ConfigError` for a word that there is not, or a threshold out of range;
        `MissingDependency` without ``pymicro-wakeword``.

    Runs on: the thread that asks it, for some 0.3 ms a chunk.

    Args:
        word: ``"okay_nabu"``, ``"hey_jarvis"``, ``"hey_mycroft"`` or ``"alexa"``; or the path of
            the ``.json`` of another microWakeWord model, beside its ``.tflite``.
        threshold: the mean score of 150 ms, 0 to 1, above which the word is spotted. None: the
            model's own, 0.85 to 0.97. A lower one misses less and is woken by more.
    """
    if threshold is not None:
        within("wake_word threshold", threshold, 0.0, 1.0, "score")
    path = file_path("wake_word", word)
    if word not in _WORDS and not (path.suffix == ".json" and path.is_file()):
        raise ConfigError(
            f"wake_word must be one of {', '.join(_WORDS)}, or the .json file of a microWakeWord "
            f"model, got {str(word)!r}"
        )
    try:
        library = import_module("pymicro_wakeword")
    except ImportError as error:
        raise MissingDependency(
            "offline.wake_word() needs the package pymicro-wakeword: "
            "pip install 'rxvoice[wakeword]'"
        ) from error
    if word in _WORDS:
        path = Path(str(library.__file__)).parent / "models" / f"{word}.json"
    return MicroWakeWord(library, path, threshold)


class MicroWakeWord:
    """Spots one wake word in audio at 16 kHz, in chunks of any size; see `wake_word`.

    ``score`` is the highest score in the last chunk, 0 to 1.
    """

    sample_rate = 16_000

    def __init__(self, library: Any, path: Path, threshold: float | None) -> None:
        self._library = library
        self._path = path
        self._given = threshold
        self._model = library.MicroWakeWord.from_config(path)
        self._features = library.MicroWakeWordFeatures()
        self._fed = 0
        self._above = -_ONCE  # when the score was last above the threshold
        self.threshold: float = self._model.probability_cutoff if threshold is None else threshold
        self.word: str = self._model.id
        self.score = 0.0

    def fresh(self) -> MicroWakeWord:
        """A detector for one subscription, which has not listened to anything yet."""
        return MicroWakeWord(self._library, self._path, self._given)

    def spot(self, samples: Samples, /) -> str | None:
        """The word, with the chunk in which its score rises above the threshold; or None.

        It gives the word once, until the score has been below the threshold for a second.
        """
        self.score = 0.0
        spotted = False
        for features in self._features.process_streaming(to_pcm16(samples).tobytes()):
            score = float(self._model.process_streaming_prob(features))
            self._fed += 1
            if self._fed % self._model.stride:
                continue  # the model has not run: it takes several features at once
            if score > self.threshold:
                spotted = spotted or self._fed - self._above >= _ONCE
                self._above = self._fed
            self.score = max(self.score, score)
        return self.word if spotted else None
