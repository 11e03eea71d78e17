"""The app over real WebSockets."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import b64encode
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from loopback_kit import WAIT
from serve.realtime_kit import fake_models, message
from serve.server_kit import serving
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import ClientConnection, connect

from rxvoice import serve
from rxvoice.errors import ConfigError
from rxvoice.serve.realtime._outbox import Outbox


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


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 200, None),
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"session": 5}', 400, "invalid_json"),
        (b'{"expires_after": {"seconds": 1e999}}', 400, "invalid_json"),
        (b'{"expires_after": {"seconds": "x"}}', 400, "invalid_json"),
        (b'{"session": {"type": []}}', 400, "invalid_value"),
        (b'{"session": {"instructions": "\\ud800"}}', 200, None),
        (b"x" * (2**20 + 1), 413, "invalid_request"),
    ],
    ids=lambda it: it[:40] if isinstance(it, bytes) else None,
)
def test_whatever_is_asked_of_a_secret_is_answered(
    body: bytes, status: int, code: str | None
) -> None:
    client = TestClient(serve.app(fake_models()))
    answer = client.post("/v1/realtime/client_secrets", content=body)
    assert answer.status_code == status
    told = answer.json()
    assert told.get("error", {}).get("code") == code
    if code is None:
        assert told["value"].startswith("ek_")


def test_a_secret_lasts_as_long_as_the_client_says() -> None:
    client = TestClient(serve.app(fake_models(), api_key="sesame"))
    asked = {"expires_after": {"anchor": "created_at", "seconds": 60}}
    key = {"Authorization": "Bearer sesame"}
    made = client.post("/v1/realtime/client_secrets", json=asked, headers=key).json()
    assert made["expires_at"] - time.time() == pytest.approx(60, abs=5)


def test_a_session_that_only_transcribes() -> None:
    client = TestClient(serve.app(fake_models()))
    with client.websocket_connect("/v1/realtime?intent=transcription") as socket:
        session = socket.receive_json()["session"]
        assert (session["type"], "output" in session["audio"]) == ("transcription", False)
        # The beta's name for the event.
        change = {"input_audio_transcription": {"model": "whisper-1", "language": "en"}}
        socket.send_json({"type": "transcription_session.update", "session": change})
        heard = until(socket, "session.updated")[-1]["session"]["audio"]["input"]
        assert heard["transcription"]["language"] == "en"


def test_the_log_says_which_page_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(serve.app(fake_models()))
    headers = {"Origin": "https://a.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/v1/realtime", headers=headers),
    ):
        pass
    assert "a page of 'https://a.example' was refused: --allow-origin lets it in" in caplog.text


def test_whoever_comes_to_the_wrong_door_is_told_where_to_go() -> None:
    client = TestClient(serve.app(fake_models()))
    asked = client.get("/v1/realtime")
    assert (asked.status_code, asked.headers["upgrade"]) == (426, "websocket")
    assert "connect to it with ws://" in asked.text
    with pytest.raises(WebSocketDenialResponse) as refused:  # noqa: SIM117
        with client.websocket_connect("/v1"):
            pass
    assert refused.value.status_code == 404
    assert "connect to /v1/realtime" in refused.value.text
    assert client.get("/v1/models/rxvoice").json()["id"] == "rxvoice"
    assert client.get("/v1/models/").json()["object"] == "list"
    assert client.get("/v1/models/a/b").json()["error"]["code"] == "model_not_found"


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


def test_a_secret_of_one_replica_opens_the_same_session_at_another() -> None:
    one, other = (TestClient(serve.app(fake_models(), api_key="sesame")) for _ in range(2))
    session = {"type": "realtime", "instructions": "Be brief."}
    key = {"Authorization": "Bearer sesame"}
    made = one.post("/v1/realtime/client_secrets", json={"session": session}, headers=key)
    protocols = ["realtime", f"openai-insecure-api-key.{made.json()['value']}"]
    with other.websocket_connect("/v1/realtime", subprotocols=protocols) as socket:
        assert socket.receive_json()["session"]["instructions"] == "Be brief."
    again = one.post(
        "/v1/realtime/client_secrets",
        json={},
        headers={"Authorization": f"Bearer {made.json()['value']}"},
    )
    assert again.status_code == 401


def test_models_are_loaded_while_the_server_answers_and_a_failure_is_told() -> None:
    go_on = Event()
    results: list[object] = []
    loaded = Event()

    def load() -> serve.Models:
        assert go_on.wait(60)
        raise ConfigError("no such model")

    def tell(result: object) -> None:
        results.append(result)
        loaded.set()

    with TestClient(serve.app(load, on_load=tell)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json()["status"] == "loading"
        with client.websocket_connect("/v1/realtime") as socket:
            assert socket.receive()["reason"] == "loading"
        go_on.set()
        assert loaded.wait(60)
        assert str(results[0]) == "no such model"
        assert client.get("/readyz").status_code == 503
        with client.websocket_connect("/v1/realtime") as socket:
            assert socket.receive_json()["error"]["code"] == "model_load_error"


def test_what_is_said_is_logged_only_if_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rxvoice")
    for wanted in (False, True):
        client = TestClient(serve.app(fake_models(), log_content=wanted))
        with client, client.websocket_connect("/v1/realtime") as socket:
            item = {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "swordfish"}],
            }
            socket.send_json({"type": "conversation.item.create", "item": item})
            socket.send_json({"type": "response.create"})
            until(socket, "response.done")
        assert ("assistant: 'I am rxvoice.'" in caplog.text) is wanted
        assert ("rxvoice." in caplog.text) is wanted


def test_an_append_of_fifteen_mib_does_not_hold_up_others() -> None:
    """Sound of four minutes in one message, and a session beside it that goes on."""
    app = serve.app(fake_models())
    audio = b64encode(bytes(15 * 2**20 * 3 // 4 // 2 * 2)).decode()
    with serving(app) as address:
        url = f"ws://{address}/v1/realtime"
        with connect(url) as one, connect(url) as other:
            one.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            one.send(json.dumps({"type": "input_audio_buffer.clear"}))
            rounds = 0
            other.send(json.dumps({"type": "input_audio_buffer.clear"}))
            while received(one, "input_audio_buffer.cleared", timeout=0) is None:
                assert received(other, "input_audio_buffer.cleared", timeout=WAIT)
                other.send(json.dumps({"type": "input_audio_buffer.clear"}))
                rounds += 1
    assert rounds > 3


def received(socket: ClientConnection, kind: str, *, timeout: float) -> dict[str, Any] | None:
    """The next event of this kind; None if none comes in time."""
    while True:
        try:
            event = json.loads(socket.recv(timeout=timeout))
        except TimeoutError:
            return None
        assert event["type"] != "error", event
        if event["type"] == kind:
            return event


def test_a_client_that_does_not_read_loses_its_session() -> None:
    async def never(_: str) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        slow = asyncio.Event()
        socket = SimpleNamespace(send_text=never)
        outbox = Outbox(socket, 100, slow.set, lambda _: None)  # type: ignore[arg-type]
        sending = asyncio.create_task(outbox.send())
        for _ in range(3):
            outbox.put("x" * 60)
        assert slow.is_set()
        sending.cancel()

    asyncio.run(main())


def test_a_burst_of_messages_lets_others_run() -> None:
    async def main() -> None:
        sent: list[str] = []

        async def send_text(text: str) -> None:
            sent.append(text)

        socket = SimpleNamespace(send_text=send_text)
        outbox = Outbox(socket, 1_000, lambda: None, lambda _: None)  # type: ignore[arg-type]
        for _ in range(20):
            outbox.put("x")
        sending = asyncio.create_task(outbox.send())
        await asyncio.sleep(0)
        assert 0 < len(sent) < 5  # asyncio warns of the fifth write to a client that is gone
        await outbox.drained()
        assert len(sent) == 20
        sending.cancel()

    asyncio.run(main())


def test_old_clients_get_the_names_of_the_beta_if_the_server_says_so() -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    for beta, names in ((False, ("output_modalities", "type")), (True, ("modalities", "voice"))):
        client = TestClient(serve.app(fake_models("Yes."), beta=beta))
        with client.websocket_connect("/v1/realtime", headers=headers) as socket:
            created = socket.receive_json()
            assert all(name in created["session"] for name in names)
            socket.send_json({"type": "conversation.item.create", "item": message("hi")})
            socket.send_json({"type": "response.create", "response": {"modalities": ["text"]}})
            types = [event["type"] for event in until(socket, "response.done")]
        assert ("conversation.item.created" in types) == beta
        assert ("response.text.delta" in types) == beta
        assert ("response.output_text.delta" in types) != beta
        assert ("conversation.item.done" in types) != beta


def test_a_broken_pipe_ends_its_session_with_1011() -> None:
    class Broken:
        def probability(self, samples: Any) -> float:
            raise RuntimeError("broken")

    models = fake_models()
    object.__setattr__(models, "vad", Broken)
    with TestClient(serve.app(models)).websocket_connect("/v1/realtime") as socket:
        until(socket, "conversation.created")
        socket.send_json({"type": "input_audio_buffer.append", "audio": sound(2_000)})
        with pytest.raises(WebSocketDisconnect) as closed:
            until(socket, "never")
    assert (closed.value.code, closed.value.reason) == (1011, "failed")
