"""One conversation per WebSocket: what goes in and out, its limits, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from loopback_kit import WAIT
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket
from web.app import a_turn, app, echoing, loud, received, say, serving, speech, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice import web
from rxvoice.testing.fakes import failing

END = json.dumps({"type": "end"})


@contextmanager
def talking(
    converse: Callable[[web.Client], Observable[Any]] = echoing, query: str = "", **bounds: Any
) -> Iterator[WebSocketTestSession]:
    with (
        TestClient(app(web.sessions(converse, limits=web.Limits(**bounds)).serve)) as client,
        client.websocket_connect(f"/talk{query}") as socket,
    ):
        yield socket


def rest(socket: WebSocketTestSession) -> tuple[list[bytes | str], int]:
    """All messages up to the end, and the code that the socket is closed with."""
    messages: list[bytes | str] = []
    while True:
        message = socket.receive()
        if message["type"] == "websocket.close":
            return messages, message["code"]
        messages.append(message.get("bytes") or message["text"])


def refusal(socket: WebSocketTestSession) -> tuple[str, str, int]:
    """The error that the client is told, and the code that the socket is closed with."""
    messages, code = rest(socket)
    (error,) = received(messages, "error")
    return error["code"], error["message"], code


def test_a_turn_is_answered_with_events_and_sound() -> None:
    with talking() as socket:
        for frame in a_turn():
            socket.send_bytes(frame)
        socket.send_text(END)
        messages, code = rest(socket)
    assert code == 1000
    (turn,) = received(messages, "turn")
    assert turn["user_text"] == f"{23 * 512} samples"
    assert turn["assistant_text"] == f"You said {23 * 512} samples."
    assert [m["sample_rate"] for m in received(messages, "format")] == [24_000]
    sound = b"".join(message for message in messages if isinstance(message, bytes))
    assert np.frombuffer(sound, "<i2").tolist() == [8192] * 2400


@pytest.mark.parametrize("how", ["query", "start"])
def test_the_client_says_its_rate(how: str) -> None:
    with talking(query="?sample_rate=48000" if how == "query" else "") as socket:
        if how == "start":
            socket.send_text(json.dumps({"type": "start", "sample_rate": 48_000}))
        for value in (0.5, 0):
            for _ in range(40):
                socket.send_bytes(np.full(480, value * 32767, "<i2").tobytes())
        socket.send_text(END)
        messages, _ = rest(socket)
    (turn,) = received(messages, "turn")
    assert turn["user_text"] == f"{23 * 512} samples"  # as at 16 kHz


@pytest.mark.parametrize(
    ("sent", "code", "close", "said"),
    [
        (b"abc", "bad_message", 1007, "wanted 16-bit samples, got 3 bytes"),
        (b"ab" * 40_000, "too_big", 1009, "a message may have 65536 bytes, got 80000"),
        ("{", "bad_message", 1007, "wanted JSON, got '{'"),
        ("[" * 50_000, "bad_message", 1007, r"wanted JSON, got '\[\[\["),
        ("[1]", "bad_message", 1007, r"wanted a JSON object, got \[1\]"),
        ('{"type": "shout"}', "bad_message", 1007, "wanted a type of .*, got 'shout'"),
        ('{"type": ["start"]}', "bad_message", 1007, "wanted a type of"),
        ('{"type": "text", "text": 1}', "bad_message", 1007, "wanted some text, got 1"),
        ('{"type": "start", "sample_rate": 1e9}', "bad_message", 1007, "sample_rate must be a"),
        ('{"type": "start", "sample_rate": true}', "bad_message", 1007, "from 8000 to 96000 Hz"),
        ('{"type": "played", "samples": 1}', "bad_message", 1007, "wanted at most 0 samples"),
        ('{"type": "played", "samples": -1}', "bad_message", 1007, "wanted numbers of samples"),
    ],
)
def test_what_a_client_does_wrong_ends_its_session(
    sent: bytes | str, code: str, close: int, said: str
) -> None:
    with talking() as socket:
        socket.send_bytes(sent) if isinstance(sent, bytes) else socket.send_text(sent)
        got, message, closed = refusal(socket)
    assert (got, closed) == (code, close)
    assert len(message) < 200
    assert re.search(said, message), message


@pytest.mark.parametrize("rate", ["", "-1", "fast", "16000.0", "1e4", "²"])
def test_a_bad_rate_in_the_query(rate: str) -> None:
    with talking(query=f"?sample_rate={rate}") as socket:
        socket.send_bytes(speech(20))
        assert refusal(socket)[0] == "bad_message"


def test_a_start_that_comes_late() -> None:
    with talking() as socket:
        socket.send_bytes(speech(20))
        socket.send_text(json.dumps({"type": "start"}))
        assert refusal(socket)[:2] == ("bad_message", '"start" must be the first message')


def test_audio_after_the_end() -> None:
    def converse(client: web.Client) -> Observable[Any]:
        return client.microphone.pipe(ops.concat(rx.never()))

    with talking(converse) as socket:
        socket.send_text(END)
        socket.send_bytes(speech(20))
        assert refusal(socket)[:2] == ("bad_message", 'got audio after {"type": "end"}')


def test_a_flood_ends_its_session() -> None:
    with talking() as socket:
        for _ in range(12):
            socket.send_bytes(speech(1000))
        assert refusal(socket)[0::2] == ("flood", 1008)


def test_when_it_is_full_it_says_so() -> None:
    sessions = web.sessions(echoing, limits=web.Limits(max_sessions=1))
    with TestClient(app(sessions.serve)) as client:
        with client.websocket_connect("/talk") as first:
            first.send_bytes(speech(20))
            with client.websocket_connect("/talk") as second:
                code, message, closed = refusal(second)
            assert (code, closed) == ("full", 1013)
            assert message == "all conversations (1) are taken: try again later"
            first.send_text(END)
            assert rest(first)[1] == 1000
        with client.websocket_connect("/talk") as third:
            third.send_text(END)
            assert rest(third)[1] == 1000
    assert sessions.active == 0


def test_a_session_has_an_end() -> None:
    with talking(max_seconds=0.05) as socket:
        assert refusal(socket) == ("time", "a conversation may last 0.05 s", 1008)


def test_a_client_that_sends_nothing_is_left() -> None:
    with talking(max_idle_seconds=0.05) as socket:
        assert refusal(socket) == ("idle", "nothing came for 0.05 s", 1008)


def test_a_failed_turn_is_told_without_what_the_model_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def converse(client: web.Client) -> Observable[Any]:
        def fail(audio: rxv.Samples) -> str:
            raise OSError("no such file: /home/me/secret")

        return client.microphone.pipe(
            vox.chunk(512), vox.vad(loud), vox.turn_window(rxv.silence(320)), vox.transcribe(fail)
        )

    with talking(converse) as socket, caplog.at_level(logging.WARNING, "rxvoice"):
        for frame in a_turn():
            socket.send_bytes(frame)
        socket.send_text(END)
        messages, code = rest(socket)
    assert code == 1000
    assert received(messages, "turn_failed") == [
        {"event": "turn_failed", "turn": 1, "error": "transcribe failed"}
    ]
    assert "secret" in caplog.text


def raising(source: Observable[Any]) -> Observable[Any]:
    """An operator of an app that raises into its source."""

    def fail(_: object) -> None:
        raise KeyError("secret")

    return rx.create(lambda observer, scheduler: source.subscribe(fail, scheduler=scheduler))


@pytest.mark.parametrize("where", ["converse", "pipe", "step"])
def test_a_conversation_that_fails_is_closed(where: str, caplog: pytest.LogCaptureFixture) -> None:
    def converse(client: web.Client) -> Observable[Any]:
        def fail(_: object) -> Any:
            raise KeyError("secret")

        if where == "converse":
            fail(None)
        if where == "step":
            return client.microphone.pipe(raising)
        return client.microphone.pipe(vox.chunk(), vox.vad(fail, max_failures=1))

    with talking(converse) as socket:
        socket.send_bytes(speech(100))
        assert refusal(socket) == ("failed", "the conversation failed", 1011)
    assert "secret" in caplog.text


def test_a_client_is_not_told_why_a_detector_failed(caplog: pytest.LogCaptureFixture) -> None:
    def converse(client: web.Client) -> Observable[Any]:
        detector = failing(lambda samples: False, error=KeyError("secret"))
        return client.microphone.pipe(vox.chunk(), vox.vad(detector))

    with talking(converse) as socket, caplog.at_level(logging.WARNING, "rxvoice"):
        socket.send_bytes(speech(100))
        socket.send_text(END)
        messages, code = rest(socket)
    assert code == 1000
    (notice,) = received(messages, "notice")
    assert (notice["message"], notice["detail"], notice["stage"]) == ("vad failed", None, "vad")
    assert "secret" in caplog.text


def test_a_part_that_raises_after_a_worker_ends_the_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = EventLoopScheduler()

    def converse(client: web.Client) -> Observable[Any]:
        return client.microphone.pipe(
            vox.chunk(512),
            vox.vad(loud),
            vox.turn_window(rxv.silence(320)),
            vox.transcribe(lambda audio: "hello", worker=worker),
            raising,
        )

    with talking(converse, max_idle_seconds=WAIT) as socket:
        for frame in a_turn():
            socket.send_bytes(frame)
        assert refusal(socket) == ("failed", "the conversation failed", 1011)
    assert "secret" in caplog.text
    worker.dispose()


@pytest.mark.parametrize("error", [ValueError, RuntimeError, TimeoutError])
def test_what_the_app_raises_when_told_of_playback_is_not_the_clients_fault(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    def converse(client: web.Client) -> Observable[Any]:
        def fail(position: int) -> None:
            raise error(f"secret at {position}")

        client.interrupts.subscribe(lambda _: client.speaker.write_samples(say("something")))
        client.speaker.played.subscribe(fail)
        return client.microphone.pipe(ops.ignore_elements())

    with talking(converse, max_idle_seconds=WAIT) as socket:
        socket.send_text(json.dumps({"type": "played", "samples": 0}))  # from now on it says
        socket.send_text(json.dumps({"type": "interrupt"}))
        while not isinstance(reader(socket)(), bytes):
            pass
        socket.send_text(json.dumps({"type": "played", "samples": 100}))
        assert refusal(socket) == ("failed", "the conversation failed", 1011)
    assert "secret" in caplog.text


def test_a_pipe_that_raises_when_it_is_disposed_of_leaves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    speakers: list[web.RemoteSpeaker] = []

    def converse(client: web.Client) -> Observable[Any]:
        def fail() -> None:
            raise KeyError("secret")

        speakers.append(client.speaker)
        return client.microphone.pipe(ops.finally_action(fail))

    with talking(converse, max_seconds=0.05) as socket:
        socket.send_bytes(speech(20))
        assert refusal(socket)[0] == "time"
    assert "raised when it was disposed of" in caplog.text
    with pytest.raises(rxv.SinkStalled, match="the client has gone"):
        speakers[0].write_samples(say("anybody there?"))


def reader(socket: WebSocketTestSession) -> Callable[[], bytes | str]:
    def receive() -> bytes | str:
        message = socket.receive()
        return message.get("bytes") or message["text"]

    return receive


def test_texts_and_interrupts_reach_the_pipe() -> None:
    def converse(client: web.Client) -> Observable[Any]:
        told = client.interrupts.pipe(ops.map(lambda text: rxv.Notice(f"got {text}")))
        return told.pipe(ops.merge(client.microphone.pipe(ops.ignore_elements())))

    with talking(converse, max_idle_seconds=WAIT) as socket:
        socket.send_text(json.dumps({"type": "text", "text": "hello"}))
        assert until(reader(socket), "notice", [])["message"] == "got hello"
        socket.send_text(json.dumps({"type": "interrupt"}))
        assert until(reader(socket), "notice", [])["message"] == "got None"
        socket.send_text(END)
        assert rest(socket)[1] == 1000


def conversing(client: web.Client) -> Observable[Any]:
    """Counts aloud, a tenth of a second a word, until somebody wants it to stop."""
    return client.microphone.pipe(
        vox.chunk(512),
        vox.vad(loud),
        vox.turn_window(rxv.silence(320)),
        vox.converse(
            vox.transcribe(lambda audio: "count"),
            vox.respond(lambda text: iter([f"I heard {text}. ", *["One two three. "] * 20])),
            vox.synthesize(say),
            sink=client.speaker,
            interrupts=client.interrupts,
            own_words=False,
        ),
    )


@pytest.mark.parametrize("how", ["speech", "interrupt", "text"])
def test_a_client_interrupts(how: str) -> None:
    with talking(conversing, max_idle_seconds=WAIT) as socket:
        receive, messages = reader(socket), list[bytes | str]()
        # From here on, what counts as heard is what the client says, and not what time says.
        socket.send_text(json.dumps({"type": "played", "samples": 0}))
        for frame in a_turn():
            socket.send_bytes(frame)
        sent = 0
        while sent < 4800:
            messages.append(message := receive())
            sent += len(message) // 2 if isinstance(message, bytes) else 0
        socket.send_text(json.dumps({"type": "played", "samples": 4800}))
        until(receive, "speaking", messages)
        if how == "speech":
            for _ in range(20):
                socket.send_bytes(speech(20))
            for _ in range(20):
                socket.send_bytes(speech(20, value=0))
        else:
            socket.send_text(json.dumps({"type": how, "text": "stop"}))
        cleared = until(receive, "clear", messages)
        assert cleared["position"] == 4800
        assert until(receive, "interrupted", messages)["heard"] == "I heard count. One two three."
        (turn,) = received(messages, "turn") or [until(receive, "turn", messages)]
        assert turn["interrupted"]
        assert turn["assistant_text"] == "I heard count. One two three."
        if how != "interrupt":
            until(receive, "reply_started", messages)  # the next answer


def test_bounds_must_allow_something() -> None:
    for name in ("max_sessions", "max_frame_bytes", "max_events", "max_queued_ms", "ahead_ms"):
        with pytest.raises(rxv.ConfigError, match=f"Limits {name} must be at least"):
            web.Limits(**{name: 0})
    for name in ("max_seconds", "max_idle_seconds", "send_seconds", "max_speed"):
        with pytest.raises(rxv.ConfigError, match=f"Limits {name} must be at least"):
            web.Limits(**{name: 0})
    with pytest.raises(rxv.ConfigError, match="wanted a function of a Client"):
        web.sessions(None)  # type: ignore[arg-type]


def test_a_closed_socket_ends_everything_at_once() -> None:
    """A reply in progress on the model thread: its generator is closed, nothing is delivered."""
    models = EventLoopScheduler()
    writing, closed, left = threading.Event(), threading.Event(), threading.Event()

    def endless(text: str) -> Iterator[str]:
        try:
            while True:
                yield "word "
                writing.set()
        finally:
            closed.set()

    def converse(client: web.Client) -> Observable[Any]:
        return client.microphone.pipe(
            vox.chunk(512),
            vox.vad(loud),
            vox.turn_window(rxv.silence(320)),
            vox.transcribe(lambda audio: "hello", worker=models),
            vox.respond(endless, worker=models),
            ops.finally_action(left.set),
        )

    sessions = web.sessions(converse)
    with serving(sessions.serve) as url:
        with connect(url) as client:
            for frame in a_turn():
                client.send(frame)
            assert writing.wait(WAIT)
        assert closed.wait(WAIT)
        assert left.wait(WAIT)
    assert sessions.active == 0
    models.dispose()


def test_one_clients_flood_leaves_the_others_alone() -> None:
    sessions = web.sessions(echoing)
    with serving(sessions.serve) as url, connect(url) as good, connect(url) as bad:
        for frame in a_turn():
            good.send(frame)
            with_errors(lambda: [bad.send(speech(1000)) for _ in range(3)])
        messages: list[bytes | str] = []
        assert until(lambda: good.recv(WAIT), "turn", messages)["user_text"] == "11776 samples"
        last: list[bytes | str] = []
        assert until(lambda: bad.recv(WAIT), "error", last)["code"] == "flood"


def with_errors(action: Callable[[], object]) -> None:
    with suppress(ConnectionClosed):
        action()


def test_a_client_that_does_not_read_is_left() -> None:
    def converse(client: web.Client) -> Observable[Any]:
        return client.microphone.pipe(
            ops.flat_map(lambda _: [rxv.Notice("x" * 60_000) for _ in range(200)])
        )

    sessions = web.sessions(converse, limits=web.Limits(max_events=50))
    with serving(sessions.serve) as url, connect(url, max_queue=1) as client:
        client.send(speech(20))
        last: list[bytes | str] = []
        assert until(lambda: client.recv(WAIT), "error", last)["code"] == "slow_reader"
    assert sessions.active == 0


def alive() -> Counter[str]:
    """Count the library's own objects by type, and all objects."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    ours = [kind.__name__ for kind in kinds if str(kind.__module__).startswith("rxvoice.")]
    return Counter(ours) + Counter(all=len(kinds), threads=threading.active_count())


