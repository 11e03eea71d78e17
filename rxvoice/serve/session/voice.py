"""`Voice`: the synthesizer of a dialogue, in the voice of the reply that is being spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from rxvoice._answers.text_queue import in_queue
from rxvoice._check import method
from rxvoice.serve._models import Models
from rxvoice.serve.session.settings import ReplySettings
from rxvoice.slots import Answer, SynthesizerSlot


class Voice:
    """Speaks each text in the voice that was chosen last; for `synthesize`."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._tts: SynthesizerSlot = models.tts
        self._chosen: tuple[str, float] = ("", 1.0)

    def choose(self, settings: ReplySettings) -> None:
        """Take the voice of a reply. An unknown one is the default."""
        voices = self._models.voices
        name = settings.voice if settings.voice in voices else (voices[0] if voices else "")
        chosen = (name, settings.speed)
        if chosen != self._chosen and self._models.speak_as is not None:
            self._tts = self._models.speak_as(*chosen)
        self._chosen = chosen

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return cast("int", getattr(self._tts, "sample_rate", 24_000))

    def synthesize_stream(self, text: str, /) -> Answer[Any]:
        """Speak a text."""
        ask: Callable[[str], Answer[Any]] = method(self._tts, "synthesize_stream")
        return in_queue(self._tts, getattr(self._tts, "synthesize_timed", ask))(text)
