"""The ``VoicePipeline`` of mlx-audio: its loop over the microphone's queue, with stub models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks._measure import CHUNK_MS, SILENCE, SPEECH
from benchmarks._voice_pipeline import talking

FRAME_MS = CHUNK_MS
BLOCKS = {loud: np.int16(it[:, None] * 32_767) for loud, it in ((True, SPEECH), (False, SILENCE))}
"""As its device gives them."""


class Device:
    """In place of sounddevice's stream: nothing comes from it."""

    def __init__(self, **_: object) -> None:
        """Without a callback: the chain fills the queue itself."""

    def start(self) -> None:
        """There is nothing to start."""

    stop = close = start


class Recognition:
    """Hears a turn, and has no words for it."""

    def __init__(self) -> None:
        self.done = False

    def feed(self, samples: object) -> None:
        """Take it."""

    def step(self, max_decode_tokens: int = 6) -> list[str]:
        return []

    def close(self) -> None:
        self.done = True


@asynccontextmanager
async def hearing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """Its listener, its gate of speech, its pre-roll, its transcriber's session."""
    async with talking(
        Device,
        recogniser=SimpleNamespace(create_streaming_session=lambda **_: Recognition()),
        generate=lambda transcript, context: "",
        pieces=list,
    ) as pipeline:
        await asyncio.sleep(0.1)  # it starts
        queue: asyncio.Queue[Any] = pipeline.input_audio_queue

        async def push(loud: bool) -> None:
            queue.put_nowait(pipeline._normalize_input(BLOCKS[loud]))
            await queue.join()

        yield push
