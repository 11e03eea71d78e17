"""Models that await: a client of one event loop works at every turn, wherever the pipe runs."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import reactivex as rx
from operators_kit import Pushed
from reactivex import Subject
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler, NewThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler
from starlette.testclient import TestClient
from web.app import app

import rxvoice as rxv
from rxvoice import aio, web
from rxvoice import operators as vox
from rxvoice._threads import async_loop as loops
from rxvoice.elements import Reply, Transcript
from rxvoice.events import TurnFailed
from rxvoice.turn import Turn

pytestmark = pytest.mark.filterwarnings("error")

WAIT = 30
ASYNC = "rxvoice-async"


class Handler(BaseHTTPRequestHandler):
    """A server that answers with the last word of the question, as text or as a chat stream."""

    protocol_version = "HTTP/1.1"  # connections are kept, and so belong to a loop

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/say":
            answer, media = f"you said {body}".encode(), "text/plain"
        else:
            word = body["messages"][-1]["content"]
            deltas = [{"content": "you said "}, {"content": word}]
            chunks: list[dict[str, Any]] = [
                {"delta": delta, "index": 0, "finish_reason": None} for delta in deltas
            ]
            chunks.append({"delta": {}, "index": 0, "finish_reason": "stop"})
            base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            lines = [f"data: {json.dumps({**base, 'choices': [it]})}\n\n" for it in chunks]
            answer, media = "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream"
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def plain(url: str) -> Callable[[str], Any]:
    """A coroutine that uses one client for all turns."""
    client = httpx.AsyncClient(trust_env=False)

    async def respond(text: str) -> str:
        if text == "close":
            await client.aclose()
            return "closed"
        return (await client.post(f"{url}/say", json=text)).text

    return respond


def chat(url: str) -> Callable[[str], Any]:
    """An async generator that uses one client for all turns."""
    client = openai.AsyncOpenAI(
        base_url=f"{url}/v1",
        api_key="none",
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        max_retries=0,
    )

    async def respond(text: str) -> AsyncIterator[str]:
        if text == "close":
            await client.close()
            yield "closed"
            return
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return respond


def transcript(text: str, id: int = 1) -> Transcript:
    return Transcript(Turn.of(np.zeros(4, np.float32), id=id), text)


TURNS = [transcript(word, n) for n, word in enumerate(["one", "two", "three"], 1)]
CLOSE = [transcript("close", 4)]
SAID = ["you said one", "you said two", "you said three"]


def said(element: object) -> str | None:
    if isinstance(element, Reply):
        return element.text if element.final else None
    return repr(element)


def answered(source: Any, llm: Any, worker: Any = None) -> Any:
    """Return the reply of each turn."""
    replies = source.pipe(vox.respond(llm, worker=worker))
    return replies.pipe(ops.map(said), ops.filter(bool))


def with_nothing(llm: Any, turns: Any = ()) -> list[str]:
    seen: list[str] = []
    answered(rx.of(*TURNS, *turns), llm).subscribe(seen.append, seen.append)
    return seen


def with_run(llm: Any, turns: Any = ()) -> list[str]:
    return answered(rx.of(*TURNS, *turns), llm).pipe(ops.to_list()).run()  # type: ignore[no-any-return]


def live(llm: Any, turns: Any = ()) -> list[str]:
    return rxv.live(answered(rx.of(*TURNS, *turns), llm).pipe(ops.to_list())).run()


def on_a_worker(llm: Any, turns: Any = ()) -> list[str]:
    worker = EventLoopScheduler()
    try:
        return rxv.live(answered(rx.of(*TURNS, *turns), llm, worker).pipe(ops.to_list())).run()
    finally:
        worker.dispose()


def on_a_worker_alone(llm: Any, turns: Any = ()) -> list[str]:
    worker, over = EventLoopScheduler(), threading.Event()
    seen: list[str] = []
    answered(rx.of(*TURNS, *turns), llm, worker).subscribe(seen.append, seen.append, over.set)
    assert over.wait(WAIT)
    worker.dispose()
    return seen


def in_aio(llm: Any, turns: Any = ()) -> list[str]:
    async def main() -> list[str]:
        pipe = answered(rx.of(*TURNS, *turns), llm)
        return [it async for it in aio.events(pipe, max_events=100, overflow="fail")]

    return asyncio.run(main())


def in_aio_on_a_worker(llm: Any, turns: Any = ()) -> list[str]:
    async def main() -> list[str]:
        pipe = answered(rx.of(*TURNS, *turns), llm, worker)
        return [it async for it in aio.events(pipe, max_events=100, overflow="fail")]

    worker = EventLoopScheduler()
    try:
        return asyncio.run(main())
    finally:
        worker.dispose()


PLACES = [with_nothing, with_run, live, on_a_worker, on_a_worker_alone, in_aio, in_aio_on_a_worker]


@pytest.mark.parametrize("model", [plain, chat])
@pytest.mark.parametrize("place", PLACES)
def test_a_client_of_one_loop_answers_every_turn(url: str, place: Any, model: Any) -> None:
    llm = model(url)
    if place not in (in_aio, in_aio_on_a_worker):  # whose loop is the app's, and ends with it
        assert place(llm) == SAID, "and again in the next conversation"
    assert place(llm, CLOSE) == [*SAID, "closed"]


def test_a_client_of_the_servers_loop_answers_every_turn_of_a_web_session(url: str) -> None:
    llm = plain(url)
    loops: set[Any] = set()

    async def respond(text: str) -> str:
        loops.add(asyncio.get_running_loop())
        return await llm(text)  # type: ignore[no-any-return]

    worker = EventLoopScheduler()

    def converse(client: web.Client) -> Any:
        loops.add(asyncio.get_running_loop())
        typed = client.interrupts.pipe(ops.map(lambda text: transcript(str(text))))
        return answered(typed, respond, worker).pipe(ops.map(rxv.Notice))

    with (
        TestClient(app(web.sessions(converse).serve)) as client,
        client.websocket_connect("/talk") as socket,
    ):
        for text, answer in (("one", SAID[0]), ("two", SAID[1]), ("close", "closed")):
            socket.send_json({"type": "text", "text": text})
            while (told := socket.receive_json()).get("event") != "notice":
                pass
            assert told["message"] == answer
    worker.dispose()
    assert len(loops) == 1


@pytest.mark.parametrize("place", PLACES)
def test_an_error_fails_its_turn_and_the_next_one_works(place: Any) -> None:
    async def respond(text: str) -> str:
        await asyncio.sleep(0)
        if text == "two":
            raise ValueError("no two")
        return f"you said {text}"

    first, failed, last = place(respond)
    assert (first, last) == (SAID[0], SAID[2])
    assert failed.startswith("TurnFailed")
    assert "ValueError: no two" in failed


class Waiting:
    """A model that awaits for ever, and notes when it is asked and how it ends."""

    def __init__(self) -> None:
        self.began, self.ended = threading.Event(), threading.Event()
        self.log: list[str] = []

    async def coroutine(self, text: str) -> str:
        async for piece in self.generator(text):
            return piece
        return ""

    async def generator(self, text: str) -> AsyncIterator[str]:
        try:
            self.began.set()
            await asyncio.Event().wait()
            yield "never"
        except BaseException as error:
            self.log.append(f"{type(error).__name__} on {threading.current_thread().name}")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("closed")
            self.ended.set()


@pytest.mark.parametrize("shape", ["coroutine", "generator"])
@pytest.mark.parametrize("worker", [False, True])
def test_a_conversation_is_not_deaf_while_a_model_awaits_and_ends_it_at_once(
    shape: str, worker: bool
) -> None:
    model = Waiting()
    scheduler, models = EventLoopScheduler(), EventLoopScheduler()
    llm = getattr(model, shape)
    here = Pushed.__new__(type("Here", (Pushed,), {"operator": staticmethod(vox.respond)}))
    here.__init__(llm, scheduler=scheduler, worker=models if worker else None)  # type: ignore[misc]
    scheduler.schedule(lambda *_: here.push(transcript("hi")))
    assert model.began.wait(WAIT)
    heard = threading.Event()
    scheduler.schedule(lambda *_: heard.set())
    assert heard.wait(WAIT), "the conversation thread is in the model"
    here.life.dispose()
    assert model.ended.wait(WAIT)
    assert model.log == [f"CancelledError on {ASYNC}", "closed"]
    scheduler.dispose()
    models.dispose()


def test_disposal_by_another_thread_ends_a_wait_in_place() -> None:
    model = Waiting()
    source: Subject[Any] = Subject()
    life = source.pipe(vox.respond(model.generator)).subscribe()
    waiting = threading.Thread(target=source.on_next, args=(transcript("hi"),))
    waiting.start()
    assert model.began.wait(WAIT)
    life.dispose()
    waiting.join(WAIT)
    assert not waiting.is_alive()
    assert model.log == [f"CancelledError on {ASYNC}", "closed"]


def test_an_idle_loop_of_the_app_is_woken_to_cancel() -> None:
    model = Waiting()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        source: Subject[Any] = Subject()
        life = source.pipe(vox.respond(model.coroutine)).subscribe(
            scheduler=AsyncIOThreadSafeScheduler(loop)
        )
        source.on_next(transcript("hi"))
        ended = asyncio.ensure_future(asyncio.to_thread(model.ended.wait, WAIT))
        await asyncio.to_thread(model.began.wait, WAIT)
        await asyncio.to_thread(life.dispose)
        assert await ended

    asyncio.run(main(), debug=False)
    assert model.log == ["CancelledError on MainThread", "closed"]


def test_an_app_that_ends_fails_the_turns_that_wait() -> None:
    model = Waiting()
    seen: list[Any] = []

    async def main() -> None:
        rx.of(transcript("hi")).pipe(vox.respond(model.coroutine)).subscribe(seen.append)
        await asyncio.sleep(0)

    asyncio.run(main())
    (failed,) = seen
    assert isinstance(failed, TurnFailed)
    assert isinstance(failed.error.cause, asyncio.CancelledError)


def test_a_loop_that_is_closed_fails_the_turn() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = EventLoopScheduler()
    loops.adopt(scheduler, loop)
    seen: list[Any] = []
    told = threading.Event()

    async def respond(text: str) -> str:
        return text

    rx.of(transcript("hi")).pipe(vox.respond(respond)).subscribe(
        lambda it: (seen.append(it), told.set()), scheduler=scheduler
    )
    assert told.wait(WAIT)
    scheduler.dispose()
    assert "the event loop of the app is closed" in str(seen[0].error)
    gc.collect()


def test_the_context_of_who_asks_is_the_models() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("Ada")

    async def respond(text: str) -> str:
        return name.get("nobody")

    seen = with_nothing(respond)
    assert seen == ["Ada"] * 3


def test_a_model_that_ends_its_own_loop_ends_nobody_elses() -> None:
    """asyncio raises a task's SystemExit out of `run_forever`."""

    async def respond(text: str) -> str:
        if text == "two":
            await asyncio.gather(asyncio.create_task(leave()))
        return f"you said {text}"

    async def leave() -> None:
        sys.exit(3)

    first, failed, last = with_nothing(respond)
    assert (first, last) == (SAID[0], SAID[2])
    assert "SystemExit: 3" in failed


