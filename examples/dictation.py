"""Dictation to a file: a sentence for each turn, added as it is spoken.

    python examples/dictation.py                  the demo's recording, to dictation.txt
    python examples/dictation.py NOTES --live     the microphone, until Ctrl-C

Prints the name of the file and how many sentences it got.
"""

import sys
from pathlib import Path
from typing import TextIO

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def sentence(heard: rxv.Transcript | rxv.Event) -> str:
    if isinstance(heard, rxv.Transcript) and heard.final and heard.text:
        return f"{heard.text[0].upper()}{heard.text[1:]}.\n"
    return ""


def write(file: TextIO, line: str) -> None:
    file.write(line)
    file.flush()  # what was dictated is there, whatever becomes of this program


def main(notes: str = "dictation.txt", *options: str) -> None:
    live = "--live" in options
    microphone = rxv.microphone() if live else rxv.sources.wav(DEMO)
    with Path(notes).open("a", encoding="utf-8") as file:
        sentences = microphone.pipe(
            vox.chunk(512),
            vox.vad(offline.silero()),
            vox.preroll(250),
            vox.turn_window(rxv.silence(700)),
            vox.transcribe(offline.stt(phrases=None if live else offline.phrases())),
        ).pipe(ops.map(sentence), ops.filter(bool), ops.do_action(lambda line: write(file, line)))
        count = rxv.live(sentences.pipe(ops.scan(lambda n, _: n + 1, 0))).run()
    print(f"{notes}: {count or 0} sentences")


if __name__ == "__main__":
    main(*sys.argv[1:])
