"""Models that need no download: their weights are in this package, or in a wheel.

- `silero` detects voice activity. The weights, Silero 6.2, are in this package.
- `stt` transcribes English with pocketsphinx.
- `tts` speaks with espeak-ng, which is GPL-3.
- `wake_word` spots a wake word with microWakeWord: ``pip install 'rxvoice[wakeword]'``.
- `llm` and `demo_stt` are demonstrations: real models, trained for this package, that know about
  twenty sentences.

``pip install 'rxvoice[offline]'`` brings pocketsphinx and espeak-ng. Each part loads with its first
use.
"""

from __future__ import annotations

from rxvoice.offline.demo_stt import demo_phrases, demo_stt
from rxvoice.offline.llm import llm, phrases
from rxvoice.offline.recording import recording
from rxvoice.offline.stt import SphinxSession, SphinxStt, stt
from rxvoice.offline.tts import EspeakTts, tts, voices
from rxvoice.offline.vad import silero
from rxvoice.offline.wake_word import MicroWakeWord, wake_word

__all__ = [
    "EspeakTts",
    "MicroWakeWord",
    "SphinxSession",
    "SphinxStt",
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
