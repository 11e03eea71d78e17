"""A conversation in an asyncio app: `async for`, beside the app's own tasks.

    python examples/asyncio_app.py           the demo's recording
    python examples/asyncio_app.py --live    microphone and loudspeaker, until Ctrl-C

Prints each turn with its reply, and whether the app's own task was ever held up.
"""

import asyncio
import sys
from pathlib import Path

import rxvoice as rxv
from rxvoice import aio, offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


async def heartbeat() -> None:
    """The app's own work. Prints a line if it is held up for more than a tenth of a second."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.01
        await asyncio.sleep(0.01)
        if loop.time() > due + 0.1:
            print(f"held up for {loop.time() - due:.2f} s")


async def main(live: bool) -> None:
    speaker = rxv.speaker() if live else rxv.sinks.null()
    turns = (rxv.microphone() if live else rxv.sources.wav(DEMO)).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(800)),
    )
    conversation = turns.pipe(
        vox.transcribe(offline.stt()),
        vox.respond(offline.llm(), min_chars=1),
        vox.synthesize(offline.tts()),
        vox.play(speaker),
    )
    beating = asyncio.create_task(heartbeat())
    async for event in aio.events(conversation, max_events=100, overflow="drop_oldest"):
        if isinstance(event, rxv.FinishedTurn):
            print(f"{event.user_text}: {event.assistant_text}")
    beating.cancel()
    print("the app was free all the time")


if __name__ == "__main__":
    asyncio.run(main("--live" in sys.argv))
