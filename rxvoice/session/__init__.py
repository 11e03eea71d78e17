"""A spoken conversation as a loop that the app drives, and its settings."""

from __future__ import annotations

from rxvoice.session._config import ConversationOptions, EchoOptions, SessionConfig
from rxvoice.session._session import VoiceSession

__all__ = ["ConversationOptions", "EchoOptions", "SessionConfig", "VoiceSession"]
