"""The options that every model behind a server has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypedDict


class ServerOptions(TypedDict, total=False):
    """Where a model is served, and how patiently it is asked: for `llm`, `stt` and `tts`.

    Attributes:
        base_url: where the interface begins, such as ``"http://127.0.0.1:8080/v1"``. Required.
            Or a list of addresses, of servers that have the same model: each call goes to the
            least busy one. One that fails before it has given anything is left out for a while,
            and the next one is asked at once.
        api_key: the bearer token; leave it out for a server that wants none.
        timeout_s: how long the server may be silent, in seconds, above 0; 30 by default. It counts
            while the client connects, before the answer begins, and within it. Connecting to one of
            several servers may take 3 s.
        total_timeout_s: how long one answer may keep the client waiting in all, in seconds, above
            0, pauses between retries included; 120 by default, None for no limit. For a language
            model each round of tools counts by itself. Time in which nobody reads the answer, as
            while a voice plays it, does not count.
        retries: how often to ask again, at least 0; 2 by default. The client asks again when the
            server cannot be reached, is silent or refuses for the moment (408, 409, 429, 5xx), and
            never once its answer has begun. It waits half a second at first, then longer, or as
            long as the server says. With several servers, this is how often all of them are asked
            again when all have failed.
        extra_body: more entries of the request, by the names that the server has for them, such as
            ``{"chat_template_kwargs": {"enable_thinking": False}}``.
    """

    base_url: Required[str | Sequence[str]]
    api_key: str | None
    timeout_s: float
    total_timeout_s: float | None
    retries: int
    extra_body: Mapping[str, object] | None
