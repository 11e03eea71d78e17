"""The seven operators, in order, on a file: a recording goes in, the replies come out as sound.

    python examples/seven_operators.py [RECORDING [REPLY]]

Prints each transcript, and writes the replies to REPLY (reply.wav).
"""

import sys
from pathlib import Path

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def tell(transcript: rxv.Transcript | rxv.Event) -> None:
    if isinstance(transcript, rxv.Transcript) and transcript.final:
        print("you:", transcript.text)


def main(recording: str = str(DEMO), reply: str = "reply.wav") -> None:
    transcripts = rxv.sources.wav(recording).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(1600)),
        vox.transcribe(offline.stt()),
        ops.do_action(tell),
    )
    speech = transcripts.pipe(
        vox.respond(offline.llm(), min_chars=1),
        vox.synthesize(offline.tts()),
    )
    speech.subscribe(rxv.sinks.wav(reply))
    print("wrote", reply)


if __name__ == "__main__":
    main(*sys.argv[1:])
