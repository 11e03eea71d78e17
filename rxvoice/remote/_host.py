"""`Host`: one server, the client that asks it, and how it fares."""

from __future__ import annotations

import ssl
import weakref
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.remote._failures import ServerFailures
from rxvoice.remote._limits import bound

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True, slots=True)
class ServerState:
    """How one of several servers fares, as ``llm.servers`` tells.

    Attributes:
        base_url: where its interface begins.
        in_progress: how many answers it is giving now.
        is_available: False while it is left out, after a failure.
    """

    base_url: str
    in_progress: int
    is_available: bool


class Host:
    """One server. Its health is written by the `Pool` that it belongs to, under the pool's lock.

    Args:
        what: the model, for messages.
        connect_s: how long connecting may take, in seconds.
        timeout_s: how long the server may be silent, in seconds.

    Attributes:
        why: explains its failures.
        in_progress: how many answers it is giving.
        failures: how often it has failed since it last answered.
        rests_until: when it may be tried again, by the pool's clock; 0 while it is well.
        is_probed: whether a probe is on its way.
    """

    def __init__(
        self,
        what: str,
        base_url: str,
        api_key: str | None,
        timeout_s: float,
        total_timeout_s: float | None,
        *,
        connect_s: float,
        has_context: bool,
    ) -> None:
        self._is_local = is_loopback(_host_of(base_url))
        self.base_url = base_url
        self._name = f"{what} at {base_url}"
        self.why = ServerFailures(
            self._name,
            api_key,
            timeout_s,
            total_timeout_s,
            connect_s=connect_s,
            has_context=has_context,
        )
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._connect_s = connect_s
        self._lock = Lock()
        self._client: OpenAI | None = None
        self.in_progress = 0
        self.failures = 0
        self.rests_until = 0.0
        self.is_probed = False

    @property
    def state(self) -> ServerState:
        """How it fares."""
        return ServerState(self.base_url, self.in_progress, not self.rests_until)

    def client(self) -> OpenAI:
        """The client, made once; no connection is opened.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def is_there(self, within_s: float) -> bool:
        """Ask the server which models it has; whether it answers, and has no failure to report."""
        import openai

        try:
            self.client().with_options(timeout=within_s).models.with_raw_response.list()
        except openai.APIStatusError as error:
            return error.status_code < 500 and error.status_code not in (401, 403, 408, 429)
        except Exception:  # whatever else goes wrong, it is not there
            return False
        return True

    def _connected(self) -> OpenAI:
        try:
            import openai
        except ImportError as error:
            raise MissingDependency(
                f"{self._name} is asked through the package openai, which is not installed: "
                "pip install 'rxvoice[remote]'"
            ) from error
        # Every setting is given, since the client takes what is missing from the environment. It
        # also needs a key for a server that wants none.
        key = self._api_key or "none"
        headers = {
            "Authorization": f"Bearer {key}",
            "OpenAI-Organization": openai.Omit(),
            "OpenAI-Project": openai.Omit(),
            "Accept-Encoding": "identity",  # so that a few bytes cannot unpack to many
        }
        # To read all certificates takes 20 ms and more, and no plain connection needs any.
        is_plain = self._is_local and urlsplit(self.base_url).scheme == "http"
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True
        http = openai.DefaultHttpxClient(trust_env=not self._is_local, verify=verify)
        bound(http)
        weakref.finalize(self, http.close)
        return openai.OpenAI(
            api_key=key,
            base_url=self.base_url,
            timeout=openai.Timeout(self._timeout_s, connect=self._connect_s),
            max_retries=0,  # its own pauses know no limit in all
            default_headers=cast("dict[str, str]", headers),
            http_client=http,
        )


def _host_of(base_url: object) -> str:
    """The host of an address.

    Raises:
        ConfigError: it is none, or has parts that it must not have.
    """
    parts, host = None, None
    if isinstance(base_url, str):
        try:
            parts = urlsplit(base_url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts = None
    if parts is not None and (parts.username or parts.password or parts.query or parts.fragment):
        raise ConfigError(
            "base_url must have no user, password, query or fragment, and the one for "
            f"{host} has: pass a key as api_key"
        )
    if parts is None or parts.scheme not in ("http", "https") or not host:
        shown = base_url.rpartition("@")[2] if isinstance(base_url, str) else base_url
        raise ConfigError(f"base_url must be like 'http://127.0.0.1:8080/v1', got {shown!r}")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
