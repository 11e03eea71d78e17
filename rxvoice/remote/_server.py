"""A server with OpenAI's interface: how it is asked, and how its failures are reported."""

from __future__ import annotations

import random
import re
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from rxvoice._check import above, whole
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.remote._failures import RemoteError, ServerFailures
from rxvoice.remote._limits import BEFORE_IT_BEGINS, Allowance, OutOfTime, TooMuch, bound

if TYPE_CHECKING:
    from openai import APIError, OpenAI

T = TypeVar("T")

_LONGEST_PAUSE = 60.0  # seconds that a server may ask the client to wait


class Server:
    """One model at a server; `ServerOptions` describes the options.

    Args:
        kind: what the model is, for messages.
        model: the name that the server knows it by.
        has_context: whether a question carries all that was said before.
    """

    def __init__(
        self,
        kind: str,
        model: str,
        has_context: bool = False,
        *,
        base_url: str,
        api_key: str | None = None,
        timeout_s: float = 30,
        total_timeout_s: float | None = 120,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(cast("object", model), str) or not model.strip():
            raise ConfigError(f"model must be the name that the server knows, got {model!r}")
        host = _host(base_url)
        above("timeout_s", timeout_s, 0, "seconds")
        if total_timeout_s is not None:
            above("total_timeout_s", total_timeout_s, 0, "seconds")
        whole("retries", retries, 0, "times")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigError(
                f"api_key must be one or more visible ASCII characters, got {len(api_key)} "
                "characters with others among them: look for a space or a line's end around it"
            )
        self.extra_body = dict(extra_body or {})
        self.model = model
        self._name = f"the {kind} {model!r} at {base_url}"
        self._base_url = base_url
        self._api_key = api_key
        self._why = ServerFailures(
            self._name, api_key, timeout_s, total_timeout_s, has_context=has_context
        )
        self._timeout_s = timeout_s
        self._total_timeout_s = total_timeout_s
        self._retries = retries
        self._is_local = _is_loopback(host)
        self._lock = Lock()
        self._client: OpenAI | None = None

    def client(self) -> OpenAI:
        """The client, made once; no connection is opened.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def streamed(
        self, ask: Callable[[OpenAI, Allowance], AbstractContextManager[Iterator[T]]]
    ) -> Generator[T, None, None]:
        """Yield what the server gives, as it comes. Closing the generator closes the connection.

        Args:
            ask: sends the question. It gets the time that the answer may take, and may shorten it.

        Raises:
            RemoteError: for whatever fails.
        """
        client = self.client()
        allowance = Allowance(self._total_timeout_s)
        with ExitStack() as connection:
            with self._failures():
                items = self._opened(connection, lambda: ask(client, allowance), allowance)
            while True:
                with self._failures(), allowance.spent():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

    def _opened(
        self,
        connection: ExitStack,
        ask: Callable[[], AbstractContextManager[Iterator[T]]],
        allowance: Allowance,
    ) -> Iterator[T]:
        """Ask until the answer begins, as often as it makes sense and the time allows."""
        import openai

        attempt = 0
        while True:
            try:
                with allowance.spent(bytes=BEFORE_IT_BEGINS):
                    return connection.enter_context(ask())
            except openai.APIError as error:
                pause = _pause(error, attempt)
                if attempt == self._retries or pause is None or pause >= allowance.left:
                    raise
                with allowance.spent():
                    time.sleep(pause)
                attempt += 1

    @contextmanager
    def _failures(self) -> Generator[None]:
        """Turn whatever fails in this block into a `RemoteError`."""
        try:
            yield
        except RxvoiceError:
            raise
        except Exception as error:
            # Without the cause, whose text may repeat the key.
            raise self._why.of(error) from None

    def error(self, what: str) -> RemoteError:
        """An error that says what the model did."""
        return self._why.error(what)

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
        http = openai.DefaultHttpxClient(trust_env=not self._is_local)
        bound(http)
        weakref.finalize(self, http.close)
        return openai.OpenAI(
            api_key=key,
            base_url=self._base_url,
            timeout=self._timeout_s,
            max_retries=0,  # its own pauses know no limit in all
            default_headers=cast("dict[str, str]", headers),
            http_client=http,
        )


def _host(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is not None and (parts.username or parts.password or parts.query or parts.fragment):
        raise ConfigError(
            "base_url must have no user, password, query or fragment, and the one for "
            f"{host} has: pass a key as api_key"
        )
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"base_url must be like 'http://127.0.0.1:8080/v1', got {base_url.rpartition('@')[2]!r}"
        )
    return host


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _pause(error: APIError, attempt: int) -> float | None:
    """Seconds until it makes sense to ask again; None if it does not."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        if isinstance(error.__cause__, OutOfTime | TooMuch):
            return None
    elif isinstance(error, openai.APIStatusError):
        if error.status_code not in (408, 409, 429) and error.status_code < 500:
            return None
        headers = error.response.headers
        for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
            try:
                told = float(headers.get(name, "")) * scale
            except ValueError:  # missing, or a date
                continue
            if told >= 0:
                return told if told <= _LONGEST_PAUSE else None
    else:
        return None
    # Longer each time, and at random, so that clients do not all ask at once.
    return min(0.5 * 2**attempt, 8) * random.uniform(0.75, 1)
