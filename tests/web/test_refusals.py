"""Which clients are refused, before or during a session, and what they are told."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from loopback_kit import WAIT
from reactivex import Observable
from reactivex import operators as ops
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from web.app import app, echoing, serving, speech, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import rxvoice as rxv
from rxvoice import web
from rxvoice.web._limits import Over
from rxvoice.web._visitors import Visitors, address_of

END = json.dumps({"type": "end"})


def told(socket: ClientConnection) -> tuple[str, int]:
    """The code of the error, and the code that the socket is closed with."""
    error = until(lambda: socket.recv(WAIT), "error", [])
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(WAIT)
    assert closed.value.rcvd is not None
    return error["code"], closed.value.rcvd.code


def get_in(url: str, **options: Any) -> bool:
    """Whether a client is let in; otherwise it is refused with 403."""
    try:
        with connect(url, **options) as socket:
            socket.send(END)
            return True
    except InvalidStatus as error:
        if error.response.status_code != 403:
            raise
        return False


# Origins


def let_in(sessions: web.Sessions, **headers: str) -> bool:
    """Whether a request with these headers is let in; otherwise it is refused for its origin."""
    with TestClient(app(sessions.serve)) as client:
        try:
            with client.websocket_connect("/talk", headers=headers) as socket:
                socket.send_text(END)
        except WebSocketDisconnect as error:
            if (error.code, error.reason) != (1008, "origin"):
                raise
            return False
    return True


@contextmanager
def house(**options: Any) -> Iterator[tuple[str, web.Sessions]]:
    sessions = web.sessions(echoing, **options)
    with serving(sessions.serve) as url:
        yield url, sessions


def test_a_page_of_another_origin_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with house() as (url, sessions):
        host = url.removeprefix("ws://").removesuffix("/talk")
        for origin in (
            *("https://evil.example", f"http://{host}.evil.example", "null", "http://127.0.0.1"),
            *(f"http://evil.example#{host}", f"http://{host}@evil.example", "", "http://[::1"),
        ):
            assert not get_in(url, origin=origin), origin
        assert get_in(url, origin=f"http://{host}")
        assert get_in(url, origin=f"https://{host}")  # as behind a proxy that speaks TLS
        assert get_in(url)
    assert sessions.refusals == {"origin": 8}
    assert sessions.active == 0
    assert "(origin): a page of 'https://evil.example'" in caplog.text


@pytest.mark.parametrize(
    ("allowed", "origin", "welcome"),
    [
        (["https://app.example"], "https://app.example", True),
        (["https://APP.example:443/"], "https://app.example", True),
        (["https://app.example:8443"], "https://app.example:8443", True),
        (["https://app.example"], "http://app.example", False),
        (["https://app.example"], "https://app.example:8443", False),
        (["https://app.example"], "https://sub.app.example", False),
        (["https://app.example"], "https://app.example.evil", False),
        (["https://a", "https://b"], "https://b", True),
        (["*"], "https://anybody", True),
        (["*"], "null", True),
        (["https://[::1]:8000"], "https://[::1]:8000", True),
    ],
)
def test_other_origins_are_allowed_by_name(allowed: list[str], origin: str, welcome: bool) -> None:
    assert let_in(web.sessions(echoing, allow_origins=allowed), origin=origin) == welcome


@pytest.mark.parametrize(
    ("host", "origin", "same"),
    [
        ("example.com", "https://example.com", True),
        ("EXAMPLE.com", "https://example.COM", True),
        ("example.com:443", "https://example.com", True),
        ("example.com", "http://example.com:80", True),
        ("example.com:8000", "http://example.com:8000", True),
        ("example.com:8000", "http://example.com", False),
        ("example.com", "http://example.com:8000", False),
        ("example.com", "https://www.example.com", False),
        ("[::1]:8000", "http://[::1]:8000", True),
    ],
)
def test_a_page_of_the_same_host_is_welcome(host: str, origin: str, same: bool) -> None:
    assert let_in(web.sessions(echoing), host=host, origin=origin) == same


@pytest.mark.parametrize(
    "origins", ["https://a", [1], ["a.example"], ["https://"], ["https://a/b"], ["https://a:x"], 3]
)
def test_an_origin_that_is_none(origins: Any) -> None:
    with pytest.raises(rxv.ConfigError, match="sessions allow_origins must"):
        web.sessions(echoing, allow_origins=origins)


# Who it is


def by_header(socket: WebSocket) -> str | None:
    return {"Bearer 1": "ada"}.get(socket.headers.get("authorization", ""))


async def later(socket: WebSocket) -> str | None:
    return by_header(socket)


async def never(socket: WebSocket) -> str:
    await asyncio.Event().wait()
    return "ada"


def raises(socket: WebSocket) -> str:
    raise KeyError("secret")


GOOD = {"additional_headers": {"Authorization": "Bearer 1"}}


@pytest.mark.parametrize("authenticate", [by_header, later])
def test_only_who_is_known_comes_in(authenticate: Callable[..., Any]) -> None:
    users: list[object] = []

    def converse(client: web.Client) -> Observable[Any]:
        users.append(client.user)
        return echoing(client)

    sessions = web.sessions(converse, authenticate=authenticate)
    with serving(sessions.serve) as url:
        assert not get_in(url)
        assert not get_in(url, additional_headers={"Authorization": "Bearer 2"})
        with connect(url, **GOOD) as socket:
            socket.send(END)
            with pytest.raises(ConnectionClosed, match="1000"):
                socket.recv(WAIT)
    assert users == ["ada"]
    assert sessions.refusals == {"forbidden": 2}
    assert sessions.active == 0


@pytest.mark.parametrize("authenticate", [raises, never])
def test_nobody_comes_in_by_a_fault_of_the_apps(
    authenticate: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    limits = web.Limits(authenticate_seconds=0.05)
    with house(authenticate=authenticate, limits=limits) as (url, sessions):
        assert not get_in(url, **GOOD)
    assert sessions.refusals == {"forbidden": 1}
    assert sessions.active == 0
    assert "authenticate() raised" in caplog.text


def test_without_it_nobody_has_a_name() -> None:
    users: list[object] = []

    def converse(client: web.Client) -> Observable[Any]:
        users.append(client.user)
        return client.microphone.pipe(ops.ignore_elements())

    assert let_in(web.sessions(converse))
    assert users == [None]
    with pytest.raises(rxv.ConfigError, match="authenticate must be a function, got 'secret'"):
        web.sessions(echoing, authenticate="secret")  # type: ignore[arg-type]


# How many, how much


def test_one_address_does_not_fill_the_house() -> None:
    with house(limits=web.Limits(max_per_address=3)) as (url, sessions), ExitStack() as others:
        for _ in range(3):
            others.enter_context(connect(url)).send(speech(20))
        with connect(url) as socket:
            assert told(socket) == ("address", 1013)
        assert sessions.active == 3
        assert sessions.refusals == {"address": 1}


def test_silent_sockets_do_not_stay() -> None:
    limits = web.Limits(max_silent_seconds=0.1, max_per_address=64)
    with house(limits=limits) as (url, sessions), ExitStack() as stack:
        for socket in [stack.enter_context(connect(url)) for _ in range(64)]:
            assert told(socket) == ("idle", 1008)
    assert sessions.refusals == {"idle": 64}
    assert sessions.active == 0


def asked(counted: list[str]) -> Callable[[web.Client], Observable[Any]]:
    def converse(client: web.Client) -> Observable[Any]:
        client.interrupts.subscribe(lambda text: counted.append(text or ""))
        return client.microphone.pipe(ops.ignore_elements())

    return converse


def test_questions_are_limited_and_coming_again_does_not_help() -> None:
    counted: list[str] = []
    sessions = web.sessions(asked(counted), limits=web.Limits(max_texts_per_minute=5))
    text = json.dumps({"type": "text", "text": "Again?"})
    with serving(sessions.serve) as url:
        for texts in (6, 1, 1):
            with connect(url) as socket:
                for _ in range(texts):
                    socket.send(text)
                assert told(socket) == ("questions", 1008)
    assert counted == ["Again?"] * 5
    assert sessions.refusals == {"questions": 3}


def test_a_text_has_a_length() -> None:
    counted: list[str] = []
    sessions = web.sessions(asked(counted), limits=web.Limits(max_text_chars=5))
    with serving(sessions.serve) as url, connect(url) as socket:
        socket.send(json.dumps({"type": "text", "text": "äöü€!"}))
        socket.send(json.dumps({"type": "text", "text": "12345 "}))
        error = until(lambda: socket.recv(WAIT), "error", [])
        assert error["message"] == "a text may have 5 characters, got 6"
    assert counted == ["äöü€!"]
    assert sessions.refusals == {"too_big": 1}


def test_half_a_character_becomes_one_that_can_be_written() -> None:
    counted: list[str] = []
    with serving(web.sessions(asked(counted)).serve) as url, connect(url) as socket:
        socket.send(r'{"type": "text", "text": "\ud83d\ude00 a\ud83d b"}')
        socket.send(END)
        with pytest.raises(ConnectionClosed, match="1000"):
            socket.recv(WAIT)
    assert counted == ["😀 a� b"]


@pytest.mark.parametrize(
    "sent",
    [
        "[" * 9_000,
        '{"a":' * 9_000,
        '{"type": "played", "samples": ' + "9" * 5_000 + "}",
        '{"type": "start", "sample_rate": ' + "9" * 400 + "}",
        '{"type": "text", "text": ' + "[" * 101 + "1" + "]" * 101 + "}",
    ],
)
def test_json_that_would_be_a_traceback_is_the_clients_mistake(sent: str) -> None:
    with house() as (url, sessions), connect(url) as socket:
        socket.send(sent)
        assert told(socket) == ("bad_message", 1007)
    assert sessions.refusals == {"bad_message": 1}


def test_what_happens_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rxvoice"), house() as (url, sessions):
        for _ in range(2):
            with connect(url) as socket:
                socket.send("{")
                told(socket)
    assert sessions.refusals == {"bad_message": 2}
    said = "a client at 127.0.0.1 was refused or its session ended (bad_message): wanted JSON"
    assert caplog.text.count(said) == 2


# By address, in virtual time


class Clock:
    now = 100.0


def visitors(clock: Clock, **limits: int) -> Visitors:
    return Visitors(web.Limits(**limits), lambda: clock.now)


def test_a_minute_is_any_minute_and_nothing_is_kept_for_longer() -> None:
    clock = Clock()
    here = visitors(clock, max_texts_per_minute=2)
    for at in (100, 130):
        clock.now = at
        here.ask("a")
    for at in (131, 159.9):
        clock.now = at
        with pytest.raises(Over, match="one address may type 2 texts in a minute"):
            here.ask("a")
        here.ask(f"b{at}")
    clock.now = 160
    here.ask("a")
    clock.now = 500
    here.ask("c")
    assert list(here._asked) == ["c"]


def test_nothing_is_kept_of_who_has_gone() -> None:
    here = visitors(Clock(), max_per_address=1)
    for n in range(100):
        here.enter(f"{n}")
        here.leave(f"{n}")
    here.enter("a")
    with pytest.raises(Over, match="one address may hold 1 conversations"):
        here.enter("a")
    assert dict(here._here) == {"a": 1}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, ""),
    ],
)
def test_an_address_of_ipv6_is_its_network(host: str | None, address: str) -> None:
    scope: dict[str, Any] = {"type": "websocket", "client": None if host is None else (host, 1)}

    async def nothing(*_: Any) -> Any: ...

    assert address_of(WebSocket(scope, nothing, nothing)) == address
