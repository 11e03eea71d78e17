"""``rxvoice serve``: a server for clients of the OpenAI Realtime protocol, and a page to talk."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._key import key_from
from rxvoice.cli._options import add_options, settings_of
from rxvoice.cli._parts import labelled
from rxvoice.cli._serve_settings import GROUPS, ServeSettings
from rxvoice.cli._usage import UsageError
from rxvoice.errors import MissingDependency

if TYPE_CHECKING:
    from rxvoice.cli._serve_models import ServedModels

__all__ = ["add_serve", "serve"]

_EPILOG = """\
Open the page that the command prints, and talk. Or let a program talk that knows the OpenAI
Realtime protocol; only its address changes:

  client = openai.AsyncOpenAI(base_url="http://127.0.0.1:8321/v1", api_key="none")
  async with client.realtime.connect(model="rxvoice") as connection: ...

examples:
  rxvoice serve                                  with the models that need no download
  rxvoice serve --llm mlx-community/Qwen3-4B-Instruct-2507-4bit --system-prompt "Be brief."
  rxvoice serve --llm qwen3-4b --llm-url http://gpu1:8000/v1 --llm-url http://gpu2:8000/v1
  rxvoice serve --host 0.0.0.0 --api-key /run/secrets/rxvoice-key

models behind servers:
  With several addresses for a model, each call goes to the least busy server, and a conversation
  stays at the server that has its beginning in the cache. A server that fails before it has given
  a word is left out for a while, and the next one is asked: the user notices nothing.

who may come in:
  The server listens on this machine only, unless --host says otherwise. Then clients must bring the
  key, as a bearer token; a page brings a short-lived secret, which POST /v1/realtime/client_secrets
  makes from the key. Speech is private: give the server a certificate, or put a proxy with TLS in
  front. Beyond this machine, browsers give a page the microphone only over https.

for whoever runs it:
  /healthz  200 while it lives
  /readyz   200 while it takes a session; 503 while it is loading, full or draining
  /metrics  for Prometheus
  Ctrl-c or SIGTERM: no more sessions are taken, and those that there are may go on for
  --drain-timeout seconds. Then they are closed with 1012, which tells clients to come again.
  The log has a line for each connection. What was said is logged only with --log-content.

settings:
  The command also reads the table [serve] of $XDG_CONFIG_HOME/rxvoice/settings.toml, or
  ~/.config/rxvoice/settings.toml if that variable is not set. Its keys are the names of the
  options. An option that you type wins:

    [serve]
    llm = "qwen3-4b"
    llm-url = ["http://gpu1:8000/v1", "http://gpu2:8000/v1"]
    max-sessions = 200
"""

_WIDEST = 98  # columns of the lines at the start


def add_serve(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "serve",
        help=COMMANDS["serve"],
        description="Serve spoken conversations: a page to talk in the browser, and the OpenAI "
        "Realtime protocol for programs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, of=ServeSettings, groups=GROUPS)
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="read this settings file, not the usual one"
    )


def serve(arguments: argparse.Namespace) -> int:
    """Serve until ctrl-c or SIGTERM.

    Returns:
        0: a signal is the normal end.

    Raises:
        UsageError: an option is wrong, or does not go with another.
        ConfigError: a setting is wrong, the port is taken, or a model cannot be loaded.
        MissingDependency: a part is not installed. The message says how to install it.
    """
    chosen = settings_of(arguments, ServeSettings, "serve")
    try:
        from prometheus_client import disable_created_metrics

        from rxvoice.cli._server import Ender, encryption, hold, is_this_machine_only, listening
        from rxvoice.serve import app
        from rxvoice.serve._access_log import AccessLog
        from rxvoice.serve._metrics import Metrics
    except ImportError as error:
        raise MissingDependency(
            f"rxvoice serve needs {error.name}: pip install 'rxvoice[serve]'"
        ) from error
    key = key_from("--api-key", chosen.api_key, "RXVOICE_API_KEY", dict(os.environ))
    if not (key or chosen.insecure or is_this_machine_only(chosen.host)):
        raise UsageError(
            f"--host {chosen.host} lets others than this machine in: make a key with `openssl rand "
            "-hex 32 > key` and pass --api-key key, or let everybody in with --insecure"
        )
    encrypted = encryption(chosen.certificate, chosen.certificate_key)
    from rxvoice.cli._serve_models import choose_models

    disable_created_metrics()
    metrics = Metrics()
    # A port that is taken and a wrong option show before a model is loaded.
    with _log_on_stderr(chosen.log_content), listening(chosen.host, chosen.port) as where:
        models = choose_models(chosen)
        ender = Ender()
        began = time.monotonic()
        is_loading = True

        def loaded(result: object) -> None:
            nonlocal is_loading
            is_loading = False
            if isinstance(result, Exception):
                ender.fail(result)
                return
            for kind, states in models.servers.items():
                metrics.watch_servers(kind, states)
            _tell(f"ready after {time.monotonic() - began:.1f} s; ctrl-c ends")

        made: Any = app(
            models.load,
            api_key=key or None,
            allow_origins=chosen.allow_origin,
            max_sessions=chosen.max_sessions,
            drain_timeout_s=chosen.drain_timeout,
            beta=chosen.beta,
            observer=metrics,
            on_load=loaded,
            log_content=chosen.log_content,
            trace=chosen.trace,
            trace_content=chosen.content,
        )
        for line in _welcome(models, _address(where, encrypted is not None), bool(key)):
            _tell(line)
        try:
            drain = made.state.drain
            hold(AccessLog(made), where, drain, ender, told=_tell, encrypted=encrypted)
        finally:
            if not is_loading:  # else their thread is busy, and nobody waits for it
                models.close()
    return 0


def _welcome(models: ServedModels, address: str, has_key: bool) -> list[str]:
    key = "YOUR_KEY" if has_key else "none"
    told = {"transcribes": models.transcribes, "replies": models.replies, "speaks": models.speaks}
    client = f'openai.AsyncOpenAI(base_url="{address}/v1", api_key="{key}")'
    return [
        *labelled("page", f"{address}/", _WIDEST),
        f"  {'client':<13}{client}",
        *(line for label, text in told.items() for line in labelled(label, text, _WIDEST)),
        "  loading the models and warming them up ...",
    ]


def _address(where: socket.socket, encrypted: bool) -> str:
    host, port = where.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{'https' if encrypted else 'http'}://{at}"


def _tell(what: str) -> None:
    print(what, flush=True)


@contextmanager
def _log_on_stderr(content: bool) -> Generator[None]:
    """Show the log on stderr; afterwards it is as it was."""
    from rxvoice.serve._access_log import WithoutContent

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if not content:
        handler.addFilter(WithoutContent())
    levels = {"rxvoice": logging.INFO, "uvicorn": logging.WARNING}
    logs = {logging.getLogger(name): level for name, level in levels.items()}
    before = [(log, log.handlers[:], log.propagate, log.level) for log in logs]
    for log, level in logs.items():
        log.handlers[:], log.propagate = [handler], False
        log.setLevel(level)
    errors = logging.getLogger("uvicorn.error")
    errors.addFilter(_is_no_refusal)
    try:
        yield
    finally:
        errors.removeFilter(_is_no_refusal)
        for log, handlers, propagate, level in before:
            log.handlers[:], log.propagate = handlers, propagate
            log.setLevel(level)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    # uvicorn calls it an error when a client is refused by HTTP.
    return "without completing handshake" not in str(record.msg)
