"""A voice timer, without a language model: `respond` is a function.

    python examples/voice_timer.py

Prints what was asked, and what was answered, for two spoken requests that it makes itself.
"""

import numpy as np

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

REQUESTS = [f"set a timer for {n}" for n in ("two", "three", "five", "ten")]


def answer(request: str) -> str:
    minutes = request.split()[-1]
    return f"The timer is set for {minutes} minutes."


def microphone() -> np.ndarray:
    """Two requests in an espeak-ng voice, at its rate, each with silence after it."""
    voice = offline.tts(rate_wpm=150)
    quiet = np.zeros(2 * voice.sample_rate, np.float32)
    spoken = [list(voice.synthesize_stream(text)) for text in (REQUESTS[1], REQUESTS[2])]
    return np.concatenate([quiet, *spoken[0], quiet, *spoken[1], quiet])


def main() -> None:
    voice = offline.tts()
    rxv.sources.array(microphone(), voice.sample_rate).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
        vox.transcribe(offline.stt(phrases=REQUESTS)),
        vox.respond(answer, min_chars=1),
        vox.synthesize(voice),
    ).pipe(vox.play(rxv.sinks.null())).subscribe(tell)


def tell(event: rxv.FinishedTurn | rxv.Event) -> None:
    if isinstance(event, rxv.FinishedTurn):
        print(f"{event.user_text}: {event.assistant_text}")


if __name__ == "__main__":
    main()
