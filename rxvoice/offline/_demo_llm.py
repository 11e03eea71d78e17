"""The demonstration language model, as a responder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from rxvoice.events import Notice
from rxvoice.mlx.llm import Llm

__all__ = ["DemoLlm"]


class DemoLlm(Llm):
    """An `Llm` whose answers do not depend on what was said before.

    So nobody needs to know that the oldest turns no longer fit into its context: it gives no
    `Notice` of them, only text. ``stats.dropped_turns`` counts them.
    """

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Answer `text`, as `Llm.respond`; every piece is text."""
        with closing(super().respond(text)) as pieces:
            for piece in pieces:
                if not isinstance(piece, Notice):
                    yield piece
