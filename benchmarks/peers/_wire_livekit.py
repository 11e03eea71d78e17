"""A session of livekit-agents, without a LiveKit server; runs in an environment of its own.

Its sound goes over a WebSocket, in messages that begin with when the last piece of text was
written, by the clock of all processes.
"""

import asyncio
import logging
import struct
import time

from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io
from websockets.asyncio.server import ServerConnection, serve

RATE = 24_000
SOUND = b"\x00\x20" * (RATE // 2)
WRITTEN = [0.0]


class Llm(llm.LLM):
    """Writes three pieces."""

    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **others):
        return _Writing(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Writing(llm.LLMStream):
    async def _run(self) -> None:
        for piece in ("You ", "said ", "it."):
            delta = llm.ChoiceDelta(role="assistant", content=piece)
            self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))
        WRITTEN[0] = time.monotonic()


class Tts(tts.TTS):
    """Has half a second of sound for each text, at once."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return _Speaking(tts=self, input_text=text, conn_options=conn_options)


class _Speaking(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="1", sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(SOUND)
        output_emitter.flush()


class Socket(io.AudioOutput):
    """Sends sound to a client, which counts as played at once."""

    def __init__(self, client: ServerConnection) -> None:
        super().__init__(
            label="socket", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE
        )
        self._client = client
        self._seconds = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._seconds += frame.duration
        await self._client.send(struct.pack("<d", WRITTEN[0]) + bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        seconds, self._seconds = self._seconds, 0.0
        if seconds:
            self.on_playback_finished(playback_position=seconds, interrupted=False)

    def clear_buffer(self) -> None:
        self.flush()


async def talk(client: ServerConnection) -> None:
    session = AgentSession(llm=Llm(), tts=Tts())
    session.output.audio = Socket(client)
    await session.start(Agent(instructions="Answer."))
    async for _ in client:
        await session.generate_reply(user_input="hi")


async def main() -> None:
    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main())
