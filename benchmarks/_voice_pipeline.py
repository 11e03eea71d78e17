"""The ``VoicePipeline`` of mlx-audio on stubs, without a device and without a GPU."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import mlx_audio.sts.voice_pipeline
import numpy as np

from benchmarks._measure import loud

__all__ = ["ITS", "talking"]

ITS = cast(Any, mlx_audio.sts.voice_pipeline)
"""The module."""


class _Gate:
    def feed(self, chunk: Any, state: object, sample_rate: int) -> tuple[Any, object]:
        return np.float32(loud(chunk)), state


class _Endpoint:
    def predict(self, audio: object) -> Any:
        return ITS.EndpointDecision(complete=True, probability=1.0)


class _Voice:
    sample_rate = 24_000

    def __init__(self, pieces: Callable[[], Iterable[Any]]) -> None:
        self._pieces = pieces

    def generate(self, **_: object) -> Iterable[SimpleNamespace]:
        return (SimpleNamespace(audio=piece) for piece in self._pieces())


@asynccontextmanager
async def talking(
    device: type,
    *,
    recogniser: object,
    generate: Callable[[str, object], str],
    pieces: Callable[[], Iterable[Any]],
    output: type | None = None,
) -> AsyncIterator[Any]:
    """A pipeline that runs.

    Args:
        device: in place of sounddevice's ``InputStream``.
        recogniser: with ``create_streaming_session``.
        generate: the answer to a transcript, in a context.
        pieces: the sound of an answer.
        output: in place of its ``AudioOutputStream``.
    """
    ITS.sd = SimpleNamespace(InputStream=device)
    ITS.MLXWorkScheduler._run = lambda self, func: func()
    pipeline = ITS.VoicePipeline(
        speech_gate=ITS.SileroSpeechGate(_Gate()),
        endpoint_detector=_Endpoint(),
        transcriber=ITS.VoxtralRealtimeTranscriber(recogniser),
        response_engine=SimpleNamespace(generate=generate),
        tts_responder=ITS.PocketTTSResponder(_Voice(pieces)),
        audio_output=(output or ITS.AudioOutputStream)(sample_rate=24_000, enabled=False),
    )
    session = asyncio.create_task(pipeline.start())
    try:
        yield pipeline
    finally:
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)
