"""Kokoro: its voices, its languages, and texts that it speaks without misaki."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

import mlx.core as mx

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx._kokoro_phonemes import LANGUAGES, phonemes
from rxvoice.mlx._needed import Needed, bring

__all__ = ["Kokoro", "KokoroModel", "KokoroSpeech", "check_kokoro", "needs_of_kokoro"]

VOICES = "voices/*.safetensors"
_REPOSITORY = "prince-canuma/Kokoro-82M"
"""Where mlx-audio takes the voices from if the model's own directory has none."""

_MOST = 510
"""A voice has an entry for each number of phonemes up to this."""

_FIRST = {"a": "af_heart", "b": "bf_emma"}
"""The best voices of a language; of any other language the first one speaks."""

_NAMES = {
    **{letter: letter for letter in LANGUAGES},
    **{name: letter for letter, name in LANGUAGES.items()},
    "en": "a",
    "fr": "f",
    "pt": "p",
}
_UNREAD = {"j": "Japanese", "ja": "Japanese", "z": "Chinese", "zh": "Chinese"}


class KokoroModel(Protocol):
    """The network, as mlx-audio has it."""

    vocab: dict[str, int]

    @property
    def sample_rate(self) -> int: ...
    def __call__(self, phonemes: str, voice: mx.array, speed: float, /) -> mx.array: ...


@dataclass(frozen=True, slots=True)
class KokoroSpeech:
    """A piece of its speech."""

    audio: mx.array


def check_kokoro(name: str) -> None:
    """Raise `MissingDependency` if what tells how words are pronounced is not installed."""
    if find_spec("espeakng_loader") is None:
        raise MissingDependency(
            f"the speech model {name!r} needs the package espeakng-loader, which tells how words "
            "are pronounced: pip install 'rxvoice[kokoro]'"
        )


def needs_of_kokoro(directory: Path) -> list[Needed]:
    """What the model needs beside its directory: the voices, if they are not in it."""
    if any(directory.glob(VOICES)):
        return []
    return [Needed(_REPOSITORY, (VOICES,))]


class Kokoro:
    """A Kokoro that is loaded, with a voice and a language.

    Args:
        model: the network.
        directory: the model's.
        name: of the model, for messages.
        voice: the name of a voice; several, with commas between them, are mixed; or a file. None
            for the language's own.
        language: of the texts, as mlx-audio or espeak-ng writes it; None for that of the voice.

    Errors: `ConfigError` for a voice or a language that there is not, and for Japanese and Chinese.
    """

    def __init__(
        self,
        model: KokoroModel,
        directory: Path,
        name: str,
        *,
        voice: str | None = None,
        language: str | None = None,
    ) -> None:
        self._model = model
        files = _voice_files(directory)
        letter = None if language is None else _letter(name, language)
        chosen = voice or _own_voice(letter or "a", files)
        used = [_voice_file(name, it, files) for it in chosen.split(",")]
        self._letter = letter or _letter_of(name, used[0].stem, files)
        packs = [_pack(it) for it in used]
        self._pack = packs[0] if len(packs) == 1 else mx.mean(mx.stack(packs), axis=0)
        mx.eval(self._pack)  # pyright: ignore[reportUnknownMemberType]

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._model.sample_rate

    def generate(self, text: str, *, speed: float = 1.0) -> Iterator[KokoroSpeech]:
        """Speak a text, in one go unless it has more than 510 phonemes."""
        for part in phonemes(text, self._letter, self._model.vocab, _MOST):
            sound = self._model(part, self._pack[len(part) - 1], speed)
            yield KokoroSpeech(sound[0])


def _voice_files(directory: Path) -> dict[str, Path]:
    """The files of the voices, by their names. They are fetched if need be."""
    found = sorted(directory.glob(VOICES))
    if not found:
        (needed,) = needs_of_kokoro(directory)
        found = sorted(bring(needed).glob(VOICES))
    return {it.stem: it for it in found}


def _own_voice(letter: str, files: dict[str, Path]) -> str:
    """The voice that speaks a language where none was chosen."""
    best = _FIRST.get(letter)
    if best in files:
        return best
    return next((it for it in files if it.startswith(letter)), next(iter(files), ""))


def _voice_file(name: str, voice: str, files: dict[str, Path]) -> Path:
    voice = voice.strip()
    if voice in files:
        return files[voice]
    if voice.endswith(".safetensors") and Path(voice).is_file():
        return Path(voice)
    raise ConfigError(
        f"the speech model {name!r} has no voice {voice!r}: use one of "
        f"{', '.join(sorted(it for it in files if it[0] in LANGUAGES))}"
    )


def _letter(name: str, language: str) -> str:
    wanted = language.lower().replace("_", "-")
    if wanted in _UNREAD:
        raise ConfigError(_unread(name, _UNREAD[wanted], f"got {language!r}"))
    if wanted not in _NAMES:
        raise ConfigError(
            f"the speech model {name!r} has no language {language!r}: use one of "
            f"{', '.join(f'{it} ({letter})' for letter, it in LANGUAGES.items())}"
        )
    return _NAMES[wanted]


def _letter_of(name: str, voice: str, files: dict[str, Path]) -> str:
    """The language of a voice, by the first letter of its name."""
    letter = voice[:1] if voice in files else "a"
    if letter in _UNREAD:
        raise ConfigError(_unread(name, _UNREAD[letter], f"which {voice!r} speaks"))
    return letter if letter in LANGUAGES else "a"


def _unread(name: str, language: str, why: str) -> str:
    return (
        f"rxvoice cannot read {language} to the speech model {name!r}, {why}: use a language of "
        f"{', '.join(LANGUAGES.values())}, or another model"
    )


def _pack(path: Path) -> mx.array:
    entries = cast("dict[str, mx.array]", mx.load(str(path)))
    pack = entries.get("voice")
    if pack is None or pack.shape[0] < _MOST:
        raise ConfigError(
            f"the voice in {str(path)!r} is none of Kokoro's: it needs an array 'voice' with "
            f"{_MOST} rows"
        )
    return pack
