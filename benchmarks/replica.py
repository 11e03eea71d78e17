"""A replica whose models are elsewhere: what it takes and adds, and a model server that fails."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack

from websockets.asyncio.client import ClientConnection, connect

from benchmarks._measure import Result, median

SESSIONS = 100
QUESTIONS = 30


def _started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


class ModelServer:
    """A server of models, in a process of its own."""

    def __init__(self) -> None:
        self.process = _started("benchmarks._model_server")
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}/v1"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Replica:
    """`rxvoice serve`, with its models at these servers."""

    def __init__(self, *urls: str) -> None:
        elsewhere = [f"--{kind}-url={it}" for kind in ("stt", "llm", "tts") for it in urls]
        names = ("--stt=m", "--llm=m", "--tts=m", "--voice=v")
        self.process = _started(
            "rxvoice", "serve", "--port=0", "--max-sessions=500", *names, *elsewhere
        )
        assert self.process.stdout is not None
        told = ""
        while "ready after" not in told:
            told += self.process.stdout.readline()
        (port,) = re.findall(r"page +http://127.0.0.1:(\d+)/", told)
        self.url = f"ws://127.0.0.1:{port}/v1/realtime"

    @property
    def mb(self) -> float:
        command = ["ps", "-o", "rss=", "-p", str(self.process.pid)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


async def _opened(url: str) -> ClientConnection:
    client = await connect(url, compression=None, max_size=None, proxy=None)
    await _until(client, "conversation.created")
    return client


async def _until(client: ClientConnection, kind: str) -> None:
    while json.loads(await client.recv())["type"] != kind:
        pass


async def _ask(client: ClientConnection) -> float:
    """Milliseconds from a question to the first sound of the reply."""
    content = [{"type": "input_text", "text": "How far is the moon?"}]
    item = {"type": "message", "role": "user", "content": content}
    await client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    began = time.perf_counter()
    await client.send(json.dumps({"type": "response.create"}))
    await _until(client, "response.output_audio.delta")
    took = 1000 * (time.perf_counter() - began)
    await _until(client, "response.done")
    return took


async def _memory(replica: Replica) -> tuple[float, float]:
    """Megabytes before the first session, and for each of many that have talked."""
    async with await _opened(replica.url) as first:
        await _ask(first)
    before = replica.mb
    async with asyncio.TaskGroup() as group:
        opening = [group.create_task(_opened(replica.url)) for _ in range(SESSIONS)]
    clients = [it.result() for it in opening]
    for it in clients:
        await _ask(it)
    each = (replica.mb - before) / SESSIONS
    for it in clients:
        await it.close()
    return before, each


async def _latencies(url: str) -> list[float]:
    async with await _opened(url) as client:
        await _ask(client)
        return [await _ask(client) for _ in range(QUESTIONS)]


async def _after_a_failure(url: str, failing: ModelServer) -> float:
    """The longest wait of the questions after a server has gone, one of each session."""
    async with asyncio.TaskGroup() as group:
        opening = [group.create_task(_opened(url)) for _ in range(8)]
    clients = [it.result() for it in opening]
    for it in clients:
        await _ask(it)
    failing.close()
    worst = max([await _ask(it) for it in clients])
    for it in clients:
        await it.close()
    return worst


def measure() -> list[Result]:
    """Measure a replica with two model servers, of which one fails at the end."""
    with ExitStack() as stack:
        one, other = ModelServer(), ModelServer()
        stack.callback(one.close)
        stack.callback(other.close)
        replica = Replica(one.url, other.url)
        before, each = asyncio.run(_memory(replica))
        usual = asyncio.run(_latencies(replica.url))
        worst = asyncio.run(_after_a_failure(replica.url, one))
        replica.end()
    return [
        Result("a replica whose models are elsewhere", before, "MB", "", 1),
        Result("each of its sessions", each, "MB", "1 MB", each, 1),
        Result(
            f"question to first sound, models that answer at once, the best of {QUESTIONS}",
            min(usual),
            "ms",
            f"median: {median(usual):.1f} ms",
            min(usual) / median(usual),
        ),
        Result(
            "the same, the longest after a model server has gone",
            worst,
            "ms",
            f"median before: {median(usual):.1f} ms",
            worst / median(usual),
        ),
    ]
