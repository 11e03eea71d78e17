"""A server is killed while sessions talk: clients know, and the next one takes its place."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from serve.running import WAIT, ask
from serve.test_traces import speak
from thorough import THOROUGH
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from rxvoice import trace
from rxvoice.cli._server import listening

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")

KILLS = 6 if THOROUGH else 1


@contextmanager
def serving(port: int, directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process, and its port."""
    here = Path(__file__).parent
    program = [sys.executable, str(here / "dying_server.py"), str(port), str(directory)]
    paths = os.pathsep.join([str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server, int(server.stdout.readline())
        finally:
            server.kill()


def talk(port: int) -> Any:
    url = f"ws://127.0.0.1:{port}/v1/realtime"
    return connect(url, proxy=None, max_size=None, open_timeout=WAIT)


def test_its_clients_know_and_the_next_one_takes_the_port(tmp_path: Path) -> None:
    dice = random.Random(1)
    port = 0
    for _ in range(KILLS):
        before = {*tmp_path.iterdir()}
        with serving(port, tmp_path) as (server, port), ExitStack() as stack:
            clients = [stack.enter_context(talk(port)) for _ in range(3)]
            told: list[list[str]] = [[] for _ in clients]
            for client in clients:
                speak(client)
            for _ in range(dice.randint(1, 40)):
                at = dice.randrange(len(clients))
                event = json.loads(clients[at].recv(timeout=WAIT))
                told[at].append(event["type"])
                if event["type"] == "response.done":
                    speak(clients[at])
            server.kill()
            for client in clients:
                with pytest.raises(ConnectionClosedError):  # and none waits for ever
                    deque(iter(lambda client=client: client.recv(timeout=WAIT), None), 0)
        written = {*tmp_path.iterdir()} - before
        assert len(written) == len(clients)
        for directory in written:
            if (directory / "trace.jsonl").stat().st_size:
                found = trace.read(directory)
                assert found.finish is None
                if found.duration:
                    trace.timeline(directory, tmp_path.with_suffix(".svg"))
    with listening("127.0.0.1", port):
        pass
    if THOROUGH:
        with serving(port, tmp_path) as (_, same), talk(port) as client:
            assert same == port
            assert ask(client, "Are you there?") == "Yes, I am here. What is it?"
