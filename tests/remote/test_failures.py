"""What fails at a server is one clear error, and fails a turn, not a session."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import Callable
from threading import Event

import numpy as np
import pytest
from reactivex.scheduler import EventLoopScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice import remote
from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.remote import RemoteError
from tests.remote.servers import (
    CHAT,
    HEAR,
    SPEAK,
    Answer,
    Stub,
    event,
    gives,
    hangs,
    hangs_up,
    hears,
    pcm,
    refuses,
    says,
    streams,
)

KEY = "sk-0123456789-secret"
AUDIO = np.full(160, 0.1, np.float32)

Ask = Callable[..., object]


def _respond(base_url: str, **options: object) -> object:
    return list(remote.llm("m", base_url=base_url, **options).respond("hi"))  # type: ignore[arg-type]


def _transcribe(base_url: str, **options: object) -> object:
    return remote.stt("m", base_url=base_url, **options).transcribe_turn(AUDIO)  # type: ignore[arg-type]


def _synthesize(base_url: str, **options: object) -> object:
    speech = remote.tts("m", base_url=base_url, voice="ann", **options)  # type: ignore[arg-type]
    return list(speech.synthesize_stream("Hi."))


ALL = pytest.mark.parametrize(
    ("ask", "path"), [(_respond, CHAT), (_transcribe, HEAR), (_synthesize, SPEAK)]
)
GOOD: dict[str, Answer] = {
    CHAT: says("Yes."),
    HEAR: hears("hello"),
    SPEAK: streams(pcm(1, 2), media="audio/pcm"),
}
BEGUN: dict[str, tuple[str, bytes]] = {
    CHAT: ("text/event-stream", event("Y")),
    HEAR: ("application/json", b'{"te'),
    SPEAK: ("audio/pcm", pcm(1)),
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@ALL
def test_nobody_is_there(ask: Ask, path: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(
        RemoteError, match=f"'m' at {url} cannot be reached .*refused.*: see whether the server"
    ):
        ask(url, retries=0)


@ALL
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, r"refused with 400 Bad Request \(too long\): see whether this server takes"),
        (401, r"refused with 401 Unauthorized: pass an api_key"),
        (403, r"refused with 403 Forbidden: pass an api_key"),
        (404, r"refused with 404 Not Found \(too long\): see whether base_url ends .*in /v1"),
        (429, r"refused with 429 Too Many Requests \(too long\): .* try later"),
        (500, r"refused with 500 Internal Server Error \(too long\): see the server's log"),
        (599, r"refused with 599 \(too long\): see the server's log"),
    ],
)
def test_a_refusal(stub: Stub, ask: Ask, path: str, status: int, message: str) -> None:
    stub.answers[path] = [refuses(status, "too long")]
    with pytest.raises(RemoteError, match=message) as raised:
        ask(stub.base_url, retries=0)
    assert raised.value.status == status


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": "no such model"}', "no such model"),  # mlx_lm.server
        (b'{"detail": "no such voice"}', "no such voice"),  # FastAPI
        (b'{"detail": [{"msg": "Field required"}]}', "[{'msg': 'Field required'}]"),
        (b"<h1>Bad\n\n  gateway</h1>", "<h1>Bad gateway</h1>"),
        (b"", "no reason given"),
        (b"x" * 1000, "x" * 200 + "..."),
    ],
)
def test_what_a_server_says_is_shown_from_wherever_it_says_it(
    stub: Stub, body: bytes, shown: str
) -> None:
    stub.answers[CHAT] = [gives(body, status=400)]
    with pytest.raises(RemoteError, match=re.escape(f"({shown}): see whether this server")):
        _respond(stub.base_url, retries=0)


@ALL
def test_silence(stub: Stub, ask: Ask, path: str) -> None:
    stub.answers[path] = [hangs()]
    with pytest.raises(RemoteError, match=r"gave nothing for 0.2 s: .* or raise timeout_s"):
        ask(stub.base_url, retries=0, timeout_s=0.2)


@ALL
def test_silence_in_mid_stream(stub: Stub, ask: Ask, path: str) -> None:
    media, part = BEGUN[path]
    stub.answers[path] = [hangs(part, media=media)]
    with pytest.raises(RemoteError, match=r"gave nothing for 0.2 s: .* or raise timeout_s"):
        ask(stub.base_url, retries=0, timeout_s=0.2)


@ALL
def test_hanging_up_without_an_answer(stub: Stub, ask: Ask, path: str) -> None:
    stub.answers[path] = [hangs_up]
    with pytest.raises(RemoteError, match=r"broke off its answer \(.*disconnected.*see the server"):
        ask(stub.base_url, retries=0)


@ALL
def test_hanging_up_in_mid_stream(stub: Stub, ask: Ask, path: str) -> None:
    media, part = BEGUN[path]
    stub.answers[path] = [streams(part, media=media, end=False)]
    with pytest.raises(RemoteError, match=r"broke off its answer \(.*incomplete.*see the server"):
        ask(stub.base_url, retries=0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {no json\n\n",
        b"data: 5\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"choices": [5]}\n\n',
        b'data: {"choices": [{"delta": 5}]}\n\n',
        b'data: {"choices": [{"delta": {"content": [5]}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": 5}}]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: " + b"9" * 5_000 + b"\n\n",
        b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        b"data: \xff\xfe\n\n",
    ],
)
def test_garbage_for_an_event(stub: Stub, garbage: bytes) -> None:
    stub.answers[CHAT] = [streams(event("Y"), garbage, event("es", "stop"))]
    given: list[str] = []
    with pytest.raises(
        RemoteError, match=r"gave an answer that cannot be read \(.*see whether bas"
    ):
        given.extend(remote.llm("m", base_url=stub.base_url, retries=0).respond("hi"))


def test_a_page_for_a_stream(stub: Stub) -> None:
    stub.answers[CHAT] = [gives(b"<html>a login page</html>", "text/html")]
    with pytest.raises(RemoteError, match="broke off its answer"):
        _respond(stub.base_url, retries=0)


def test_an_error_for_an_event(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(event("Y"), b'data: {"error": {"message": "no memory"}}\n\n')]
    with pytest.raises(RemoteError, match=r"failed \(no memory\): see the server's log"):
        _respond(stub.base_url, retries=0)


@ALL
def test_it_is_asked_again_as_often_as_told(stub: Stub, ask: Ask, path: str) -> None:
    busy = refuses(503, "busy", Retry_After_Ms="1")
    stub.answers[path] = [busy, busy, GOOD[path]]
    assert ask(stub.base_url, retries=2)
    assert len(stub.requests) == 3
    stub.answers[path] = [busy, busy, GOOD[path]]
    with pytest.raises(RemoteError, match="503"):
        ask(stub.base_url, retries=1)
    assert len(stub.requests) == 5


@pytest.mark.parametrize(("ask", "path"), [(_respond, CHAT), (_synthesize, SPEAK)])
def test_it_is_not_asked_again_once_its_answer_has_begun(stub: Stub, ask: Ask, path: str) -> None:
    media, part = BEGUN[path]
    stub.answers[path] = [streams(part, media=media, end=False), GOOD[path]]
    with pytest.raises(RemoteError, match="broke off its answer"):
        ask(stub.base_url, retries=2)
    assert len(stub.requests) == 1


@ALL
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_the_key_is_sent_and_never_shown(stub: Stub, ask: Ask, path: str, status: int) -> None:
    stub.answers[path] = [refuses(status, f"wrong key {KEY}, Bearer {KEY}")]
    with pytest.raises(RemoteError) as raised:
        ask(stub.base_url, api_key=KEY, retries=0)
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in "".join(traceback.format_exception(raised.value))
    if status == 401:
        assert "see whether the api_key is right" in str(raised.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", "schlüssel-secret", ""])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match=r"api_key must be one or more visible ASCII") as raised:
        remote.llm("m", base_url="http://localhost/v1", api_key=key)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", [f"http://me:{KEY}@host/v1", f"http://{KEY}@host/v1", f"http://host/v1?key={KEY}"]
)
def test_a_key_in_the_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"base_url must have no user.* for host has") as raised:
        remote.llm("m", base_url=url)
    assert KEY not in str(raised.value)


def test_a_key_of_the_environment_goes_nowhere(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    stub.answers[CHAT] = [GOOD[CHAT]]
    assert _respond(stub.base_url, retries=0)
    assert KEY not in str(stub.requests[0].headers)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(url: str) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, url)
            monkeypatch.setenv(name.upper(), url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

    return use


@ALL
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_asked_without_a_proxy(
    stub: Stub, proxy: Callable[[str], None], ask: Ask, path: str, host: str
) -> None:
    proxy(f"http://127.0.0.1:{free_port()}")
    stub.answers[path] = [GOOD[path]]
    assert ask(stub.base_url.replace("127.0.0.1", host), retries=0)


def test_certificates_are_read_only_for_a_server_that_may_have_one(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def watched(context: ssl.SSLContext, *where: object, **more: object) -> None:
        read.append(where)
        load(context, *where, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", watched)
    stub.answers[CHAT] = [GOOD[CHAT]]
    assert _respond(stub.base_url, retries=0)
    assert read == []
    with pytest.raises(RemoteError, match="cannot be reached"):
        _respond(f"https://127.0.0.1:{free_port()}/v1", retries=0)
    assert read != []


def test_another_machine_is_asked_through_the_proxy(
    stub: Stub, proxy: Callable[[str], None]
) -> None:
    proxy(stub.base_url.removesuffix("/v1"))
    stub.answers[f"http://far.invalid{CHAT}"] = [says("Yes.")]
    assert _respond("http://far.invalid/v1", retries=0) == ["Yes.", ""]


@ALL
def test_without_the_package_the_error_has_the_command(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, path: str
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependency, match=re.escape("pip install 'rxvoice[remote]'")):
        ask("http://localhost/v1")


def test_importing_it_and_building_loads_no_client() -> None:
    code = (
        "import sys, rxvoice.remote as r; u = 'http://localhost/v1';"
        "r.llm('m', base_url=u), r.stt('m', base_url=u), r.tts('m', base_url=u, voice='v');"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "rxvoice" in shown.stdout.split()
    assert {"openai", "httpx", "httpx2", "mlx"}.isdisjoint(shown.stdout.split())


def loud(samples: Samples) -> bool:
    return bool(np.abs(samples).mean() > 0.01)


FAULTS: dict[str, Answer] = {
    "refusal": refuses(500),
    "hanging up": hangs_up,
    "page": gives(b"<html></html>", "text/html"),
}


@ALL
@pytest.mark.parametrize("fault", [*FAULTS, "mid-stream"])
@pytest.mark.parametrize("threaded", [False, True])
def test_a_fault_fails_its_turn_and_the_next_is_answered(
    stub: Stub, ask: Ask, path: str, fault: str, threaded: bool
) -> None:
    media, part = BEGUN[path]
    bad = FAULTS.get(fault) or streams(part, media=media, end=False)
    stub.answers.update({name: [answer] for name, answer in GOOD.items()})
    stub.answers[path] = [bad, GOOD[path]]
    where = {"base_url": stub.base_url, "retries": 0}
    speech = np.full(8192, 0.1, np.float32)
    silence = np.zeros(4096, np.float32)
    worker = EventLoopScheduler() if threaded else None
    seen: list[object] = []
    errors: list[Exception] = []
    over = Event()
    rxv.sources.array(np.concatenate([speech, silence] * 2), 16_000).pipe(
        vox.chunk(512),
        vox.vad(loud),
        vox.turn_window(rxv.silence(128)),
        vox.transcribe(remote.stt("m", **where), worker=worker),  # type: ignore[arg-type]
        vox.respond(remote.llm("m", **where), worker=worker),  # type: ignore[arg-type]
        vox.synthesize(remote.tts("m", voice="ann", **where), worker=worker),  # type: ignore[arg-type]
    ).subscribe(seen.append, errors.append, over.set)
    assert over.wait(30), errors
    if worker is not None:
        worker.dispose()
    [failed] = [it for it in seen if isinstance(it, rxv.TurnFailed)]
    stage = {HEAR: "transcribe", CHAT: "respond", SPEAK: "synthesize"}[path]
    assert failed.error.stage == stage
    assert isinstance(failed.error.cause, RxvoiceError)
    assert failed.turn.id == 1
    answered = [it for it in seen if isinstance(it, rxv.Speech) and it.reply.turn.id == 2]
    assert [len(it.samples) for it in answered] == [2, 0]
    assert answered[-1].final
