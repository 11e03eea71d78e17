"""A server behind OpenAI's interface: how it is asked, and what its failures are called."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from rxvoice._check import at_least, whole
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

__all__ = ["RemoteError", "Server"]

T = TypeVar("T")

_SHOWN = 200  # characters of what a server says about its failure

_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError)
"""What comes of taking an answer apart that is none."""


class RemoteError(RxvoiceError):
    """A server could not be reached, refused, broke off, or answered with something else.

    Attributes:
        status: the HTTP status, where the server refused with one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One model at a server; the arguments are those of the public functions.

    Args:
        kind: what the model is, for messages.
    """

    def __init__(
        self,
        kind: str,
        model: str,
        *,
        base_url: str,
        api_key: str | None,
        timeout_s: float,
        retries: int,
    ) -> None:
        if not isinstance(cast("object", model), str) or not model.strip():
            raise ConfigError(f"model must be the name that the server knows, got {model!r}")
        host = _host(base_url)
        at_least("timeout_s", timeout_s, 0, "seconds")
        if timeout_s == 0:
            raise ConfigError("timeout_s must be above 0 seconds, got 0")
        whole("retries", retries, 0, "times")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigError(
                f"api_key must be one or more visible ASCII characters, got {len(api_key)} "
                "characters with others among them: look for a space or a line's end around it"
            )
        self.model = model
        self._name = f"the {kind} {model!r} at {base_url}"
        self._base_url = base_url
        self._api_key = api_key
        self._timeout_s = timeout_s
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
        self, ask: Callable[[OpenAI], AbstractContextManager[Iterator[T]]]
    ) -> Generator[T, None, None]:
        """What the server gives, item by item as it comes; closed, the connection is closed.

        Raises:
            RemoteError: for whatever fails.
        """
        client = self.client()
        with ExitStack() as connection:
            with self.failures():
                items = connection.enter_context(ask(client))
            while True:
                with self.failures():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

    @contextmanager
    def failures(self) -> Generator[None]:
        """Within it, whatever fails is a `RemoteError`."""
        try:
            yield
        except RxvoiceError:
            raise
        except Exception as error:
            # Without the cause: its text may repeat what was sent, the key too.
            raise self._failure(error) from None

    def error(self, what: str, status: int | None = None) -> RemoteError:
        """The error that the model has done that."""
        return RemoteError(f"{self._name} {what}", status)

    def _connected(self) -> OpenAI:
        try:
            import openai
        except ImportError as error:
            raise MissingDependency(
                f"{self._name} is asked through the package openai, which is not installed: "
                "pip install 'rxvoice[remote]'"
            ) from error
        # All said outright: what is missing the client takes from the environment. It wants a key
        # even for a server that wants none.
        key = self._api_key or "none"
        headers = {
            "Authorization": f"Bearer {key}",
            "OpenAI-Organization": openai.Omit(),
            "OpenAI-Project": openai.Omit(),
        }
        http = openai.DefaultHttpxClient(trust_env=not self._is_local)
        weakref.finalize(self, http.close)
        return openai.OpenAI(
            api_key=key,
            base_url=self._base_url,
            timeout=self._timeout_s,
            max_retries=self._retries,
            default_headers=cast("dict[str, str]", headers),
            http_client=http,
        )

    def _failure(self, error: Exception) -> RemoteError:
        import openai

        why = self._shown(f"{type(error).__name__}: {error}")
        # A client that is older gives its transport's errors in mid-stream as they are.
        if isinstance(error, openai.APITimeoutError) or "Timeout" in type(error).__name__:
            return self.error(
                f"gave nothing for {self._timeout_s:g} s: see whether the server is busy or still "
                "loading the model, or raise timeout_s"
            )
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error)
        if isinstance(error, (*_UNREADABLE, openai.APIResponseValidationError)):
            return self.error(
                f"gave an answer that cannot be read ({why}): see whether base_url is that of a "
                "server with OpenAI's interface"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            why = self._shown(f"{type(cause).__name__}: {cause}") if cause else why
            if not _broke_off(cause):
                return self.error(
                    f"cannot be reached ({why}): see whether the server runs there, and base_url"
                )
        elif isinstance(error, openai.APIError):  # an error for an event
            return self.error(f"failed ({self._shown(error.message)}): see the server's log")
        return self.error(f"broke off its answer ({why}): see the server's log")

    def _refusal(self, error: APIStatusError) -> RemoteError:
        status = error.status_code
        if status in (401, 403):
            remedy = (
                "pass an api_key" if self._api_key is None else "see whether the api_key is right"
            )
            return self.error(f"refused with {_titled(status)}: {remedy}", status)
        said = f"{_titled(status)} ({self._shown(_text(error.body))})"
        if status == 404:
            remedy = "see whether base_url ends as the server wants it, often in /v1, and the model"
        elif status == 429 or status >= 500:
            remedy = "see the server's log, or try later"
        else:
            remedy = "see whether this server takes such a request"
        return self.error(f"refused with {said}: {remedy}", status)

    def _shown(self, text: str) -> str:
        if self._api_key is not None:
            text = text.replace(self._api_key, "***")
        text = " ".join(text.split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


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


def _broke_off(cause: BaseException | None) -> bool:
    """Whether there was a connection, by the names that httpx has for what can go wrong."""
    return type(cause).__name__ in ("ReadError", "RemoteProtocolError")


def _titled(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _text(body: object) -> str:
    """What a server says about its failure, from any of the places where they put it."""
    if not isinstance(body, dict):
        return str(body or "no reason given")
    given = cast("dict[str, object]", body)
    found = next((key for key in ("message", "detail", "error") if key in given), None)
    return str(given) if found is None else _text(given[found])
