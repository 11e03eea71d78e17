"""`Limits`: what a client may take, and `Over`: why its session ends."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rxvoice._check import at_least, whole

_WHOLE = {  # the least, and the unit
    "max_sessions": (1, "sessions"),
    "max_per_address": (1, "sessions"),
    "max_frame_bytes": (2, "bytes"),
    "max_text_chars": (1, "characters"),
    "max_texts_per_minute": (0, "texts"),
    "max_events": (1, "messages"),
    "max_queued_ms": (1, "ms"),
    "ahead_ms": (1, "ms"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the clients of `sessions` may take. A client that exceeds a limit loses its session.

    ```python
    rxv.web.sessions(converse, limits=rxv.web.Limits(max_per_address=4))
    ```

    Args:
        max_sessions: how many sessions there may be at a time.
        max_per_address: how many of them from one address; with IPv6, from one network of 64 bits.
        max_seconds: how long a session may last.
        max_idle_seconds: how long a client may send nothing.
        max_silent_seconds: how long a client may send nothing before its first message.
        max_frame_bytes: the largest message that a client may send. The server reads a message
            whole before it is refused, up to a limit of its own (uvicorn's ``ws_max_size``).
        max_text_chars: the longest text that a client may type.
        max_texts_per_minute: how many texts one address may type within 60 s, in all its sessions.
            `max_speed` limits what is spoken.
        max_speed: how much faster than real time audio may come, after the first 10 s of it.
        max_events: how many messages may wait for a client that reads slowly.
        max_queued_ms: how much speech may wait for playback; more fails the conversation.
        ahead_ms: how much speech is sent ahead of its playback.
        send_seconds: how long a client may take to receive one message.
        authenticate_seconds: how long an async ``authenticate`` may take.

    Raises:
        ConfigError: a limit that allows nothing.
    """

    max_sessions: int = 64
    max_per_address: int = 8
    max_seconds: float = 1800
    max_idle_seconds: float = 60
    max_silent_seconds: float = 10
    max_frame_bytes: int = 65_536
    max_text_chars: int = 2_000
    max_texts_per_minute: int = 30
    max_speed: float = 1.25
    max_events: int = 256
    max_queued_ms: int = 120_000
    ahead_ms: int = 500
    send_seconds: float = 10
    authenticate_seconds: float = 10

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in _WHOLE:
                whole(f"Limits {name}", value, *_WHOLE[name])
            elif name == "max_speed":
                at_least(f"Limits {name}", value, 1, "times")
            else:
                at_least(f"Limits {name}", value, 0.001, "s")


class Over(Exception):
    """Why a session ends, as its client is told.

    Attributes:
        code: names the reason, for programs.
        close_code: the code that the WebSocket is closed with.
    """

    def __init__(self, code: str, close_code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code
