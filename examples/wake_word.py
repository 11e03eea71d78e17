"""A wake word: the assistant replies only to turns that begin with it.

    python examples/wake_word.py

The program speaks three requests itself. Prints the replies to two of them.
"""

from dataclasses import replace

import numpy as np
import reactivex as rx
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

REQUESTS = ["computer open the door", "open the window", "computer close the door"]
Element = rxv.Transcript | rxv.Event


def after(word: str) -> rxv.Operator[Element, Element]:
    """Pass the transcripts that begin with the word, without the word."""

    def awake(element: Element) -> rx.Observable[Element]:
        if isinstance(element, rxv.Transcript) and element.final:
            first, _, rest = element.text.rstrip(".").partition(" ")
            return rx.of(replace(element, text=rest)) if word in first.lower() else rx.empty()
        return rx.empty()

    return ops.concat_map(awake)


def requests(voice: offline.PiperTts | offline.EspeakTts) -> np.ndarray:
    quiet = np.zeros(2 * voice.sample_rate, np.float32)
    spoken = [piece for text in REQUESTS for piece in (*voice.synthesize_stream(text), quiet)]
    return np.concatenate([quiet, *spoken])


def main() -> None:
    voice = offline.tts(rate_wpm=150)
    awake = rxv.sources.array(requests(voice), voice.sample_rate).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
        vox.transcribe(offline.stt()),
        after("computer"),
    )
    awake.pipe(vox.respond(lambda text: f"I {text}.", min_chars=1)).subscribe(tell)


def tell(reply: rxv.Reply | rxv.Event) -> None:
    if isinstance(reply, rxv.Reply) and reply.final:
        print(reply.text)


if __name__ == "__main__":
    main()
