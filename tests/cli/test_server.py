"""Where `rxvoice serve` listens, and with what it encrypts."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvloop", reason="needs pip install 'rxvoice[serve]'")

from rxvoice.cli import _serve_models, _server
from rxvoice.cli._server import Ender, encryption, is_this_machine_only, listening
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ConfigError
from rxvoice.mlx import Progress


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError) as told:
            listening("127.0.0.1", port)
    assert str(told.value) == (
        f"cannot listen at 127.0.0.1, port {port} (Address already in use): choose another "
        "--port, or 0 for any that is free"
    )
    with listening("127.0.0.1", port):  # the first one has let go of it
        pass


def test_a_host_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(_server.socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match="--host nowhere: Name or service not known"):
        listening("nowhere", 0)


@pytest.mark.parametrize(
    ("host", "only"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("voice.example", False),
    ],
)
def test_who_can_reach_a_host(host: str, only: bool) -> None:
    assert is_this_machine_only(host) is only


def test_a_certificate_and_its_key_go_together(tmp_path: Path) -> None:
    assert encryption(None, None) is None
    for given in ((tmp_path, None), (None, tmp_path)):
        with pytest.raises(UsageError, match="go together: give both"):
            encryption(*given)
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(ConfigError, match="No such file or directory: wanted two files in PEM"):
        encryption(nothing, nothing)
    nothing.write_text("no certificate")
    with pytest.raises(ConfigError, match="wanted two files in PEM that belong together"):
        encryption(nothing, nothing)


def test_a_certificate_encrypts_and_a_key_with_a_password_is_not_asked_for(tmp_path: Path) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    certificate, key, locked = (tmp_path / it for it in ("cert.pem", "key.pem", "locked.pem"))
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    assert isinstance(encryption(certificate, key), ssl.SSLContext)
    command = [openssl, "rsa", "-aes128", "-passout", "pass:secret", "-in", key, "-out", locked]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ConfigError, match="the key without a password"):
        encryption(certificate, locked)


def test_a_server_that_is_told_to_end_before_it_begins_does_not_wait() -> None:
    async def main() -> None:
        early = Ender()
        early.ask()
        await early.asked()
        late = Ender()
        waiting = asyncio.ensure_future(late.asked())
        await asyncio.sleep(0)
        assert not waiting.done()
        late.fail(OSError("the disk is full"))
        await waiting
        assert str(late.failure) == "the disk is full"
        early, late = late, early
        enders.append(early)

    enders: list[Ender] = []
    asyncio.run(main())
    enders[0].ask()  # the loop has ended: nobody is there to be told


def test_a_download_is_told_a_line_each_tenth(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    fetching = _serve_models._Fetching()
    with caplog.at_level(logging.INFO, "rxvoice"):
        for done in range(0, 2_000_000_001, 50_000_000):
            fetching(Progress("org/voice", "weights", done, 2_000_000_000, 1e6))
        fetching(Progress("org/voice", "converting the weights", 0, 0, 0))
    fetching.close()
    assert caplog.messages == [
        *(f"fetching org/voice: {percent} % of 2.0 GB" for percent in range(0, 101, 10)),
        "org/voice: converting the weights",
    ]


def test_a_download_is_a_line_that_changes_on_a_terminal(
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetching = _serve_models._Fetching()
    fetching(Progress("org/voice", "weights", 1_000_000_000, 2_000_000_000, 1e6))
    fetching.close()
    assert "voice  1.0 GB of 2.0 GB  50 %" in capsys.readouterr().err
    assert caplog.messages == []
