"""Models that answer at once, for a process that runs `rxvoice run`: light to import."""

from __future__ import annotations

from typing import Any

import numpy as np

from rxvoice.cli._parts import Chosen, Parts
from rxvoice.cli._settings import CommandSettings

REPLY = 2_400  # samples


def chosen(settings: CommandSettings, **parts: Any) -> Chosen:
    """Models that answer at once."""

    def loud(samples: Any) -> bool:
        return bool(samples.max() > 0.1)

    def stt(audio: Any) -> str:
        return "hello"

    def llm(text: str) -> str:
        return f"You said {text}."

    def tts(text: str) -> list[Any]:
        return [np.full(REPLY, 0.25, np.float32)]

    made = Parts(**{"vad": loud, "stt": stt, "llm": llm, "tts": tts, **parts})
    return Chosen(made, "ears", "mind", "mouth")
