"""A server that never comes to an end is left, in time and with little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from rxvoice import remote
from rxvoice._audio.samples import Samples
from rxvoice.events import Notice
from rxvoice.remote import RemoteError, _limits
from rxvoice.remote._limits import Allowance, OutOfTime
from tests.remote.servers import (
    CHAT,
    HEAR,
    SPEAK,
    Answer,
    Handler,
    Stub,
    data,
    delta,
    drips,
    endless,
    event,
    head,
    pcm,
    refuses,
    streams,
    wav,
)

AUDIO = np.full(160_000, 0.1, np.float32)

Ask = Callable[..., object]


def _respond(stub: Stub, **options: object) -> object:
    return list(remote.llm("m", base_url=stub.base_url, **options).respond("hi"))  # type: ignore[arg-type]


def _transcribe(stub: Stub, **options: object) -> object:
    return remote.stt("m", base_url=stub.base_url, **options).transcribe_turn(AUDIO)  # type: ignore[arg-type]


def _synthesize(stub: Stub, **options: object) -> object:
    speech = remote.tts("m", base_url=stub.base_url, voice="ann", **options)  # type: ignore[arg-type]
    return list(speech.synthesize_stream("Hi."))


ALL = pytest.mark.parametrize(
    ("ask", "path"), [(_respond, CHAT), (_transcribe, HEAR), (_synthesize, SPEAK)]
)
SLOW = 0.3
TOOK = rf"'m' at http.* took more than {SLOW} s in all: .*, or raise total_timeout_s"


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 30


@ALL
@pytest.mark.parametrize(
    "answer",
    [
        drips(b"", b"X"),
        drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drips(head("text/event-stream", 500), b"x"),
        drips(head("application/json", 404), b"x"),
    ],
    ids=["status", "headers", "error", "refusal"],
)
def test_before_the_answer_begins(stub: Stub, ask: Ask, path: str, answer: Answer) -> None:
    stub.answers[path] = [answer]
    with pytest.raises(RemoteError, match=TOOK):
        ask(stub, total_timeout_s=SLOW, retries=0)
    assert stub.left.wait(60)


@pytest.mark.parametrize(
    ("ask", "path", "media", "part"),
    [
        (_respond, CHAT, "text/event-stream", b": keepalive\n\n"),
        (_respond, CHAT, "text/event-stream", b"\n"),
        (_respond, CHAT, "text/event-stream", b"x"),
        (_respond, CHAT, "text/event-stream", data({"choices": []})),
        (_respond, CHAT, "text/event-stream", event("")),
        (_respond, CHAT, "text/event-stream", event("on ")),
        (_respond, CHAT, "text/event-stream", delta(reasoning_content="hm ")),
        (_respond, CHAT, "application/json", b" "),
        (_transcribe, HEAR, "application/json", b" "),
        (_synthesize, SPEAK, "audio/pcm", pcm(1)),
    ],
)
def test_within_the_answer(stub: Stub, ask: Ask, path: str, media: str, part: bytes) -> None:
    stub.answers[path] = [drips(head(media), part)]
    with pytest.raises(RemoteError, match=TOOK):
        ask(stub, total_timeout_s=SLOW, retries=0)
    assert stub.left.wait(60)


@ALL
def test_silence_counts_too(stub: Stub, ask: Ask, path: str) -> None:
    stub.answers[path] = [drips(b"", b"")]
    with pytest.raises(RemoteError, match=TOOK):
        ask(stub, total_timeout_s=SLOW, retries=0)


@ALL
def test_it_is_not_asked_again_when_the_time_is_used_up(stub: Stub, ask: Ask, path: str) -> None:
    stub.answers[path] = [drips(b"", b"X")]
    with pytest.raises(RemoteError, match=TOOK):
        ask(stub, total_timeout_s=SLOW, retries=5)
    assert len(stub.requests) == 1


@ALL
@pytest.mark.parametrize("pause", ["30", "61", "0.4"])
def test_a_pause_that_is_longer_than_the_time_left_is_not_made(
    stub: Stub, ask: Ask, path: str, pause: str
) -> None:
    stub.answers[path] = [refuses(503, "busy", Retry_After=pause)]
    with pytest.raises(RemoteError, match=r"refused with 503 Service Unavailable \(busy\)"):
        ask(stub, total_timeout_s=SLOW, retries=2)
    assert len(stub.requests) == 1


def test_only_waiting_counts(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read slowly, as sound is played, may take as long as it takes."""
    now = 0.0
    monkeypatch.setattr(_limits, "time", SimpleNamespace(monotonic=lambda: now))
    stub.answers[SPEAK] = [streams(*[pcm(*range(1000))] * 30, media="audio/pcm")]
    speech = remote.tts("m", base_url=stub.base_url, voice="ann", total_timeout_s=5)
    heard = 0
    for piece in speech.synthesize_stream("Hi."):
        heard += len(piece)
        now += 1000
    assert heard == 30_000
    assert now > 5


def test_an_allowance_is_used_up_by_what_is_spent_within_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(_limits, "time", SimpleNamespace(monotonic=lambda: now))
    allowance = Allowance(3)
    limits: list[float | None] = []

    def take(seconds: float) -> Callable[[float | None], None]:
        def act(limit: float | None) -> None:
            nonlocal now
            limits.append(limit)
            now += seconds

        return act

    with allowance.spent():
        allowance.within(10, take(1))
        allowance.within(1.5, take(1))
    now += 50
    with allowance.spent():
        allowance.within(None, take(0.5))
        allowance.hurry(0.25)
        allowance.within(None, take(0.5))
        with pytest.raises(OutOfTime):
            allowance.within(None, take(0))
    assert allowance.left == 0
    assert limits == [3, 1.5, 1, 0.25]
    endless = Allowance(None)
    with endless.spent():
        endless.within(None, take(1e9))
        endless.within(7, take(0))
    assert limits[4:] == [None, 7]


