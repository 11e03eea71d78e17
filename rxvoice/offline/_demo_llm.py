"""The demonstration language model, as a responder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from rxvoice.events import Notice
from rxvoice.mlx.llm import Llm
from rxvoice.tools import ToolCall


class DemoLlm(Llm):
    """An `Llm` whose replies do not depend on what was said before.

    So it gives no `Notice` when it drops the oldest turns. ``stats.dropped_turns`` counts them.
    """

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Reply to `text`, as `Llm.respond` does; a `Notice` is the call of a tool."""
        with closing(super().respond(text)) as pieces:
            for piece in pieces:
                if not isinstance(piece, Notice) or isinstance(piece.detail, ToolCall):
                    yield piece
