"""`Keys`: who may use the server, by the API key or by a short-lived secret made with it."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rxvoice.errors import ConfigError

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_PROTOCOL = "openai-insecure-api-key."
"""What a browser puts before its key, among the WebSocket's subprotocols: it cannot set headers."""

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
        return self._key is None or self._is_key(given := key_of(headers)) or self._is_secret(given)

    def may_make_secrets(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may ask for a secret: with the key itself, not with another secret."""
        return self._key is None or self._is_key(key_of(headers))

    def secret(self, seconds: int = 600) -> Secret:
        """Make a secret, good for so many seconds, within `SECRET_S`."""
        least, most = SECRET_S
        expires = int(self._clock()) + max(least, min(most, seconds))
        claim = f"{expires:x}.{secrets.token_hex(8)}"
        return Secret(f"ek_{claim}.{self._signed(claim)}", expires)

    def _is_key(self, given: str) -> bool:
        # Compared in constant time, so that the time does not tell how much of it is right.
        return self._key is not None and hmac.compare_digest(given.encode(), self._key)

    def _is_secret(self, given: str) -> bool:
        claim, _, signature = given.removeprefix("ek_").rpartition(".")
        if not claim or not hmac.compare_digest(signature.encode(), self._signed(claim).encode()):
            return False
        return int(claim.partition(".")[0], 16) > self._clock()

    def _signed(self, claim: str) -> str:
        return hmac.digest(self._key or b"open", b"rxvoice " + claim.encode(), "sha256").hex()


def key_of(headers: Mapping[str, str]) -> str:
    """The key that a request brings: as a bearer token, or among its subprotocols; "" without."""
    if bearer := _BEARER.fullmatch(headers.get("authorization", "").strip()):
        return bearer[1]
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(_PROTOCOL):
            return offered.strip().removeprefix(_PROTOCOL)
    return ""