def test_sessions_leave_nothing() -> None:
    sessions = web.sessions(echoing)
    loops: list[asyncio.AbstractEventLoop] = []
    over = threading.Semaphore(0)

    async def talk(socket: WebSocket) -> None:
        loops.append(asyncio.get_running_loop())
        await sessions.serve(socket)
        over.release()

    async def left() -> tuple[Counter[str], int]:
        for _ in range(10):  # slices, in which the handler of the last one ends
            await asyncio.sleep(0)
        tasks = [repr(task.get_coro()) for task in asyncio.all_tasks()]
        return alive(), sum("Session" in task for task in tasks)

    def cycle(*, odd: bool) -> None:
        with connect(url) as client:
            for frame in a_turn():
                client.send(frame)
            until(client.recv, "turn", [])
            client.socket.close() if odd else None
        assert over.acquire(timeout=WAIT)

    def counted() -> Counter[str]:
        things, tasks = asyncio.run_coroutine_threadsafe(left(), loops[-1]).result(WAIT)
        assert tasks == 0
        return things

    with serving(talk) as url:
        for _ in range(3):
            cycle(odd=False)
        before = counted()
        for n in range(30):
            cycle(odd=bool(n % 2))
        after = counted()
    assert sessions.active == 0
    more = after - before
    # uvicorn's own are closed in their time: not one for each session
    assert more.pop("all", 0) < 300
    assert more == Counter()


def test_an_async_model_needs_no_worker() -> None:
    def converse(client: web.Client) -> Observable[Any]:
        async def think(text: str) -> str:
            await asyncio.sleep(0)
            return f"{text}, {threading.current_thread().name == name}"

        name = threading.current_thread().name
        return client.microphone.pipe(
            vox.chunk(512),
            vox.vad(loud),
            vox.turn_window(rxv.silence(320)),
            vox.transcribe(lambda audio: "heard"),
            vox.respond(think),
            vox.synthesize(say),
            vox.play(client.speaker),
        )

    with talking(converse) as socket:
        for frame in a_turn():
            socket.send_bytes(frame)
        socket.send_text(END)
        (turn,) = received(rest(socket)[0], "turn")
    assert turn["assistant_text"] == "heard, True"
