"""`Keys`: who may use the server, by the API key or by a short-lived secret made with it."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_PROTOCOL = "openai-insecure-api-key."
"""What a browser puts before its key, among the WebSocket's subprotocols: it cannot set headers."""

_LONGEST = 6000  # characters; servers and proxies take headers of 8 KB

SECRET_S = (10, 7200)
"""How long a secret may be good for, in seconds: at least and at most."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key for a browser, which is good for a few minutes.

    Attributes:
        value: the key; begins with ``ek_``.
        expires_at: in seconds since 1970.
    """

    value: str
    expires_at: int


class Keys:
    """Lets in whoever has the key, or a secret made with it that has not expired.

    A secret is signed with the key and kept nowhere: every replica with the same key takes it.

    Args:
        api_key: None lets everybody in.
        clock: seconds since 1970.

    Raises:
        ConfigError: the key is empty, or has characters that a header cannot carry.
    """

    def __init__(self, api_key: str | None, *, clock: Callable[[], float] = time.time) -> None:
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigError(
                f"api_key must be one or more visible ASCII characters, got {len(api_key)} "
                "characters with others among them: look for a space or a line's end around it"
            )
        self._key = None if api_key is None else api_key.encode()
        self._clock = clock

    @property
    def are_wanted(self) -> bool:
        """Whether a client needs a key."""
        return self._key is not None

    def allows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers may use the server."""
        given = key_of(headers)
        return self._key is None or self._is_key(given) or self._claims(given) is not None

    def may_make_secrets(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may ask for a secret: with the key itself, not with another secret."""
        return self._key is None or self._is_key(key_of(headers))

    def secret(self, seconds: float = 600, session: Mapping[str, object] | None = None) -> Secret:
        """Make a secret.

        Args:
            seconds: how long it is good for, within `SECRET_S`.
            session: the configuration of the sessions that it opens, which it carries.

        Raises:
            ValueError: the configuration is too large for a header.
        """
        least, most = SECRET_S
        expires = int(self._clock() + max(least, min(most, seconds)))
        claims = {"until": expires, "nonce": secrets.token_hex(8), "session": session or {}}
        packed = zlib.compress(json.dumps(claims, separators=(",", ":")).encode())
        claim = urlsafe_b64encode(packed).decode().rstrip("=")
        if len(claim) > _LONGEST:
            raise ValueError(
                f"the session takes {len(claim)} characters of the secret, which may have "
                f"{_LONGEST}: send its instructions or tools with session.update"
            )
        return Secret(f"ek_{claim}.{self._signed(claim)}", expires)

    def session_of(self, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """The configuration that a request's secret carries; None if it has no valid secret."""
        claims = self._claims(key_of(headers))
        return None if claims is None else claims["session"]

    def _is_key(self, given: str) -> bool:
        # Compared in constant time, so that the time does not tell how much of it is right.
        return self._key is not None and hmac.compare_digest(given.encode(), self._key)

    def _claims(self, given: str) -> dict[str, Any] | None:
        """What a secret says, if it is signed with the key and has not expired."""
        claim, _, signature = given.removeprefix("ek_").rpartition(".")
        if not claim or not hmac.compare_digest(signature.encode(), self._signed(claim).encode()):
            return None
        # Without a key anybody can sign anything. Its length bounds what it unpacks to.
        if len(claim) > _LONGEST:
            return None
        try:
            packed = urlsafe_b64decode(claim + "=" * (-len(claim) % 4))
            claims = read_json(zlib.decompress(packed), "the secret", finite=True)
        except (ConfigError, ValueError, zlib.error):
            return None
        return _good(claims, self._clock())

    def _signed(self, claim: str) -> str:
        # Without a key, anybody may come in, and say so in any session.
        key = b"open" if self._key is None else self._key
        return hmac.digest(key, b"rxvoice secret " + claim.encode(), "sha256").hex()


def _good(claims: object, now: float) -> dict[str, Any] | None:
    """The claims, if they have their form and have not expired."""
    if not isinstance(claims, dict):
        return None
    given = cast("dict[str, Any]", claims)
    until, session = given.get("until"), given.get("session")
    is_good = isinstance(until, int | float) and until > now and isinstance(session, dict)
    return given if is_good else None


def key_of(headers: Mapping[str, str]) -> str:
    """The key that a request brings: as a bearer token, or among its subprotocols; "" without."""
    if bearer := _BEARER.fullmatch(headers.get("authorization", "").strip()):
        return bearer[1]
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(_PROTOCOL):
            return offered.strip().removeprefix(_PROTOCOL)
    return ""
