"""Which web pages may open a conversation, by the ``Origin`` header that browsers send."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from rxvoice.errors import ConfigError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

ANY = "*"
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def origins(given: object) -> frozenset[str]:
    """Return the origins as browsers write them.

    Raises:
        ConfigError: one of them is not an origin.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(
            "sessions allow_origins must be a list such as ['https://example.com'], or ['*'] for "
            f"any, got {given!r}"
        )
    return frozenset(_origin(it) for it in cast("Iterable[object]", given))


def is_welcome(headers: Headers, allowed: frozenset[str]) -> bool:
    """Whether the page may connect: its origin is this host, or is allowed.

    A client that is not a browser sends no origin, and is let in: it could send any.
    """
    if ANY in allowed:
        return True
    own = headers.get("host", "").lower()
    return all(it.lower() in allowed or _is_of(it, own) for it in headers.getlist("origin"))


def _is_of(origin: str, host: str) -> bool:
    # The scheme is not compared: it is https in front of a proxy, and http behind it.
    try:
        parts = urlsplit(origin.lower())
        own = urlsplit(f"//{host}")
        standard = {None, _PORTS.get(parts.scheme)}
        same_port = parts.port == own.port or {parts.port, own.port} <= standard
    except ValueError:  # the port is not a number
        return False
    return bool(parts.hostname) and parts.hostname == own.hostname and same_port


def _origin(given: object) -> str:
    if given == ANY:
        return ANY
    try:
        parts = urlsplit(given.lower() if isinstance(given, str) else "")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigError(
            "sessions allow_origins must have a scheme and a host, such as 'https://example.com', "
            f"got {given!r}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    at = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{at}"
