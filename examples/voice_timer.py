"""A voice timer without a language model: a function writes the replies.

    python examples/voice_timer.py

The program speaks two requests itself. Prints each request with its reply.
"""

import numpy as np

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

REQUESTS = [f"set a timer for {n} minutes" for n in ("three", "five")]


def reply(request: str) -> str:
    minutes = request.rstrip(".").partition(" for ")[2]
    return f"The timer is set for {minutes}."


def microphone() -> np.ndarray:
    """Two requests in a voice of Piper, each followed by silence."""
    voice = offline.tts(rate_wpm=150)
    quiet = np.zeros(2 * voice.sample_rate, np.float32)
    spoken = [list(voice.synthesize_stream(text)) for text in REQUESTS]
    return np.concatenate([quiet, *spoken[0], quiet, *spoken[1], quiet])


def main() -> None:
    voice = offline.tts()
    rxv.sources.array(microphone(), voice.sample_rate).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
        vox.transcribe(offline.stt()),
        vox.respond(reply, min_chars=1),
        vox.synthesize(voice),
    ).pipe(vox.play(rxv.sinks.null())).subscribe(tell)


def tell(event: rxv.FinishedTurn | rxv.Event) -> None:
    if isinstance(event, rxv.FinishedTurn):
        print(f"{event.user_text}: {event.assistant_text}")


if __name__ == "__main__":
    main()
