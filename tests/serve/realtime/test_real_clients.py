"""Clients from the index talk to a server on loopback, as their documentation says."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import pytest
from openai import AsyncOpenAI, OpenAI
from serve.realtime_kit import fake_models
from serve.server_kit import a_turn, serving

from rxvoice import serve

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
