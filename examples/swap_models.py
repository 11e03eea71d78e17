"""Each model swapped for another: a slot takes any object or function.

    python examples/swap_models.py

Prints a transcript and its reply, with the embedded models and with functions in their places.
"""

from pathlib import Path

import numpy as np

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"

EMBEDDED = {
    "vad": offline.silero(),
    "turn": rxv.silence(1600),
    "stt": offline.stt(),
    "llm": offline.llm(),
    "tts": offline.tts(),
}
FUNCTIONS = {
    "vad": lambda samples: float(np.abs(samples).max()) > 0.02,
    "turn": lambda audio, silence_ms: silence_ms > 900,
    "stt": lambda audio: f"something {len(audio) / 16_000:.0f} seconds long",
    "llm": lambda text: f"That was {text}.",
    "tts": lambda text: np.full(100 * len(text), 0.1, np.float32),
}
# On a Mac: rxv.mlx.stt("mlx-community/parakeet-tdt-0.6b-v3"), rxv.mlx.llm(...), rxv.mlx.tts(...).


def first_turn(models: dict) -> str:
    events = []
    rxv.sources.wav(DEMO).pipe(
        vox.chunk(512),
        vox.vad(models["vad"]),
        vox.preroll(250),
        vox.turn_window(models["turn"]),
        vox.transcribe(models["stt"]),
        vox.respond(models["llm"], min_chars=1),
        vox.speakable(),
    ).pipe(vox.synthesize(models["tts"]), vox.play(rxv.sinks.null())).subscribe(events.append)
    return f"{events[0].user_text}: {events[0].assistant_text}"


def main() -> None:
    print(first_turn(EMBEDDED))
    print(first_turn(EMBEDDED | {"llm": FUNCTIONS["llm"]}))
    print(first_turn(FUNCTIONS))


if __name__ == "__main__":
    main()
