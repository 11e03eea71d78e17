"""Two replicas behind nginx: one is drained under load, and no session is cut."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import pytest
from serve.realtime_kit import fake_models
from serve.running import WAIT, Server, ask, running, until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"
CLIENTS = 12


@contextmanager
def nginx(folder: Path, *replicas: int) -> Iterator[int]:
    """Run nginx as deploy/ does, before replicas at these ports. Gives its own port."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not program:
        pytest.skip("no nginx: apt-get install nginx")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = CONFIG.read_text("utf-8")
    for name, replica in zip("ab", replicas, strict=True):
        text = text.replace(f"rxvoice-{name}:8321", f"127.0.0.1:{replica}")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    text = text.replace("/tmp/nginx.pid", str(folder / "nginx.pid"))
    text = text.replace("/dev/stdout", str(folder / "access.log"))
    text = text.replace("/dev/stderr", str(folder / "error.log"))
    assert "8321" not in text
    assert "8080" not in text
    config = folder / "nginx.conf"
    config.write_text(text, "utf-8")
    command = [program, "-p", str(folder), "-c", str(config)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    serving = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        serving.terminate()
        serving.wait(WAIT)


def _wait_for(port: int) -> None:
    for _ in range(1000):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT):
                return
        except ConnectionRefusedError:
            continue
    raise AssertionError("nginx does not listen")


def _talk(port: int) -> ClientConnection:
    url = f"ws://127.0.0.1:{port}/v1/realtime"
    return connect(url, proxy=None, max_size=None, open_timeout=WAIT)


class Caller(Thread):
    """Holds conversations, one after the other, and notes what happens to it."""

    def __init__(self, port: int, all_talk: Barrier) -> None:
        super().__init__()
        self._port = port
        self._all_talk = all_talk
        self.answers = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for conversation in range(3):
                with _talk(self._port) as client:
                    for question in range(4):
                        assert ask(client, "Hello?") == "Yes."
                        self.answers += 1
                        if not conversation and not question:
                            self._all_talk.wait(WAIT)  # the drain begins
                            self._all_talk.wait(WAIT)  # it has begun
        except Exception as error:
            self.error = error
            self._all_talk.abort()


@pytest.fixture
def replicas() -> Iterator[tuple[Server, Server]]:
    with (
        running(fake_models("Yes."), drain_timeout_s=60) as one,
        running(fake_models("Yes."), drain_timeout_s=60) as other,
    ):
        yield one, other


def _opened(server: Server) -> int:
    (count,) = re.findall(r"^rxvoice_sessions_opened_total (\d+)", server.get("/metrics")[1], re.M)
    return int(count)


def test_a_replica_is_drained_under_load_and_no_session_is_cut(
    replicas: tuple[Server, Server], tmp_path: Path
) -> None:
    one, other = replicas
    with nginx(tmp_path, one.port, other.port) as port:
        all_talk = Barrier(CLIENTS + 1)
        callers = [Caller(port, all_talk) for _ in range(CLIENTS)]
        for it in callers:
            it.start()
        all_talk.wait(WAIT)
        before = Counter(one=_opened(one), other=_opened(other))
        assert before == {"one": CLIENTS // 2, "other": CLIENTS // 2}  # the least busy one
        one.ender.ask()
        all_talk.wait(WAIT)
        for it in callers:
            it.join(WAIT)
        assert [it.error for it in callers] == [None] * CLIENTS
        assert [it.answers for it in callers] == [12] * CLIENTS
        # Those that were at the first came to their end there, and then it ended.
        assert one.over.wait(WAIT)
        assert not any(it.startswith("closed") for it in one.told)
        assert _opened(other) == 3 * CLIENTS - before["one"]
        # It is gone, and a new client does not notice.
        with _talk(port) as client:
            assert ask(client, "Hello?") == "Yes."


def test_a_client_of_a_full_replica_gets_the_other_one(tmp_path: Path) -> None:
    with (
        running(fake_models("Yes."), max_sessions=1) as one,
        running(fake_models("Yes."), max_sessions=1) as other,
        nginx(tmp_path, one.port, other.port) as port,
    ):
        # One replica is full already, by a client that did not come through nginx.
        with one.talk() as first:
            until(first, "session.created")
            for _ in range(2):
                with _talk(port) as client:
                    assert ask(client, "Hello?") == "Yes."
                while other.drain.sessions:
                    other.get("/healthz")
        while one.drain.sessions:  # it learns that its client has gone
            one.get("/healthz")
        with one.talk() as first, other.talk() as second:
            until(first, "session.created")
            until(second, "session.created")
            with pytest.raises(InvalidStatus) as refused:
                _talk(port)
            assert refused.value.response.status_code in (502, 503)


def test_what_is_for_the_operator_stays_inside(
    replicas: tuple[Server, Server], tmp_path: Path
) -> None:
    with nginx(tmp_path, *(it.port for it in replicas)) as port:
        address = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{address}/", timeout=WAIT) as page:
            assert "<html" in page.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{address}/metrics", timeout=WAIT)
        refused.value.close()
        with _talk(port) as client:
            ask(client, "swordfish")
    log = (tmp_path / "access.log").read_text("utf-8")
    assert "GET /v1/realtime 101" in log
