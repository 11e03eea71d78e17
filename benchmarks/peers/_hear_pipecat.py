"""pipecat: seven processors, from the input of a transport to the context of the assistant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import Frame, InputAudioRawFrame, StartFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from benchmarks.peers._run_pipecat import running

FRAME_MS = 20
RATE = 16_000
SOUND = {True: b"\x00\x20" * (RATE * FRAME_MS // 1000), False: bytes(2 * RATE * FRAME_MS // 1000)}

logger.remove()
logging.disable(logging.WARNING)


class Vad(VADAnalyzer):
    """Loud is speech."""

    def num_frames_required(self) -> int:
        return 512

    def voice_confidence(self, buffer: bytes) -> float:
        return float(buffer[1] != 0)


class Input(BaseInputTransport):
    """The part of a transport that takes the client's sound."""

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)


class Stt(SegmentedSTTService):
    """Hears a turn, and has no words for it."""

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        yield None


class Tts(TTSService):
    """Never asked."""

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        yield None


class Pass(FrameProcessor):
    """In place of a language model, and of the output of a transport."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class End(Pass):
    """Says when sound has come."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.came.set()


@asynccontextmanager
async def hearing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """Input, recogniser, user's context with voice activity, model, voice, output, own context."""
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=Vad(params=VADParams(stop_secs=0.48, min_volume=0.0)),
            user_turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()]),
        ),
    )
    stt = Stt(settings=STTSettings(model=None, language=None))
    tts = Tts(settings=TTSSettings(model=None, voice=None, language=None))
    end = End()
    async with _running([stt, user, Pass(), tts, end, assistant], end) as push:
        yield push


@asynccontextmanager
async def passing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """Seven processors, the input of a transport among them."""
    end = End()
    async with _running([*(Pass() for _ in range(5)), end], end) as push:
        yield push


@asynccontextmanager
async def _running(
    processors: list[FrameProcessor], end: End
) -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    microphone = Input(TransportParams(audio_in_enabled=True, audio_in_sample_rate=RATE))

    async def push(loud: bool) -> None:
        end.came.clear()
        await microphone.push_audio_frame(InputAudioRawFrame(SOUND[loud], RATE, 1))
        await end.came.wait()

    params = PipelineParams(audio_in_sample_rate=RATE)
    async with running([microphone, *processors], params=params):
        yield push
