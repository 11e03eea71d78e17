"""livekit-agents: an `AgentSession` of text, on its client of OpenAI's interface."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from livekit.agents import Agent, AgentSession, ChatContext, inference

logging.disable(logging.WARNING)


@asynccontextmanager
async def asking(
    url: str, history: list[tuple[str, str]]
) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """The reply goes into the history of the session."""
    context = ChatContext.empty()
    for question, reply in history:
        context.add_message(role="user", content=question)
        context.add_message(role="assistant", content=reply)
    llm = inference.LLM("openai/m", base_url=url, api_key="none", api_secret="n" * 32)
    session = AgentSession(llm=llm, vad=None)
    agent = Agent(instructions="Answer.", chat_ctx=context)
    await session.start(agent)

    async def ask(text: str) -> None:
        await session.generate_reply(user_input=text)

    yield ask
    last = agent.chat_ctx.messages()[-1].text_content
    if last != "You said it.":
        raise RuntimeError(f"this was replied: {last}")
    await session.aclose()
