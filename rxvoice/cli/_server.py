"""Runs a server until a signal or a failure ends it, and lets its sessions come to their end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop

from rxvoice.cli._signals import ending_signals
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ConfigError
from rxvoice.serve._garbage import collect_garbage

if TYPE_CHECKING:
    from rxvoice.serve._drain import Drain

_LARGEST_MESSAGE = 24 * 1024 * 1024  # bytes: 15 MiB of audio, in base64, and what is around it
_BACKLOG = 2048
_CLOSING_S = 3

_log = logging.getLogger("rxvoice")


class Ender:
    """Asks a server to end; from any thread, and from a signal's handler."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: Exception | None = None
        self._early = False

    def ask(self, _: int = 0) -> None:
        """End the server when its sessions are over."""
        if self._loop is None:
            self._early = True
        else:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._asked.set)

    def fail(self, error: Exception) -> None:
        """End the server, and raise this from `hold`."""
        self.failure = error
        self.ask()

    async def asked(self) -> None:
        """Return once somebody has asked."""
        self._loop = asyncio.get_running_loop()
        if self._early:
            return
        await self._asked.wait()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        ConfigError: the host is none of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"--host {host}: {error.strerror or error}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"cannot listen at {host}, port {port} ({error.strerror or error}): choose another "
            "--port, or 0 for any that is free"
        ) from error
    return made


def encryption(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """What encrypts connections; None without a certificate.

    Raises:
        UsageError: there is only one of the two.
        ConfigError: they cannot be read, or do not belong together.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--certificate and --certificate-key go together: give both")
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without the function, OpenSSL would ask for the key's password on the terminal.
        made.load_cert_chain(certificate, key, password=lambda: b"")
    except OSError as error:  # ssl.SSLError too
        raise ConfigError(
            f"--certificate {certificate}, --certificate-key {key}: {error.strerror or error}: "
            "wanted two files in PEM that belong together, the key without a password"
        ) from error
    return made


def is_this_machine_only(host: str) -> bool:
    """Whether nobody beyond this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hold(
    app: Any,
    where: socket.socket,
    drain: Drain,
    ender: Ender,
    *,
    told: Callable[[str], None],
    encrypted: ssl.SSLContext | None = None,
) -> None:
    """Serve until the first signal, or until `ender` is asked; a second signal ends it at once.

    After the first one no session is taken; those that there are may go on for the drain's time.

    Args:
        told: tells people what happens.
        encrypted: encrypts the connections; None for none.

    Raises:
        Exception: what `ender` was told.
    """

    def at_once(number: int) -> None:
        os.write(2, b"\nrxvoice: stopped at once\n")
        os._exit(128 + number)

    with (
        ending_signals(ender.ask, at_once),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(app, where, drain, ender, told, encrypted))
    if ender.failure is not None:
        raise ender.failure


async def _serve(
    app: Any,
    where: socket.socket,
    drain: Drain,
    ender: Ender,
    told: Callable[[str], None],
    encrypted: ssl.SSLContext | None,
) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=_LARGEST_MESSAGE,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_CLOSING_S,
    )
    config.load()
    config.ssl = encrypted
    server = _Quiet(config)
    serving = asyncio.ensure_future(server.serve([where]))
    asked = asyncio.ensure_future(ender.asked())
    collecting = asyncio.ensure_future(collect_garbage(drain))
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    collecting.cancel()
    if not serving.done():
        if ender.failure is None and drain.sessions:
            told(
                f"{_sessions(drain.sessions)}: no more are taken, and these may go on for "
                f"{drain.timeout_s:g} s; ctrl-c again ends at once"
            )
        if cut := await drain.done():
            told(f"closed {_sessions(cut)} after {drain.timeout_s:g} s")
        server.should_exit = True
    await serving


def _sessions(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"


class _Quiet(uvicorn.Server):
    """Leaves the signals to the command."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take none."""
        yield
