"""livekit-agents: the sound of an `AgentSession` to its detector of speech and its recogniser."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.agents import Agent, AgentSession, stt, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io
from livekit.agents.voice.audio_recognition import AudioRecognition

FRAME_MS = 32
RATE = 16_000
SAMPLES = RATE * FRAME_MS // 1000
SOUND = {True: b"\x00\x20" * SAMPLES, False: bytes(2 * SAMPLES)}
SILENCE_S = 0.48

logging.disable(logging.WARNING)


class Vad(vad.VAD):
    """Loud is speech."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=FRAME_MS / 1000))

    def stream(self) -> vad.VADStream:
        return _Hearing(self)


class _Hearing(vad.VADStream):
    async def _main_task(self) -> None:
        at, spoken, quiet, speaking = 0, 0.0, 0.0, False

        def tell(kind: vad.VADEventType, frames: list[rtc.AudioFrame]) -> None:
            self._event_ch.send_nowait(
                vad.VADEvent(
                    type=kind,
                    samples_index=at,
                    timestamp=at / RATE,
                    speech_duration=spoken,
                    silence_duration=quiet,
                    frames=frames,
                    speaking=speaking,
                    raw_accumulated_speech=spoken,
                    raw_accumulated_silence=quiet,
                )
            )

        turn: list[rtc.AudioFrame] = []
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            at += frame.samples_per_channel
            if frame.data[0]:
                spoken, quiet = spoken + frame.duration, 0.0
            else:
                quiet += frame.duration
            if speaking:
                turn.append(frame)
            elif frame.data[0]:
                speaking, turn = True, [frame]
                tell(vad.VADEventType.START_OF_SPEECH, turn)
            tell(vad.VADEventType.INFERENCE_DONE, [frame])
            if speaking and quiet >= SILENCE_S:
                speaking = False
                tell(vad.VADEventType.END_OF_SPEECH, [rtc.combine_audio_frames(turn)])
                spoken, turn = 0.0, []


class Stt(stt.STT):
    """Hears everything, and has no words for it."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, buffer, **others):
        raise NotImplementedError

    def stream(self, *, conn_options=DEFAULT_API_CONNECT_OPTIONS, **others):
        return _Recognising(stt=self, conn_options=conn_options)


class _Recognising(stt.RecognizeStream):
    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


class Microphone(io.AudioInput):
    """Gives what it is given."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self.frames.get()


class Session(AgentSession):
    """Says when the verdict on some sound has been heard."""

    came: asyncio.Event


async def _judged(self: AudioRecognition, event: vad.VADEvent) -> None:
    await _judge(self, event)
    if event.type == vad.VADEventType.INFERENCE_DONE:
        self._session.came.set()


_judge, AudioRecognition._on_vad_event = AudioRecognition._on_vad_event, _judged


@asynccontextmanager
async def hearing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """The sound has arrived when the verdict on it has been heard."""
    session = Session(
        vad=Vad(),
        stt=Stt(),
        turn_handling={"turn_detection": "vad"},
        session_close_transcript_timeout=0.1,
    )
    session.came = asyncio.Event()
    microphone = Microphone()
    session.input.audio = microphone
    await session.start(Agent(instructions="Listen."))

    async def push(loud: bool) -> None:
        session.came.clear()
        microphone.frames.put_nowait(rtc.AudioFrame(SOUND[loud], RATE, 1, SAMPLES))
        await session.came.wait()

    yield push
    await session.aclose()
