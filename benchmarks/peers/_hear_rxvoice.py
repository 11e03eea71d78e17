"""rxvoice: the five operators that hear, in one thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from reactivex import operators as ops

from benchmarks._measure import CHUNK_MS, SILENCE, SPEECH, subject, turns
from benchmarks.per_chunk import same

FRAME_MS = CHUNK_MS


@asynccontextmanager
async def hearing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """chunk, vad, barge_in, preroll and turn_window."""
    microphone = subject()
    turns(microphone).subscribe()

    async def push(loud: bool) -> None:
        microphone.on_next(SPEECH if loud else SILENCE)

    yield push


@asynccontextmanager
async def passing() -> AsyncIterator[Callable[[bool], Awaitable[None]]]:
    """Seven times ``map``."""
    microphone = subject()
    microphone.pipe(*[ops.map(same) for _ in range(7)]).subscribe()

    async def push(loud: bool) -> None:
        microphone.on_next(SPEECH if loud else SILENCE)

    yield push
