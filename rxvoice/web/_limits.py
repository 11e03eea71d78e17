"""What one session may take, and why it ends."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice._check import at_least, whole

__all__ = ["Limits", "Over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds that `rxvoice.web.sessions` takes; it says what they mean.

    Raises:
        ConfigError: a bound that allows nothing.
    """

    max_sessions: int
    max_per_address: int
    max_seconds: float
    max_idle_seconds: float
    max_silent_seconds: float
    max_frame_bytes: int
    max_text_chars: int
    max_texts_per_minute: int
    max_speed: float
    max_events: int
    max_queued_ms: int
    ahead_ms: int
    send_seconds: float
    authenticate_seconds: float

    def __post_init__(self) -> None:
        whole("sessions max_sessions", self.max_sessions, 1, "sessions")
        whole("sessions max_per_address", self.max_per_address, 1, "sessions")
        at_least("sessions max_seconds", self.max_seconds, 0.001, "s")
        at_least("sessions max_idle_seconds", self.max_idle_seconds, 0.001, "s")
        at_least("sessions max_silent_seconds", self.max_silent_seconds, 0.001, "s")
        whole("sessions max_frame_bytes", self.max_frame_bytes, 2, "bytes")
        whole("sessions max_text_chars", self.max_text_chars, 1, "characters")
        whole("sessions max_texts_per_minute", self.max_texts_per_minute, 0, "texts")
        at_least("sessions max_speed", self.max_speed, 1, "times")
        whole("sessions max_events", self.max_events, 1, "messages")
        whole("sessions max_queued_ms", self.max_queued_ms, 1, "ms")
        whole("sessions ahead_ms", self.ahead_ms, 1, "ms")
        at_least("sessions send_seconds", self.send_seconds, 0.001, "s")
        at_least("sessions authenticate_seconds", self.authenticate_seconds, 0.001, "s")


class Over(Exception):
    """Why a session ends, as its client is told.

    Attributes:
        code: for programs.
        close_code: of the WebSocket.
    """

    def __init__(self, code: str, close_code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code
