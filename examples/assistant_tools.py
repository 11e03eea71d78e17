"""An assistant that calculates and sets a timer, and says so when the timer is over.

    python examples/assistant_tools.py

The program speaks two requests itself, at the speed of speech, and a language model calls the
tools. Prints what was said.
"""

import numpy as np
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events, offline
from rxvoice import operators as vox

REQUESTS = ("What is 12 times 7?", "Set a timer for 2 seconds.")


def microphone() -> np.ndarray:
    """The requests in a voice of Piper, and time for a reply to each."""
    voice = offline.tts(rate_wpm=150)
    quiet = np.zeros(4 * voice.sample_rate, np.float32)
    spoken = [np.concatenate([*voice.synthesize_stream(it), quiet]) for it in REQUESTS]
    return np.concatenate([quiet[: voice.sample_rate], *spoken, quiet])


def main() -> None:
    tools = offline.OfflineTools()  # any model takes them: rxv.mlx.llm(NAME, tools=tools.functions)
    ears, mind, voice = offline.stt(), offline.llm(tools), offline.tts()
    speaker = rxv.sinks.null(realtime=True)
    with rxv.mlx.MlxScheduler() as models, speaker:
        rxv.mlx.load(ears, mind, voice, worker=models)  # so that the first reply does not wait
        conversation = rxv.sources.array(microphone(), voice.sample_rate, realtime=True).pipe(
            vox.chunk(512),
            vox.vad(offline.silero()),
            vox.preroll(250),
            vox.turn_window(rxv.silence(800)),
            vox.converse(
                vox.transcribe(ears, worker=models.listening),
                vox.respond(mind, worker=models.text),
                vox.synthesize(voice, worker=rxv.paced(models.speech, speaker)),
                sink=speaker,
                says=tools.rings.pipe(ops.take(1)),
            ),
        )
        rxv.live(conversation).run(tell)


def tell(event: object) -> None:
    if isinstance(event, events.Transcribed):
        print(f"you: {event.text}")
    elif isinstance(event, events.Finished):
        print(f"assistant: {event.text}")


if __name__ == "__main__":
    main()
