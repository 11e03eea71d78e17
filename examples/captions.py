"""Live captions in a terminal: the text of a turn appears while the user speaks.

    python examples/captions.py           the demo's recording
    python examples/captions.py --live    the microphone, until Ctrl-C

Prints a line for each turn; a terminal also shows the partial transcripts.
"""

import sys
from pathlib import Path

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def caption(element: rxv.Transcript | rxv.Event) -> None:
    if isinstance(element, rxv.Event):
        print(element)
    elif element.final:
        print(f"\r\033[K{element.text}" if sys.stdout.isatty() else element.text)
    elif sys.stdout.isatty():
        print(f"\r\033[K\033[2m{element.text}\033[0m", end="", flush=True)


def main(*options: str) -> None:
    live = "--live" in options
    microphone = rxv.microphone() if live else rxv.sources.wav(DEMO)
    captions = microphone.pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(700)),
        vox.transcribe(offline.stt()),
    )
    rxv.live(captions).run(caption)


if __name__ == "__main__":
    main(*sys.argv[1:])
