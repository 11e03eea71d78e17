"""The recorded voice of the demo, for a program to try out without a microphone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["recording"]


def recording() -> Path:
    """Return the path of a WAV file with four spoken questions, 14 s long.

    ```python
    rxv.sources.wav(offline.recording()).pipe(vox.chunk(512), ...)
    ```

    The embedded models know these questions: "Hello, who are you?", "What can you talk about?",
    "How far away is the moon?" and "Thank you, goodbye."
    """
    return Path(__file__).parent.parent / "data" / "demo.wav"
