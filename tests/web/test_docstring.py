"""The example that `rxvoice.web` begins with, with two clients."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient, WebSocketTestSession
from web.app import a_turn, loud, received, say, speech, until

import rxvoice as rxv
from rxvoice import offline, web
from rxvoice import operators as vox
from rxvoice.offline import phrases

COUNT, MOON = "Count to ten.", "How far away is the moon?"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Run its code with a recogniser and a voice that take no time; gives what it defines."""
    assert {COUNT, MOON} <= set(phrases())
    monkeypatch.setattr(rxv, "silero", lambda: loud, raising=False)
    monkeypatch.setattr(offline, "stt", lambda: lambda audio: MOON, raising=False)
    monkeypatch.setattr(offline, "tts", lambda: say, raising=False)
    (code,) = re.findall(r"```python\n(.+?)```", web.__doc__ or "", re.DOTALL)
    names: dict[str, Any] = {"rxv": rxv, "vox": vox, "app": FastAPI(), "WebSocket": WebSocket}
    exec(compile(code, "the docstring of rxvoice.web", "exec"), names)
    yield names
    names["models"].dispose()


def reader(
    socket: WebSocketTestSession, messages: list[bytes | str], *, plays: bool = False
) -> Callable[[str], dict[str, Any]]:
    """Make a function that waits for an event, and says `played` on the way."""
    played = 0

    def receive() -> bytes | str:
        nonlocal played
        message = socket.receive()
        data = message.get("bytes")
        if plays and data is not None:
            played += len(data) // 2
            socket.send_text(json.dumps({"type": "played", "samples": played}))
        return data or message["text"]

    return lambda event: until(receive, event, messages)


@pytest.mark.models
def test_the_example_answers_each_client_for_itself_and_is_interrupted(
    example: dict[str, Any],
) -> None:
    with (
        TestClient(example["app"]) as client,
        client.websocket_connect("/talk") as one,
        client.websocket_connect("/talk") as other,
    ):
        messages: list[bytes | str] = []
        wait = reader(one, messages)
        one.send_text(json.dumps({"type": "played", "samples": 0}))  # nothing yet: it goes on
        for frame in a_turn()[:20] + [speech(20, value=0)] * 50:
            one.send_bytes(frame)
        wait("reply_started")
        one.send_text(json.dumps({"type": "text", "text": COUNT}))
        first = wait("turn")
        assert (first["user_text"], first["interrupted"]) == (MOON, True)
        assert received(messages, "clear")

        other.send_text(json.dumps({"type": "text", "text": MOON}))
        answer = reader(other, [], plays=True)("turn")
        assert answer["user_text"] == MOON
        assert "".join(rxv.offline.llm().respond(MOON)) == answer["assistant_text"]
    assert example["llm"].messages == []
    assert example["sessions"].active == 0
