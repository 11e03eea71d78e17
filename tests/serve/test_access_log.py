"""The access log: who asked for what, and nothing of what was said."""

from __future__ import annotations

import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from rxvoice.serve._access_log import AccessLog, WithoutContent


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _fails(request: Request) -> PlainTextResponse:
    raise RuntimeError("swordfish")


async def _talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive_text()
    await socket.send_bytes(b"12345")
    await socket.close(1012, "draining")


@pytest.fixture
def client() -> TestClient:
    paths = {"/page": _page, "/fails": _fails, "/healthz": _page}
    app = Starlette(routes=[*(Route(*it) for it in paths.items()), WebSocketRoute("/talk", _talk)])
    return TestClient(AccessLog(app, clock=lambda: 5.0), raise_server_exceptions=False)


def test_a_request_has_a_line_without_its_query(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rxvoice.access")
    client.get("/page?text=swordfish")
    client.get("/nowhere")
    client.get("/fails")
    client.get("/healthz")
    assert caplog.messages == [
        "testclient GET /page 200 in 0 ms",
        "testclient GET /nowhere 404 in 0 ms",
        "testclient GET /fails 500 in 0 ms",
    ]
    caplog.set_level(logging.DEBUG, "rxvoice.access")
    client.get("/healthz")
    assert "GET /healthz 200" in caplog.text


def test_a_path_cannot_begin_a_line_of_its_own(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rxvoice.access")
    client.get("/a%0a127.0.0.1%20GET%20/forged%20200")
    assert caplog.messages == ["testclient GET /a%0A127.0.0.1%20GET%20/forged%20200 404 in 0 ms"]


def test_a_websocket_has_a_line_when_it_is_opened_and_one_at_its_end(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rxvoice.access")
    with client.websocket_connect("/talk?key=swordfish") as socket:
        socket.send_text("swordfish")
        assert socket.receive_bytes() == b"12345"
        assert socket.receive()["code"] == 1012
    assert caplog.messages == [
        "testclient WS /talk opened",
        "testclient WS /talk closed 1012 after 0.0 s, 9 bytes in, 5 out",
    ]


def test_the_text_of_an_error_is_kept_out_of_the_log() -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    log = logging.Logger("test")
    handler = Kept()
    handler.addFilter(WithoutContent())
    log.addHandler(handler)
    try:
        try:
            raise ValueError("swordfish 1")
        except ValueError as error:
            raise RuntimeError("swordfish 2") from error
    except RuntimeError as error:
        log.exception("a conversation failed: %s", error)
    log.warning("%s is left out for %g s", "http://a/v1", 2)
    assert "swordfish" not in "".join(lines)
    assert "a conversation failed: RuntimeError (--log-content shows its text)" in lines[0]
    assert "builtins.ValueError, raised at:" in lines[0]
    assert f"{__file__}:" in lines[0]
    assert lines[1] == "http://a/v1 is left out for 2 s"
