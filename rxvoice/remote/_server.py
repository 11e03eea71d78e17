"""A model behind one server or several: how it is asked, and what happens when that fails."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from rxvoice._check import above, whole
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.remote._failures import ContextExceeded, RemoteError
from rxvoice.remote._host import Host, ServerState
from rxvoice.remote._limits import BEFORE_IT_BEGINS, Allowance, OutOfTime, TooMuch
from rxvoice.remote._pool import Affinity, Pool

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")

_LONGEST_PAUSE = 60.0  # seconds that a server may ask the client to wait
_CONNECT_S = 3.0  # to one of several servers; the next one is asked after that
_OF_THE_QUESTION = (400, 413, 422)  # another server would refuse it as well


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt to get an answer.

    Attributes:
        allowance: the time that the answer may take; it may be shortened.
        error: makes an error that says what the model did.
    """

    client: OpenAI
    allowance: Allowance
    error: Callable[[str], RemoteError]


Ask: TypeAlias = Callable[[Call], AbstractContextManager[Iterator[T]]]
"""Sends the question, and gives the answer's pieces. An empty piece, such as "", is none yet."""


class Server:
    """One model at a server, or at several; `ServerOptions` describes the options.

    Args:
        kind: what the model is, for messages.
        model: the name that the server knows it by.
        has_context: whether a question carries all that was said before.

    Attributes:
        counts_tokens: whether to ask for the number of tokens; False once a server has refused to
            be asked for it.
    """

    def __init__(
        self,
        kind: str,
        model: str,
        has_context: bool = False,
        *,
        base_url: str | Sequence[str],
        api_key: str | None = None,
        timeout_s: float = 30,
        total_timeout_s: float | None = 120,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(cast("object", model), str) or not model.strip():
            raise ConfigError(f"model must be the name that the server knows, got {model!r}")
        above("timeout_s", timeout_s, 0, "seconds")
        if total_timeout_s is not None:
            above("total_timeout_s", total_timeout_s, 0, "seconds")
        whole("retries", retries, 0, "times")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ConfigError(
                f"api_key must be one or more visible ASCII characters, got {len(api_key)} "
                "characters with others among them: look for a space or a line's end around it"
            )
        urls = _several(base_url)
        self.extra_body = dict(extra_body or {})
        self.model = model
        self.counts_tokens = True
        self._total_timeout_s = total_timeout_s
        self._retries = retries
        self._pool = Pool(
            [
                Host(
                    f"the {kind} {model!r}",
                    url,
                    api_key,
                    timeout_s,
                    total_timeout_s,
                    connect_s=timeout_s if len(urls) == 1 else min(timeout_s, _CONNECT_S),
                    has_context=has_context,
                )
                for url in urls
            ]
        )

    @property
    def states(self) -> tuple[ServerState, ...]:
        """How each server fares."""
        return self._pool.states

    def load(self) -> None:
        """Make the clients; no connection is opened.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._pool.load()

    def streamed(self, ask: Ask[T], affinity: Affinity | None = None) -> Generator[T, None, None]:
        """Yield what the server gives, as it comes. Closing the generator closes the connection.

        Another server is asked if one fails before it gave a piece, and never after that. A single
        server is asked again if it fails before its answer begins.

        Args:
            affinity: the conversation, which stays at one server as long as that makes sense.

        Raises:
            RemoteError: for whatever fails.
        """
        self.load()
        allowance = Allowance(self._total_timeout_s)
        tried: list[Host] = []
        rounds = 0
        while True:
            host = self._pool.take(affinity, tried)
            attempt = _Attempt(host, ask, allowance)
            try:
                for item in attempt.pieces():
                    if not attempt.has_piece and _is_piece(item):
                        attempt.has_piece = True
                        self._pool.worked(host, affinity)
                    yield item
                if not attempt.has_piece:
                    self._pool.worked(host, affinity)
                return
            except RemoteError as error:
                tried.append(host)
                pause = self._pause_after(attempt, error, tried, rounds)
                if pause is None:
                    raise _with_others(error, tried) from None
            finally:
                self._pool.leave(host)
            if len(tried) == len(self._pool):
                rounds += 1
                tried.clear()
                with allowance.spent():
                    time.sleep(pause)

    def _pause_after(
        self, attempt: _Attempt[T], error: RemoteError, tried: list[Host], rounds: int
    ) -> float | None:
        """Seconds until it makes sense to ask on; None if it does not."""
        several = len(self._pool) > 1
        left = attempt.allowance.left
        of_server = not isinstance(error, ContextExceeded) and error.status not in _OF_THE_QUESTION
        if attempt.has_piece or not of_server or not left:
            return None
        if several:
            self._pool.failed(attempt.host, error.status)
            if len(tried) < len(self._pool):
                return 0.0
        elif attempt.has_begun:
            return None
        refused = attempt.refused
        pause = None if refused is None else _pause(refused, rounds)
        return None if rounds == self._retries or pause is None or pause >= left else pause


class _Attempt(Generic[T]):
    """Asks one server once.

    Attributes:
        has_begun: whether the server has begun to answer.
        has_piece: whether it has given a piece.
        refused: the error of the client, if it failed before that.
    """

    def __init__(self, host: Host, ask: Ask[T], allowance: Allowance) -> None:
        self.host = host
        self.allowance = allowance
        self._ask = ask
        self.has_begun = self.has_piece = False
        self.refused: Exception | None = None

    def pieces(self) -> Generator[T, None, None]:
        """Yield the answer. Every failure is a `RemoteError`."""
        allowance = self.allowance
        call = Call(self.host.client(), allowance, self.host.why.error)
        with ExitStack() as connection:
            with self._failures(), allowance.spent(bytes=BEFORE_IT_BEGINS):
                items = connection.enter_context(self._ask(call))
            self.has_begun = True
            while True:
                with self._failures(), allowance.spent():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

    @contextmanager
    def _failures(self) -> Generator[None]:
        """Turn whatever fails in this block into a `RemoteError`."""
        try:
            yield
        except RxvoiceError:
            raise
        except Exception as error:
            self.refused = error
            # Without the cause, whose text may repeat the key.
            raise self.host.why.of(error) from None


def _is_piece(item: object) -> bool:
    return len(item) > 0 if isinstance(item, Sized) else True


def _several(given: object) -> list[str]:
    urls = list(cast("Sequence[str]", given)) if isinstance(given, (list, tuple)) else [given]
    if not urls or len(set(map(str, urls))) < len(urls):
        raise ConfigError(
            "base_url must be an address such as 'http://127.0.0.1:8080/v1', or a list of "
            f"different ones, got {given!r}"
        )
    return cast("list[str]", urls)


def _with_others(error: RemoteError, tried: list[Host]) -> RemoteError:
    """The error of the last server, which names those that failed before."""
    if others := [it.base_url for it in tried[:-1]]:
        told = f"{error}; before it failed: {', '.join(others)}"
        return type(error)(told, error.status)
    return error


def _pause(error: Exception, attempt: int) -> float | None:
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
