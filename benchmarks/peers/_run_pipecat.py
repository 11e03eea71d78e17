"""pipecat: a pipeline that runs on the caller's loop, without what it is not asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner


@asynccontextmanager
async def running(
    processors: list[FrameProcessor], **options: Any
) -> AsyncIterator[PipelineWorker]:
    """The worker of a pipeline of these, once it has started; it is cancelled in the end."""
    worker = PipelineWorker(
        Pipeline(processors),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
        **options,
    )
    ready = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def started(*_: object) -> None:
        ready.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await ready.wait()
    yield worker
    await worker.cancel()
    await running
