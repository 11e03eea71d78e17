"""pipecat: its service of OpenAI's interface, between the contexts of the two sides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from loguru import logger
from pipecat.frames.frames import LLMMessagesAppendFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.openai.llm import OpenAILLMService

from benchmarks.peers._run_pipecat import running

logger.remove()
logging.disable(logging.WARNING)


@asynccontextmanager
async def asking(
    url: str, history: list[tuple[str, str]]
) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """The question is appended to the context, which runs the model."""
    context = LLMContext()
    for question, reply in history:
        context.add_message({"role": "user", "content": question})
        context.add_message({"role": "assistant", "content": reply})
    user, assistant = LLMContextAggregatorPair(context)
    settings = OpenAILLMService.Settings(model="m", system_instruction="Answer.")
    llm = OpenAILLMService(api_key="none", base_url=url, settings=settings)
    came = asyncio.Event()

    @assistant.event_handler("on_assistant_turn_stopped")
    async def stopped(*_: object) -> None:
        came.set()

    async with running([user, llm, assistant]) as worker:

        async def ask(text: str) -> None:
            came.clear()
            message = {"role": "user", "content": text}
            await worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))
            await came.wait()

        yield ask
        if "You said it." not in str(context.get_messages()[-1]):
            raise RuntimeError(f"this was replied: {context.get_messages()[-1]}")
