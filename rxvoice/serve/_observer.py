"""`Observer`: what a server tells of its sessions, for metrics and logs."""

from __future__ import annotations

from typing import Protocol

from rxvoice.events import TurnMetrics


class Observer(Protocol):
    """Called on the server's event loop; each call must return at once. Nothing said is told."""

    def session_opened(self, session_id: str) -> None:
        """A session has begun."""

    def session_closed(self, session_id: str, reason: str) -> None:
        """A session is over. Reasons: "client", "draining", "slow_reader", "failed"."""

    def refused(self, reason: str) -> None:
        """A client was not let in, such as for "full", "loading", "draining" or "key"."""

    def turn_metrics(self, metrics: TurnMetrics) -> None:
        """A reply is over."""

    def interrupted(self) -> None:
        """A user has interrupted a reply."""

    def audio_heard(self, received: int, judged: int, dropped: int) -> None:
        """A session is over; these are samples at 16 kHz.

        What was `received` was `judged`, as speech or not, or `dropped`: the client has cleared it,
        or the session ended before its turn came.
        """

    def queue_depth(self, count: int) -> None:
        """So many messages wait for a client."""


class Unobserved(Observer):
    """An `Observer` that does nothing."""
