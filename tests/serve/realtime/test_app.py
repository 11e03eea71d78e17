"""The app over real WebSockets."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from serve.realtime_kit import fake_models
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from rxvoice import serve


def sound(ms: int, value: float = 0.5) -> str:
    return b64encode(np.full(24 * ms, value * 32767, "<i2").tobytes()).decode()


def until(socket: WebSocketTestSession, type: str) -> list[dict[str, Any]]:
    """Receive until an event of this type has come."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != type:
        events.append(socket.receive_json())
    return events


def test_a_client_speaks_and_hears_a_reply() -> None:
    client = TestClient(serve.app(fake_models()))
    with client, client.websocket_connect("/v1/realtime?model=x") as socket:
        assert [it["type"] for it in until(socket, "conversation.created")] == [
            "session.created",
            "conversation.created",
        ]
        for value, ms in ((0, 200), (0.5, 400), (0, 700)):
            audio = sound(ms, value)
            socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
        events = until(socket, "response.done")
    types = [event["type"] for event in events]
    assert types[0] == "input_audio_buffer.speech_started"
    heard = next(event for event in events if event["type"].endswith("transcription.completed"))
    assert heard["transcript"] == "hello"
    assert types.index("response.created") < types.index("response.output_audio.delta")
    assert events[-1]["response"]["status"] == "completed"


def test_a_key_is_wanted() -> None:
    client = TestClient(serve.app(fake_models(), api_key="sesame"))
    with client.websocket_connect("/v1/realtime") as socket:
        assert socket.receive_json()["error"]["code"] == "invalid_api_key"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert (closed.value.code, closed.value.reason) == (1008, "invalid_api_key")
    with client.websocket_connect(
        "/v1/realtime", headers={"Authorization": "Bearer sesame"}
    ) as socket:
        assert socket.receive_json()["type"] == "session.created"
    protocols = ["realtime", "openai-insecure-api-key.sesame"]
    with client.websocket_connect("/v1/realtime", subprotocols=protocols) as socket:
        assert socket.accepted_subprotocol == "realtime"
        assert socket.receive_json()["type"] == "session.created"


def test_a_secret_opens_one_configuration() -> None:
    client = TestClient(serve.app(fake_models(), api_key="sesame"))
    session = {"type": "realtime", "instructions": "Be brief."}
    key = {"Authorization": "Bearer sesame"}
    made = client.post("/v1/realtime/client_secrets", json={"session": session}, headers=key)
    secret = made.json()
    assert secret["value"].startswith("ek_")
    assert secret["session"]["instructions"] == "Be brief."
    protocols = ["realtime", f"openai-insecure-api-key.{secret['value']}"]
    with client.websocket_connect("/v1/realtime", subprotocols=protocols) as socket:
        assert socket.receive_json()["session"]["instructions"] == "Be brief."
    assert client.post("/v1/realtime/client_secrets", json={}).status_code == 401


def test_a_full_server_says_so() -> None:
    client = TestClient(serve.app(fake_models(), max_sessions=1))
    with client.websocket_connect("/v1/realtime") as first:
        first.receive_json()
        assert client.get("/readyz").status_code == 503
        with client.websocket_connect("/v1/realtime") as second:
            with pytest.raises(WebSocketDisconnect) as closed:
                second.receive_json()
            assert (closed.value.code, closed.value.reason) == (1013, "full")


def test_broken_messages_are_answered_and_the_session_goes_on() -> None:
    client = TestClient(serve.app(fake_models()))
    with client.websocket_connect("/v1/realtime") as socket:
        until(socket, "conversation.created")
        socket.send_bytes(b"\x00")
        assert socket.receive_json()["error"]["code"] == "invalid_event"
        socket.send_text("{")
        assert socket.receive_json()["error"]["code"] == "invalid_json"
        socket.send_text(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
        assert socket.receive_json()["type"] == "session.updated"
