"""Where a pipe begins: cold observables of `AudioChunk` blocks, for `chunk`."""

from __future__ import annotations

from rxvoice.sources.array import array
from rxvoice.sources.microphone import microphone
from rxvoice.sources.wav import wav

__all__ = ["array", "microphone", "wav"]
