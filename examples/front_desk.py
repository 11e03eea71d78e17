"""A front desk: it greets the guest, hands over to another agent, and replaces sentences.

    python examples/front_desk.py

Prints the conversation with a recorded guest. The sink discards the sound.
"""

from importlib.resources import files

import reactivex as rx

import rxvoice as rxv
from rxvoice import events, offline
from rxvoice import operators as vox

RECORDING = str(files("rxvoice") / "data" / "demo.wav")
GREETING = rxv.Say("Welcome. This call is recorded.", interruptible=False)
voice = vox.synthesize(offline.tts())


def careful(sentence: str) -> str:
    return "I would rather not say how far." if "kilometers" in sentence else sentence


AGENTS = {
    "desk": vox.stages(vox.respond(offline.llm()), vox.map_sentences(careful), voice),
    "night": vox.stages(vox.respond(lambda text: "The night shift wishes you well."), voice),
}


def agent(transcript: rxv.Transcript):
    return AGENTS["night" if "goodbye" in transcript.text.lower() else "desk"]


def tell(event: object) -> None:
    match event:
        case events.Transcribed():
            print(f"guest: {event.text}")
        case rxv.FinishedTurn():
            print(f"desk: {event.assistant_text.strip()}")


def main() -> None:
    turns = rxv.sources.wav(RECORDING).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
    )
    listen = vox.transcribe(offline.stt())
    sink = rxv.sinks.null()
    talk = vox.converse(listen, vox.choose(agent), sink=sink, says=rx.of(GREETING))
    rxv.live(turns.pipe(talk)).run(tell)


if __name__ == "__main__":
    main()
