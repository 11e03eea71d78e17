"""A client for whom there is no room is told so, or is passed on by the proxy."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from rxvoice.serve._turn_away import turn_away


async def _full(socket: WebSocket) -> None:
    await turn_away(socket, "full")


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[WebSocketRoute("/v1/realtime", _full)]))


def test_a_browser_can_read_the_reason(client: TestClient) -> None:
    with client.websocket_connect("/v1/realtime", ["realtime", "other"]) as socket:
        assert socket.accepted_subprotocol == "realtime"
        closed = socket.receive()
    assert (closed["code"], closed["reason"]) == (1013, "full")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_a_proxy_may_try_another_replica(client: TestClient, name: str) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/v1/realtime", headers={name: "10.0.0.1"}),
    ):
        pass
    assert refused.value.status_code == 503
    assert refused.value.json() == {"status": "full"}
    assert refused.value.headers["retry-after"] == "1"
