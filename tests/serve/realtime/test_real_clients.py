"""Clients from the index talk to a server on loopback, as their documentation says."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from serve.realtime_kit import ToolCaller, fake_models
from serve.server_kit import a_turn, pcm, serving

from rxvoice import serve
from rxvoice._language.calls import WrittenCall

# openai's own use of websockets.
pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")

LONG = "One two three four five. " * 20


@pytest.fixture
def address() -> Iterator[str]:
    with serving(serve.app(fake_models("I am rxvoice."), api_key="sesame")) as found:
        yield found


def test_openai(address: str) -> None:
    client = OpenAI(base_url=f"http://{address}/v1", api_key="sesame")
    assert [it.id for it in client.models.list()] == ["rxvoice"]
    kinds: list[str] = []
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["audio"]})
        for data in a_turn():
            connection.input_audio_buffer.append(audio=b64encode(data).decode())
        for event in connection:
            kinds.append(event.type)
            if event.type == "response.done":
                assert event.response.status == "completed"
                break
        connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "and you?"}],
            }
        )
        connection.response.create(response={"output_modalities": ["text"]})
        text = ""
        for event in connection:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                break
    assert kinds[0] == "session.created"
    assert "response.output_audio.delta" in kinds
    assert text == "I am rxvoice."


def test_openai_async(address: str) -> None:
    async def talk() -> None:
        client = AsyncOpenAI(base_url=f"http://{address}/v1", api_key="sesame")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            await connection.session.update(
                session={"type": "realtime", "instructions": "Be brief."}
            )
            for data in a_turn():
                await connection.input_audio_buffer.append(audio=b64encode(data).decode())
            async for event in connection:
                if event.type == "conversation.item.input_audio_transcription.completed":
                    assert event.transcript == "hello"
                if event.type == "session.updated":
                    assert getattr(event.session, "instructions", "") == "Be brief."
                if event.type == "response.done":
                    break
            await connection.response.cancel()
            error = await connection.recv()
            assert error.type == "error"
            assert error.error.code == "response_cancel_not_active"

    asyncio.run(asyncio.wait_for(talk(), 60))


def test_openai_makes_a_client_secret(address: str) -> None:
    client = OpenAI(base_url=f"http://{address}/v1", api_key="sesame")
    made = client.realtime.client_secrets.create(
        session={"type": "realtime", "instructions": "Be brief."}
    )
    browser = OpenAI(base_url=f"http://{address}/v1", api_key=made.value)
    with browser.realtime.connect(model="gpt-realtime") as connection:
        created = connection.recv()
        assert created.type == "session.created"
        assert getattr(created.session, "instructions", "") == "Be brief."


agents = pytest.importorskip("agents.realtime", reason="needs the package openai-agents")


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
    models: serve.Models, agent: Any, script: Callable[[Any, Heard], Any]
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


def test_openai_agents_calls_a_tool() -> None:
    asked: list[str] = []

    @agents_tool()
    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "three degrees"

    llm = ToolCaller([WrittenCall("weather", {"city": "Oslo"})], ["It is three degrees."])
    agent = agents.RealtimeAgent(name="Ann", instructions="Be brief.", tools=[weather])

    async def script(session: Any, heard: Heard) -> None:
        await session.send_message("What is the weather in Oslo?")
        await until(heard, lambda it: "audio_end" in it.kinds())

    heard = asyncio.run(talk_to_agent(fake_models(llm=llm), agent, script))
    assert heard.errors == []
    assert asked == ["Oslo"]
    assert "tool_start" in heard.kinds()
    assert "tool_end" in heard.kinds()
    assert "audio" in heard.kinds()
    assert llm.tools[0][0]["function"]["name"] == "weather"
    assert llm.given[1][-1]["content"] == "three degrees"


def test_openai_agents_is_interrupted() -> None:
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

    heard = asyncio.run(talk_to_agent(fake_models(LONG), agent, script))
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


def agents_tool() -> Any:
    from agents import function_tool

    return function_tool
