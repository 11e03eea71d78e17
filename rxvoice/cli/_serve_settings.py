"""The settings of ``rxvoice serve``: one table, for the options and the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rxvoice.cli._setting import setting
from rxvoice.cli._settings import ModelSettings

GROUPS = {
    "models": "models on this machine",
    "elsewhere": "models behind servers with OpenAI's interface",
    "address": "where it listens, and who may come in",
    "sessions": "sessions",
}


@dataclass(frozen=True, kw_only=True)
class ServeSettings(ModelSettings):
    """How to serve conversations.

    With dashes, a field's name is the name of the option and of the key in the settings file, in
    its table ``[serve]``.
    """

    voice: tuple[str, ...] = setting(
        (),
        "models",
        "texts",
        "a voice of the speech model, such as af_heart; give it again for each further voice that "
        "clients may choose",
    )
    system_prompt: str | None = setting(
        None,
        "models",
        "text",
        "instructions for the language model, for clients that give none",
        metavar="TEXT",
    )

    stt_url: tuple[str, ...] = setting(
        (),
        "elsewhere",
        "texts",
        "ask --stt there, such as http://127.0.0.1:8000/v1; give it again for each further server",
        metavar="URL",
    )
    llm_url: tuple[str, ...] = setting(
        (), "elsewhere", "texts", "ask --llm there, likewise", metavar="URL"
    )
    tts_url: tuple[str, ...] = setting(
        (), "elsewhere", "texts", "ask --tts there, likewise; needs --voice", metavar="URL"
    )
    model_key: str | None = setting(
        None,
        "elsewhere",
        "text",
        "the key that these servers want: a file with it, or 'env' for $RXVOICE_MODEL_KEY",
        metavar="FILE",
    )
    session_header: str = setting(
        "X-Session-ID",
        "elsewhere",
        "text",
        "the header that names a conversation to the router in front of a cluster, so that it "
        "stays where its beginning is cached",
        metavar="NAME",
    )
    model_timeout: float = setting(
        10,
        "elsewhere",
        "number",
        "seconds that a server may be silent before the next one is asked",
        least=0.1,
        most=3600,
        unit="seconds",
        metavar="S",
    )

    host: str = setting("127.0.0.1", "address", "text", "the address to listen at", metavar="HOST")
    port: int = setting(
        8321,
        "address",
        "whole",
        "the port to listen at; 0 for any that is free",
        most=65535,
        metavar="PORT",
    )
    api_key: str | None = setting(
        None,
        "address",
        "text",
        "the key that clients must bring: a file with it, or 'env' for $RXVOICE_API_KEY",
        metavar="FILE",
    )
    allow_origin: tuple[str, ...] = setting(
        (),
        "address",
        "texts",
        "let pages of this origin connect too, such as https://app.example.com; give it again for "
        "each further one",
        metavar="ORIGIN",
    )
    certificate: Path | None = setting(  # noqa: RUF009
        None,
        "address",
        "path",
        "serve over https and wss with this certificate, a file in PEM with those that it was "
        "signed by; needs --certificate-key",
        metavar="FILE",
    )
    certificate_key: Path | None = setting(  # noqa: RUF009
        None, "address", "path", "the private key of the certificate", metavar="FILE"
    )
    insecure: bool = setting(
        False, "address", "switch", "let everybody in beyond this machine, without a key"
    )

    max_sessions: int = setting(
        64, "sessions", "whole", "sessions at a time", least=1, unit="sessions", metavar="N"
    )
    drain_timeout: float = setting(
        30,
        "sessions",
        "number",
        "seconds that sessions may go on after ctrl-c or SIGTERM",
        unit="seconds",
        metavar="S",
    )
    beta: bool = setting(
        False, "sessions", "switch", "send the events under the names of the protocol's beta"
    )
    log_content: bool = setting(
        False,
        "sessions",
        "switch",
        "log what is said, and the texts of errors, which may repeat it",
    )
    trace: Path | None = setting(  # noqa: RUF009
        None,
        "sessions",
        "path",
        "record each session in a directory of its own in this one, for `rxvoice timeline` and "
        "`rxvoice trace export`",
        metavar="DIR",
    )
    content: bool = setting(
        True,
        "sessions",
        "switch",
        "with --trace: keep texts and sound; when off, keep their lengths, and all times",
    )
