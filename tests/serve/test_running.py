"""A server from its first session to its end, over real sockets."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import time
from pathlib import Path
from shutil import which

import pytest
from serve.realtime_kit import fake_models
from serve.running import WAIT, ask, running, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rxvoice import serve
from rxvoice.cli._server import Ender, encryption, hold, is_this_machine_only, listening
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ConfigError
from rxvoice.serve._access_log import AccessLog

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")


def test_told_to_end_it_takes_no_more_and_lets_sessions_come_to_their_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rxvoice.access")
    with running(fake_models("Yes.", "No."), wrap=AccessLog, drain_timeout_s=60) as server:
        with server.talk() as client:
            until(client, "session.created")
            server.ender.ask()
            while server.drain.unready != "draining":  # the server's loop begins it
                server.get("/healthz")
            with server.talk() as late:
                with pytest.raises(ConnectionClosed) as closed:
                    late.recv(timeout=WAIT)
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "draining")
            status, told = server.get("/readyz")
            assert (status, json.loads(told)["status"]) == (503, "draining")
            assert server.get("/healthz")[0] == 200
            # Behind a proxy, the next replica gets the client.
            with pytest.raises(InvalidStatus) as refused:
                server.talk(additional_headers={"X-Forwarded-For": "10.0.0.1"})
            assert refused.value.response.status_code == 503
            # The session that was there goes on.
            assert ask(client, "Are you there?") == "Yes."
        assert server.over.wait(WAIT)
    assert "10.0.0.1 WS /v1/realtime refused with 503" in caplog.messages
    assert server.told == [
        "1 session: no more are taken, and these may go on for 60 s; ctrl-c again ends at once"
    ]


def test_sessions_that_go_on_too_long_are_closed_with_1012() -> None:
    with running(fake_models(), drain_timeout_s=0) as server, server.talk() as client:
        until(client, "session.created")
        server.ender.ask()
        until(client, "conversation.created")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=WAIT)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert server.over.wait(WAIT)
    assert server.told[-1] == "closed 1 session after 0 s"


def test_without_sessions_it_ends_at_once_and_says_nothing() -> None:
    with running(fake_models(), drain_timeout_s=3600) as server:
        server.ender.ask()
        assert server.over.wait(WAIT)
    assert server.told == []


def test_the_metrics_tell_of_a_session(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rxvoice.access")
    with running(fake_models("Yes."), wrap=AccessLog, max_sessions=1) as server:
        with server.talk() as client:
            assert ask(client, "swordfish") == "Yes."
            with server.talk() as second, pytest.raises(ConnectionClosed):
                second.recv(timeout=WAIT)
            told = server.get("/metrics")[1].splitlines()
            assert "rxvoice_sessions 1.0" in told
            assert "rxvoice_ready 0.0" in told
            assert 'rxvoice_refused_total{reason="full"} 1.0' in told
        gone = 'rxvoice_sessions_closed_total{reason="client"} 1.0'
        no_lag = "rxvoice_loop_lag_seconds_count 0.0"
        deadline = time.monotonic() + WAIT
        while gone not in (told := server.get("/metrics")[1].splitlines()) or no_lag in told:
            assert time.monotonic() < deadline
    lines = [it for it in caplog.messages if "WS" in it]
    assert "127.0.0.1 WS /v1/realtime opened" in lines
    assert any(" closed 1000 after " in it for it in lines)
    assert "swordfish" not in caplog.text


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    if not which("openssl"):
        pytest.skip("no openssl: apt-get install openssl")
    it, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    named = ["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *named, "-keyout", key, "-out", it], check=True, capture_output=True)
    return it, key


def test_with_a_certificate_it_serves_over_wss(certificate: tuple[Path, Path]) -> None:
    trusted = ssl.create_default_context(cafile=certificate[0])
    with running(fake_models("Yes."), encrypted=encryption(*certificate)) as server:
        url = f"wss://127.0.0.1:{server.port}/v1/realtime"
        with connect(url, proxy=None, ssl=trusted) as client:
            assert ask(client, "Are you there?") == "Yes."


def test_a_certificate_that_is_none_is_told(certificate: tuple[Path, Path]) -> None:
    it, key = certificate
    assert encryption(None, None) is None
    with pytest.raises(UsageError, match="--certificate and --certificate-key go together"):
        encryption(it, None)
    with pytest.raises(ConfigError, match=r"none\.pem: No such file or directory: wanted"):
        encryption(it, key.with_name("none.pem"))
    with pytest.raises(ConfigError, match="wanted two files in PEM that belong together"):
        encryption(key, it)


def test_a_failure_to_load_ends_it_with_the_error() -> None:
    def load() -> serve.Models:
        raise ConfigError("no such model")

    where = listening("127.0.0.1", 0)
    ender = Ender()
    failures: list[object] = []

    def failed(result: object) -> None:
        failures.append(result)
        assert isinstance(result, Exception)
        ender.fail(result)

    made = serve.app(load, on_load=failed)
    with where, pytest.raises(ConfigError, match="no such model"):
        hold(made, where, made.state.drain, ender, told=print)
    assert len(failures) == 1


def test_a_port_that_is_taken_is_told() -> None:
    with (
        listening("127.0.0.1", 0) as where,
        pytest.raises(ConfigError, match=r"port \d+ \(Address already in use\): choose another"),
    ):
        listening("127.0.0.1", where.getsockname()[1])
    with pytest.raises(ConfigError, match=r"--host nowhere\.invalid: "):
        listening("nowhere.invalid", 0)


@pytest.mark.parametrize(
    ("host", "only"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.3.4.5", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.1.1", False), ("example.com", False)),
        ("localhost.example.com", False),
    ],
)
def test_an_address_that_others_reach_is_known(host: str, only: bool) -> None:
    assert is_this_machine_only(host) is only
