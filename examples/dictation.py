"""Dictation to a file: each turn adds a sentence.

    python examples/dictation.py                  the demo's recording, to dictation.txt
    python examples/dictation.py NOTES --live     the microphone, until Ctrl-C

Prints the name of the file and the number of new sentences.
"""

import sys
from pathlib import Path
from typing import TextIO

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def sentence(element: rxv.Transcript | rxv.Event) -> str:
    if isinstance(element, rxv.Transcript) and element.final and element.text:
        return f"{element.text[0].upper()}{element.text[1:]}.\n"
    return ""


def write(file: TextIO, line: str) -> None:
    file.write(line)
    file.flush()  # keeps the sentence even if this program is killed


def main(notes: str = "dictation.txt", *options: str) -> None:
    live = "--live" in options
    microphone = rxv.microphone() if live else rxv.sources.wav(DEMO)
    with Path(notes).open("a", encoding="utf-8") as file:
        sentences = microphone.pipe(
            vox.chunk(512),
            vox.vad(offline.silero()),
            vox.preroll(250),
            vox.turn_window(rxv.silence(700)),
            vox.transcribe(offline.stt()),
        ).pipe(ops.map(sentence), ops.filter(bool), ops.do_action(lambda line: write(file, line)))
        count = rxv.live(sentences.pipe(ops.scan(lambda n, _: n + 1, 0))).run()
    print(f"{notes}: {count or 0} sentences")


if __name__ == "__main__":
    main(*sys.argv[1:])
