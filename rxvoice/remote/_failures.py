"""Failures at a server, as errors that say what to do."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from rxvoice.errors import RxvoiceError
from rxvoice.remote._chat import ErrorEvent
from rxvoice.remote._limits import BEFORE_IT_BEGINS, OutOfTime, TooMuch

if TYPE_CHECKING:
    from openai import APIStatusError

_SHOWN = 200  # characters of what a server says about its failure
_SEARCHED = 2_000
_NESTED = 8  # levels of objects in which a server may report a failure

_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|(maximum|exceeds?|exceed the|available)[ _]context"
    r"|too many (input )?tokens|reduce the length|(prompt|input|request)( is)? too (long|large)"
    r"|maximum number of tokens|max_new_tokens|(input|token count).* exceeds",
    re.IGNORECASE,
)
"""The words for a prompt that does not fit; few servers have a code for it."""

_UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""The errors of reading an answer that is not in the expected form."""


class RemoteError(RxvoiceError):
    """A server could not be reached, refused, broke off, or answered with something else.

    Attributes:
        status: the HTTP status, if the server refused with one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ContextExceeded(RemoteError):
    """A question, with the conversation before it, is too long for the server."""


class ServerFailures:
    """Explains the failures of one model at a server.

    Args:
        name: the model and its server, with which every message begins.
        api_key: kept out of messages.
        timeout_s: how long the server may be silent.
        total_timeout_s: how long it may take in all.
        connect_s: how long connecting may take.
        has_context: whether a question carries the conversation, which may be too long.
    """

    def __init__(
        self,
        name: str,
        api_key: str | None,
        timeout_s: float,
        total_timeout_s: float | None,
        *,
        connect_s: float,
        has_context: bool,
    ) -> None:
        self._name = name
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._total_timeout_s = total_timeout_s
        self._connect_s = connect_s
        self._has_context = has_context

    def error(self, what: str, status: int | None = None) -> RemoteError:
        """An error that says what the model did."""
        return RemoteError(f"{self._name} {what}", status)

    def of(self, error: Exception) -> RemoteError:
        """Explain an error of the client, or of reading the answer."""
        import openai

        why = self._shown(f"{type(error).__name__}: {error}")
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, OutOfTime):
            return self.error(
                f"took more than {self._total_timeout_s:g} s in all: see whether the server is "
                "busy, or raise total_timeout_s"
            )
        if isinstance(cause, TooMuch):
            return self.error(
                f"sent more than {BEFORE_IT_BEGINS // 1024} KB before its answer began: see "
                "whether base_url is that of a server with OpenAI's interface"
            )
        if type(cause).__name__ == "ConnectTimeout" and self._connect_s < self._timeout_s:
            return self.error(
                f"cannot be reached (no connection within {self._connect_s:g} s): see whether the "
                "server runs there, and base_url"
            )
        # Older clients let the transport's errors through in mid-stream.
        if isinstance(error, openai.APITimeoutError) or "Timeout" in type(error).__name__:
            return self.error(
                f"gave nothing for {self._timeout_s:g} s: see whether the server is busy or still "
                "loading the model, or raise timeout_s"
            )
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error)
        if isinstance(error, ErrorEvent):
            return self.told(error.body)
        if isinstance(error, (*_UNREADABLE, openai.APIResponseValidationError)):
            return self.error(
                f"gave an answer that cannot be read ({why}): see whether base_url is that of a "
                "server with OpenAI's interface"
            )
        if isinstance(error, openai.APIConnectionError):
            why = self._shown(f"{type(cause).__name__}: {cause}") if cause else why
            if not _broke_off(cause):
                return self.error(
                    f"cannot be reached ({why}): see whether the server runs there, and base_url"
                )
        return self.error(f"broke off its answer ({why}): see the server's log")

    def told(self, body: object) -> RemoteError:
        """Explain an error that the server sent in place of an answer.

        Args:
            body: what the server says about it.
        """
        said = self._shown(_text(body))
        if self._is_too_long(body):
            return self._too_long(f"failed ({said})")
        return self.error(f"failed ({said}): see the server's log")

    def _is_too_long(self, body: object) -> bool:
        told = f"{_code(body)} {_text(body)}"[:_SEARCHED]
        return self._has_context and _TOO_LONG.search(told) is not None

    def _too_long(self, what: str, status: int | None = None) -> RemoteError:
        return ContextExceeded(
            f"{self._name} {what}: ask in fewer words, shorten the system prompt or lower "
            "max_tokens",
            status,
        )

    def _refusal(self, error: APIStatusError) -> RemoteError:
        status = error.status_code
        if status in (401, 403):
            remedy = (
                "pass an api_key" if self._api_key is None else "see whether the api_key is right"
            )
            return self.error(f"refused with {_titled(status)}: {remedy}", status)
        said = f"{_titled(status)} ({self._shown(_text(error.body))})"
        is_too_long = status == 413 or (status in (400, 422, 500) and self._is_too_long(error.body))
        if self._has_context and is_too_long:
            return self._too_long(f"refused with {said}", status)
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


def _broke_off(cause: BaseException | None) -> bool:
    """Whether there was a connection, by the names of httpx's errors."""
    return type(cause).__name__ in ("ReadError", "RemoteProtocolError")


def _titled(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _code(body: object) -> str:
    """The kinds of failure that the server names; "" if it names none."""
    kinds = ""
    for _ in range(_NESTED):
        if not isinstance(body, dict):
            break
        given = cast("dict[str, object]", body)
        kinds += f"{given.get('code', '')} {given.get('type', '')} "
        body = given.get("error")
    return kinds


def _text(body: object) -> str:
    """The server's message, from any of the places where servers put it."""
    for _ in range(_NESTED):
        if not isinstance(body, dict):
            break
        given = cast("dict[str, object]", body)
        found = next((key for key in ("message", "detail", "error") if key in given), None)
        if found is None:
            break
        body = given[found]
    try:
        return str(cast("object", body) or "no reason given")
    except RecursionError:
        return "a reason that cannot be shown"
