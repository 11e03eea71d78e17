"""OpenAI's agents for Python talk to a server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from serve.realtime_kit import ToolCaller, fake_models
from serve.server_kit import a_turn, pcm, serving

from rxvoice import serve
from rxvoice._language.calls import WrittenCall

LONG = "One two three four five. " * 20


@pytest.fixture(scope="module")
def agents() -> Any:
    """The package, whose import takes a second."""
    return pytest.importorskip("agents.realtime", reason="needs the package openai-agents")


class Heard:
    """What an agent's session tells."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.errors: list[Any] = []
        self.changed = asyncio.Event()

    def take(self, event: Any) -> None:
        self.events.append(event)
        if event.type == "error":
            self.errors.append(event.error)
        data = getattr(event, "data", None)
        if getattr(data, "type", "") in ("error", "exception"):
            self.errors.append(data)
        self.changed.set()

    def kinds(self) -> list[str]:
        return [event.type for event in self.events]


async def talk_to_agent(
    agents: Any, models: serve.Models, agent: Any, script: Callable[[Any, Heard], Any]
) -> Heard:
    heard = Heard()
    with serving(serve.app(models)) as address:
        runner = agents.RealtimeRunner(agent)
        config = {"url": f"ws://{address}/v1/realtime?model=local", "api_key": "any"}
        async with await runner.run(model_config=config) as session:

            async def listen() -> None:
                async for event in session:
                    heard.take(event)

            listening = asyncio.create_task(listen())
            try:
                await script(session, heard)
            finally:
                listening.cancel()
    return heard


async def until(heard: Heard, wanted: Callable[[Heard], bool]) -> None:
    try:
        async with asyncio.timeout(20):
            while not wanted(heard):
                heard.changed.clear()
                await heard.changed.wait()
    except TimeoutError:
        raise AssertionError(heard.kinds()) from None


def test_openai_agents_calls_a_tool(agents: Any) -> None:
    from agents import function_tool

    asked: list[str] = []

    @function_tool
    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "three degrees"

    llm = ToolCaller([WrittenCall("weather", {"city": "Oslo"})], ["It is three degrees."])
    agent = agents.RealtimeAgent(name="Ann", instructions="Be brief.", tools=[weather])

    async def script(session: Any, heard: Heard) -> None:
        await session.send_message("What is the weather in Oslo?")
        await until(heard, lambda it: "audio_end" in it.kinds())

    heard = asyncio.run(talk_to_agent(agents, fake_models(llm=llm), agent, script))
    assert heard.errors == []
    assert asked == ["Oslo"]
    assert "tool_start" in heard.kinds()
    assert "tool_end" in heard.kinds()
    assert "audio" in heard.kinds()
    assert llm.tools[0][0]["function"]["name"] == "weather"
    assert llm.given[1][-1]["content"] == "three degrees"


def test_openai_agents_is_interrupted(agents: Any) -> None:
    agent = agents.RealtimeAgent(name="Ann", instructions="Be brief.")

    async def script(session: Any, heard: Heard) -> None:
        for data in [*a_turn(), *[pcm(100, 0)] * 5]:
            await session.send_audio(data)
        await until(heard, lambda it: "audio" in it.kinds())
        for _ in range(5):
            await session.send_audio(pcm(100))
        await until(heard, lambda it: "audio_interrupted" in it.kinds())
        for _ in range(10):
            await session.send_audio(pcm(100, 0))
        await until(heard, lambda it: it.kinds().count("agent_end") > 1)

    heard = asyncio.run(talk_to_agent(agents, fake_models(LONG), agent, script))
    assert heard.errors == []
    words = [
        part.transcript
        for event in heard.events
        if event.type == "history_updated"
        for item in event.history
        if getattr(item, "role", "") == "user"
        for part in item.content
        if getattr(part, "transcript", None)
    ]
    assert "hello" in words
