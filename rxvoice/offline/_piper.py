"""Speech with the Piper voice en_US-joe-medium, by the package `piper-tts`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from difflib import SequenceMatcher
from functools import cached_property
from importlib import import_module
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import above
from rxvoice._text.parts import parts
from rxvoice.elements import TimedSamples
from rxvoice.offline.weights import JOE

__all__ = ["PiperTts"]

_NATURAL_WPM = 180
"""Words a minute of the voice as it was trained."""

_PAUSE_S = 0.15
"""Silence behind a sentence."""

_GAIN = 0.7
"""Piper scales each sentence to full scale; this leaves room for a mixer."""

_WIDTHS = b"/Ceil_output_0"
"""The network's inner tensor that has the length of each phoneme, in frames."""


class _Alignment(Protocol):
    phoneme: str
    num_samples: int


class _Chunk(Protocol):
    """What is used of piper.AudioChunk: the sound of a sentence."""

    audio_float_array: Samples
    phoneme_alignments: Sequence[_Alignment] | None


class _PiperVoice(Protocol):
    """What is used of piper.PiperVoice."""

    def phonemize(self, text: str) -> list[list[str]]: ...
    def synthesize(
        self, text: str, syn_config: object, include_alignments: bool
    ) -> Iterable[_Chunk]: ...


class PiperTts:
    """A synthesizer; see `rxvoice.offline.tts`. It varies the speech a little each time."""

    model = JOE.name

    def __init__(self, rate_wpm: int | None = None) -> None:
        self._rate_wpm: float = rate_wpm or _NATURAL_WPM
        self._lock = Lock()

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return 22_050

    def load(self) -> None:
        """Check and load the weights, which takes half a second. The first text does so by itself.

        Errors: `ConfigError` where the files are not those that rxvoice knows.
        """
        with self._lock:
            _ = self._voice

    def warm_up(self) -> None:
        """Speak a word, so that the first sentence does not take longer."""
        for _ in self.synthesize_timed("Hello."):
            pass

    def at_speed(self, speed: float) -> PiperTts:
        """The same voice, `speed` times as fast. It shares the network, which it loads.

        Errors: `ConfigError` for a speed that is not above 0; as `load`.
        """
        above("speed", speed, 0, "times the voice's own")
        self.load()
        own = copy(self)
        own.__dict__.pop("_settings", None)
        own._rate_wpm = self._rate_wpm * speed
        return own

    def synthesize_stream(self, text: str) -> Iterator[Samples]:
        """Speak a text, a piece for each sentence. White space gives nothing.

        A sentence is spoken when it is asked for, in a tenth of the time that it lasts, on two
        threads at most. Closing the iterator ends it; a sentence that is being spoken ends first.

        Errors: `ConfigError`, at the first text, where the files are not those that rxvoice knows.
        Runs on: this thread, without the GIL for nearly all of the time.
        """
        for piece in self.synthesize_timed(text):
            yield piece.samples

    def synthesize_timed(self, text: str) -> Iterator[TimedSamples]:
        """As `synthesize_stream`, and says where words end, to about a phoneme."""
        said = 0
        for part in parts(text):
            begins = text.index(part.split(None, 1)[0], said)
            yield from self._speak(part, begins)
            said = begins + len(part)

    def _speak(self, text: str, begins: int) -> Iterator[TimedSamples]:
        with self._lock:
            voice, settings = self._voice, self._settings
        plain = text.replace("[[", " [")  # Piper would take it for phonemes
        sentences = voice.phonemize(plain)
        if not any(map(str.isalnum, plain)):
            return
        ends = _word_ends(plain, [it for sentence in sentences for it in sentence], voice)
        said = 0
        for chunk, phonemes in zip(voice.synthesize(plain, settings, True), sentences, strict=True):
            sound = np.concatenate((chunk.audio_float_array, self._silence))
            last = said + len(phonemes)
            at = _samples_after(chunk, len(phonemes), len(chunk.audio_float_array))
            words = tuple(
                (begins + end, at[count - said]) for end, count in ends if said < count <= last
            )
            yield TimedSamples(sound.astype(np.float32), words)
            said = last

    @cached_property
    def _voice(self) -> _PiperVoice:
        path = JOE.file()
        runtime = import_module("onnxruntime")
        runtime.set_default_logger_severity(3)  # it complains of a machine without a GPU
        options = runtime.SessionOptions()
        options.intra_op_num_threads = min(2, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        # Else its threads would burn a core between two sentences, waiting for work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        runtime.set_seed(1)  # the same texts, in the same order, give the same sound
        session = runtime.InferenceSession(
            path.read_bytes() + _also_output(_WIDTHS), options, providers=["CPUExecutionProvider"]
        )
        config = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
        made = import_module("piper.config").PiperConfig.from_dict(config)
        return cast("_PiperVoice", import_module("piper").PiperVoice(session, made))

    @cached_property
    def _settings(self) -> object:
        make = cast("Callable[..., Any]", import_module("piper").SynthesisConfig)
        return make(length_scale=_NATURAL_WPM / self._rate_wpm, volume=_GAIN)

    @cached_property
    def _silence(self) -> Samples:
        return np.zeros(int(_PAUSE_S * self.sample_rate), np.float32)


def _also_output(tensor: bytes) -> bytes:
    """What makes an ONNX network give an inner tensor too, appended to its file.

    A protocol buffer merges what follows into what it has: here a graph that has only an output.
    """
    value = b"\x0a" + bytes([len(tensor)]) + tensor
    output = b"\x62" + bytes([len(value)]) + value
    return b"\x3a" + bytes([len(output)]) + output


def _samples_after(chunk: _Chunk, phonemes: int, total: int) -> list[int]:
    """How many samples are over after each number of a sentence's phonemes, from 0 on."""
    aligned = chunk.phoneme_alignments
    if aligned is None or len(aligned) != phonemes + 2:
        return [total * n // max(1, phonemes) for n in range(phonemes + 1)]
    # The first and the last one mark the sentence's ends.
    widths = [it.num_samples for it in aligned]
    over = widths[0] + np.cumsum([0, *widths[1:-1]])
    return [min(total, int(it)) for it in over[:-1]] + [total]


def _word_ends(text: str, phonemes: list[str], voice: _PiperVoice) -> list[tuple[int, int]]:
    """Of each word, where it ends in the text, and how many of the phonemes are over then.

    espeak-ng does not say which phonemes are of which word. Each word is phonemized alone as well;
    where the two differ, as "the" does before a vowel, the likeness of the rest tells.
    """
    alone: list[str] = []
    words: list[tuple[int, int]] = []
    end = 0
    for word in text.split():
        end = text.index(word, end) + len(word)
        if any(map(str.isalnum, word)):
            alone += (it for sentence in voice.phonemize(word) for it in sentence)
            words.append((end, len(alone)))
    matched = SequenceMatcher(None, alone, phonemes, autojunk=False).get_opcodes()
    ends: list[tuple[int, int]] = []
    last = 0
    for end, count in words[:-1]:
        tag, start, stop, to, to_stop = next(it for it in matched if it[1] < count <= it[2])
        share = 1 if tag == "equal" else (to_stop - to) / (stop - start)
        at = to + int(share * (count - start))
        last = max(last, at)
        ends.append((end, last))
    return [*ends, *((end, len(phonemes)) for end, _ in words[-1:])]
