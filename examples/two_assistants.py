"""Two assistants talk to each other: the speech of one is the microphone of the other.

    python examples/two_assistants.py

Prints who says what.
"""

import numpy as np
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

RATE = offline.tts().sample_rate
VOICES = {"Ann": "espeak:en-us+klatt4", "Bob": "en_US-joe-medium"}
LINES = {
    "good morning": "how do you do",
    "how do you do": "very well thank you",
    "very well thank you": "nice weather today",
    "nice weather today": "goodbye",
}
PLAIN = str.maketrans("", "", ",.?!")  # Whisper writes punctuation


def assistant(name: str, ear: Observable[rxv.AudioChunk], mouth: Subject) -> None:
    """Listen to the ear, and push the speech of each reply to the mouth."""

    def say(speech: rxv.Speech | rxv.Event) -> None:
        if isinstance(speech, rxv.Speech) and speech.final and speech.reply.text:
            print(f"{name}: {speech.reply.text}")
            mouth.on_next(rxv.AudioChunk(np.zeros(RATE, np.float32), RATE))  # silence ends the turn
        elif isinstance(speech, rxv.Speech) and not speech.final:
            mouth.on_next(rxv.AudioChunk(speech.samples, RATE))

    ear.pipe(vox.resample(16_000)).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(500)),
        vox.transcribe(offline.stt()),
        vox.respond(lambda text: LINES.get(text.lower().translate(PLAIN), ""), min_chars=1),
        vox.synthesize(offline.tts(VOICES[name], rate_wpm=150)),
    ).subscribe(say)


def main() -> None:
    to_bob, to_ann = Subject[rxv.AudioChunk](), Subject[rxv.AudioChunk]()
    assistant("Ann", to_ann, to_bob)
    assistant("Bob", to_bob, to_ann)
    print("You: good morning")
    for piece in offline.tts(rate_wpm=150).synthesize_stream("good morning"):
        to_ann.on_next(rxv.AudioChunk(piece, RATE))
    to_ann.on_next(rxv.AudioChunk(np.zeros(RATE, np.float32), RATE))


if __name__ == "__main__":
    main()
