"""Speech with espeak-ng, from the `espeakng-loader` wheel."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from itertools import count, takewhile
from typing import cast

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._check import above
from rxvoice._espeak.library import espeak_data, espeak_library, espeak_voices
from rxvoice._text.parts import parts
from rxvoice.elements import TimedSamples
from rxvoice.errors import ConfigError, RxvoiceError

__all__ = ["EspeakTts", "espeak", "voices"]

# From espeak-ng's speak_lib.h.
_UTF8 = 1
_END_PAUSE = 0x1000
_BY_CHARACTER = 1
_RATE, _PITCH = 1, 3
_SLOWEST, _FASTEST = 80, 450  # words a minute
_ENDED, _WORD = 0, 1


class _Event(ctypes.Structure):
    """espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # of the first character, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def espeak(voice: str, rate_wpm: int, pitch: int) -> EspeakTts:
    """A synthesizer of one of espeak-ng's voices; see `rxvoice.offline.tts`.

    Errors: `ConfigError` for a voice that there is not; `MissingDependency` without
        ``espeakng-loader``.
    """
    language, plus, variant = voice.partition("+")
    known = voices()
    if language not in known:
        alike = [name for name in known if language and name[:2] == language[:2].lower()]
        some = ", ".join(["de", "en-us", "fr", *alike])
        raise ConfigError(
            f"tts voice espeak: must be followed by one of the {len(known)} in offline.voices(), "
            f"such as {some}; got {voice!r}"
        )
    variants = sorted(path.name for path in (espeak_data() / "voices" / "!v").iterdir())
    if plus and variant not in variants:
        raise ConfigError(
            f"tts voice variant must be one of {', '.join(variants)}; got {variant!r}"
        )
    return EspeakTts(voice, rate_wpm, pitch)


def voices() -> tuple[str, ...]:
    """The names of espeak-ng's voices, sorted; ``"espeak:" + name`` is one of `tts`.

    Errors: `MissingDependency` without ``espeakng-loader``.
    """
    return espeak_voices()


class EspeakTts:
    """A synthesizer: robotic, immediate, and the same each time; see `tts`."""

    def __init__(self, voice: str, rate_wpm: int, pitch: int) -> None:
        self._voice = voice.encode()
        self._rate_wpm = rate_wpm
        self._pitch = pitch
        with espeak_library() as (_, rate):
            self._sample_rate = rate

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return self._sample_rate

    def at_speed(self, speed: float) -> EspeakTts:
        """The same voice, `speed` times as fast, from 80 to 450 words a minute.

        Errors: `ConfigError` for a speed that is not above 0.
        """
        above("speed", speed, 0, "times the voice's own")
        wpm = min(_FASTEST, max(_SLOWEST, round(self._rate_wpm * speed)))
        return EspeakTts(self._voice.decode(), wpm, self._pitch)

    def synthesize_stream(self, text: str) -> Iterator[Samples]:
        """Speak a text, in pieces of at most 60 ms; ends with the pause after a sentence.

        Up to 240 characters are spoken at once, a longer text sentence by sentence, while it is
        being asked for: the first piece takes some 10 ms whatever the length. Closing the iterator
        ends it. White space gives nothing. The same text gives the same samples, whatever was
        spoken before.

        Errors: `RxvoiceError` when espeak-ng fails.
        Runs on: this thread. One at a time in a process: another thread waits for those 10 ms.
        """
        for part in parts(text):
            yield from self._speak(part)[0]

    def synthesize_timed(self, text: str) -> Iterator[TimedSamples]:
        """As `synthesize_stream`, and says to the millisecond where words end."""
        said = 0
        for part in parts(text):
            begins = text.index(part.split(None, 1)[0], said)
            pieces, words = self._speak(part)
            # A word is over when the next one begins, the last one with the sound. What is spoken
            # as several, such as "3.5%", is over with the last of them.
            starts = [start for start, _ in words[1:]] + [sum(map(len, pieces))]
            over = {
                begins + _token_end(part, end): at
                for at, (_, end) in zip(starts, words, strict=True)
            }
            ends = list(over.items())
            first = 0
            for piece in pieces:
                last = first + len(piece)
                inside = tuple((end, at - first) for end, at in ends if first < at <= last)
                yield TimedSamples(piece, inside)
                first = last
            said = begins + len(part)

    def _speak(self, text: str) -> tuple[list[Samples], list[tuple[int, int]]]:
        """The sound, and of each word its first sample and the end of its text."""
        pieces: list[Samples] = []
        words: list[tuple[int, int]] = []

        def take(samples: object, n: int, events: Sequence[_Event]) -> int:
            if samples and n > 0:
                pcm = ctypes.string_at(cast("ctypes.c_void_p", samples), 2 * n)
                pieces.append(from_pcm16(pcm))
            for event in takewhile(lambda it: it.type != _ENDED, map(events.__getitem__, count())):
                if event.type == _WORD:
                    start = event.audio_position * self._sample_rate // 1000
                    words.append((start, event.text_position - 1 + event.length))
            return 0

        callback = _CALLBACK(take)
        coded = text.encode("utf-8", "replace") + b"\0"
        with espeak_library() as (library, _):
            library.espeak_SetSynthCallback(callback)
            _must("set its voice", library.espeak_SetVoiceByName(self._voice))
            _must("set its rate", library.espeak_SetParameter(_RATE, self._rate_wpm, 0))
            _must("set its pitch", library.espeak_SetParameter(_PITCH, self._pitch, 0))
            flags = _UTF8 | _END_PAUSE
            size = ctypes.c_size_t(len(coded))
            spoken = library.espeak_Synth(coded, size, 0, _BY_CHARACTER, 0, flags, None, None)
            _must(f"speak {text!r}", spoken)
        return pieces, words


def _token_end(text: str, at: int) -> int:
    """Where the white space after that index begins, since espeak-ng stops in mid-word."""
    found = re.compile(r"\S*").match(text, at)
    return found.end() if found else at


def _must(what: str, status: int) -> None:
    if status:
        raise RxvoiceError(f"espeak-ng could not {what}: error {status}")