def test_no_further_ahead_than_what_was_taken() -> None:
    """The generator never awaits, and nobody takes its pieces."""
    made: list[int] = []
    asked = threading.Event()
    scheduler = EventLoopScheduler()

    async def respond(text: str) -> AsyncIterator[str]:
        for n in range(100):
            made.append(n)
            asked.set()
            yield "x"

    release, entered = threading.Event(), threading.Event()
    source: Subject[Any] = Subject()
    done = threading.Event()

    def on_next(element: Any) -> None:
        entered.set()
        assert release.wait(WAIT)
        if element.final:
            done.set()

    source.pipe(vox.respond(respond)).subscribe(on_next, scheduler=scheduler)
    source.on_next(transcript("hi"))
    assert entered.wait(WAIT)
    settled = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), _loop())
    settled.result(WAIT)
    assert len(made) <= 3
    release.set()
    assert done.wait(WAIT)
    assert len(made) == 100
    scheduler.dispose()


def _loop() -> asyncio.AbstractEventLoop:
    return loops._shared.get()


def test_run_with_a_thread_per_action_keeps_the_order() -> None:
    async def respond(text: str) -> AsyncIterator[str]:
        for letter in text:
            await asyncio.sleep(0)
            yield letter

    pipe = rx.of(*TURNS).pipe(vox.respond(respond), ops.map(said), ops.filter(bool), ops.to_list())
    assert pipe.run(NewThreadScheduler()) == ["one", "two", "three"]


EXIT = """
import asyncio, sys, threading, warnings
warnings.simplefilter("error")
import numpy as np, reactivex as rx
import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.turn import Turn

began = threading.Event()

async def respond(text):
    try:
        began.set()
        await asyncio.sleep(3600)
        yield "x"
    finally:
        print("closed", flush=True)

turn = rxv.Transcript(Turn.of(np.zeros(4, np.float32)), "hi")
session = rxv.live(rx.concat(rx.of(turn), rx.never()).pipe(vox.respond(respond))).subscribe(print)
began.wait(30)
sys.exit(3)
"""


def test_the_interpreter_exits_while_a_model_awaits() -> None:
    left = subprocess.run(
        [sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=60, check=False
    )
    assert left.returncode == 3
    assert left.stderr.startswith("the program ends in the middle of a conversation")
    assert len(left.stderr.splitlines()) == 1, left.stderr
    assert left.stdout.startswith("closed") or "closed" in left.stdout
