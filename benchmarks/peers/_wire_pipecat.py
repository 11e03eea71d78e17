"""A server of pipecat that speaks three pieces of text; runs in an environment of its own.

Each WebSocket message is answered by sound, in messages that begin with when the last piece of text
was written, by the clock of all processes.
"""

import asyncio
import logging
import socket
import struct
import sys
import time
from collections.abc import AsyncGenerator

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner

RATE = 24_000
SOUND = b"\x00\x20" * (RATE // 2)
WRITTEN = [0.0]


class Serializer(FrameSerializer):
    """Sound goes out with the time; whatever comes in is a question."""

    async def serialize(self, frame: Frame) -> bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return struct.pack("<d", WRITTEN[0]) + frame.audio
        return None

    async def deserialize(self, data: str | bytes) -> Frame:
        return TranscriptionFrame("hi", "user", "")


class Llm(FrameProcessor):
    """Writes three pieces."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, TranscriptionFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for piece in ("You ", "said ", "it."):
            await self.push_frame(LLMTextFrame(piece))
        WRITTEN[0] = time.monotonic()
        await self.push_frame(LLMFullResponseEndFrame())


class Tts(TTSService):
    """Has half a second of sound for each text, at once."""

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        yield TTSAudioRawFrame(SOUND, RATE, 1, context_id=context_id)


async def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transport = SingleClientWebsocketServerTransport(
        params=SingleClientWebsocketServerParams(
            serializer=Serializer(), audio_out_enabled=True, audio_out_sample_rate=RATE
        ),
        host="127.0.0.1",
        port=port,
    )
    tts = Tts(
        sample_rate=RATE,
        push_start_frame=True,
        push_stop_frames=True,
        settings=TTSSettings(model=None, voice=None, language=None),
    )
    pipeline = Pipeline([transport.input(), Llm(), tts, transport.output()])
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_out_sample_rate=RATE), idle_timeout_secs=None
    )

    @transport.event_handler("on_websocket_ready")
    async def ready(_: object) -> None:
        print(port, flush=True)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    logging.disable(logging.WARNING)
    asyncio.run(main())