@ALL
def test_a_refusal_without_an_end(stub: Stub, ask: Ask, path: str) -> None:
    def answer(handler: Handler) -> None:
        handler.begin("application/json", 400, Transfer_Encoding="chunked")
        while not handler.server.stub.over.is_set():
            handler.chunk(b"x" * 4096)

    stub.answers[path] = [answer]
    with pytest.raises(RemoteError, match="sent more than 256 KB before its answer began"):
        ask(stub, retries=0)
    assert stub.left.wait(60)


@pytest.mark.parametrize(
    ("ask", "path", "media"),
    [
        (_respond, CHAT, "text/event-stream"),
        (_respond, CHAT, "application/json"),
        (_transcribe, HEAR, "application/json"),
    ],
)
@pytest.mark.parametrize("first", [b"", b"data: ", b": "])
def test_a_line_without_an_end(stub: Stub, ask: Ask, path: str, media: str, first: bytes) -> None:
    stub.answers[path] = [endless(first + b"x" * 4096, media)]
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError, match=r"cannot be read \(ValueError: .*more than 1048576"):
            ask(stub, retries=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20
    assert stub.left.wait(60)


@pytest.mark.parametrize(
    "part",
    [
        event("on and on "),
        delta(reasoning_content="hm, hm "),
        delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{{{{{{{{"}}]),
    ],
)
def test_an_answer_beyond_max_tokens_ends(stub: Stub, part: bytes) -> None:
    stub.answers[CHAT] = [endless(part)]
    bot = remote.llm("m", base_url=stub.base_url, max_tokens=50, max_tool_rounds=1)
    pieces: list[object] = []
    for piece in bot.respond("hi"):
        pieces.append(piece)
        if isinstance(piece, Notice):
            break
    assert pieces[-1] == Notice("the server went on far beyond max_tokens=50: the reply ends there")
    assert len("".join(it for it in pieces if isinstance(it, str))) < 50 * 20
    bot.forget()
    assert stub.left.wait(60)


def test_an_answer_that_ends_does_not_wait_for_its_connection_to_end(stub: Stub) -> None:
    begun = event("Yes.") + event("", "stop")
    stub.answers[CHAT] = [drips(head("text/event-stream") + begun, b": on\n\n")]
    began = time.monotonic()
    assert _respond(stub) == ["Yes.", ""]
    assert time.monotonic() - began < 5
    assert stub.left.wait(60)


def test_connections_are_used_again(stub: Stub) -> None:
    """The end of an answer is read, so that the next question need not connect."""
    handlers: set[int] = set()

    def answer(handler: Handler) -> None:
        handlers.add(id(handler))
        streams(event("Yes."), event("", "stop"), b"data: [DONE]\n\n")(handler)

    stub.answers[CHAT] = [answer]
    bot = remote.llm("m", base_url=stub.base_url)
    for _ in range(3):
        list(bot.respond("hi"))
    assert len(handlers) == 1


@pytest.mark.parametrize("response_format", ["pcm", "wav"])
@pytest.mark.parametrize("length", [0, 1_000_000_000, 2_000_000_000, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_sound_without_an_end(stub: Stub, response_format: str, length: int) -> None:
    begin = wav(b"")[:40] + length.to_bytes(4, "little") if response_format == "wav" else b""

    def answer(handler: Handler) -> None:
        handler.begin(f"audio/{response_format}", Transfer_Encoding="chunked")
        handler.chunk(begin + pcm(1))
        while not handler.server.stub.over.is_set():
            handler.chunk(bytes(2 * 24_000))

    stub.answers[SPEAK] = [answer]
    speech = remote.tts(
        "m",
        base_url=stub.base_url,
        voice="ann",
        response_format=response_format,  # type: ignore[arg-type]
    )
    pieces: list[Samples] = []
    with pytest.raises(RemoteError, match=r"went on after 33 s of sound for 'Hi.': see the serv"):
        pieces.extend(speech.synthesize_stream("Hi."))
    assert 32 * 24_000 < sum(map(len, pieces)) <= 33 * 24_000
    assert stub.left.wait(60)


@pytest.mark.parametrize("length", [1_000_000_000, 2_000_000_000, 0x7FFF_FFFF])
def test_a_wav_of_a_length_that_cannot_be_goes_on_to_the_end(stub: Stub, length: int) -> None:
    whole = wav(b"")[:40] + length.to_bytes(4, "little") + pcm(1, 2, 3)
    stub.answers[SPEAK] = [streams(whole, media="audio/wav")]
    speech = remote.tts("m", base_url=stub.base_url, voice="ann", response_format="wav")
    pieces = list(speech.synthesize_stream("Hi."))
    assert (np.concatenate(pieces) * 32768).tolist() == [1, 2, 3]


def test_what_is_compressed_is_not_asked_for(stub: Stub) -> None:
    stub.answers[CHAT] = [streams(event("Yes.", "stop"))]
    _respond(stub)
    assert stub.requests[0].headers["accept-encoding"] == "identity"


def test_the_limit_holds_on_any_thread_and_for_each_call_by_itself(stub: Stub) -> None:
    """One client, two conversations: one server in time does not keep the other's time."""
    stub.answers[CHAT] = [
        drips(head("text/event-stream"), event("on ")),
        streams(event("Yes."), event("", "stop")),
    ]
    bot = remote.llm("m", base_url=stub.base_url, total_timeout_s=SLOW, retries=0)
    slow = bot.respond("hi")
    assert next(slow) == "on "
    assert list(bot.fresh().respond("hi")) == ["Yes.", ""]
    with pytest.raises(RemoteError, match=TOOK):
        list(slow)
