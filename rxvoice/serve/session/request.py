"""`ReplyRequest`: a reply that the client asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rxvoice.serve.session.items import Item
from rxvoice.serve.session.settings import ReplySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRequest:
    """A reply that the client asks for.

    Args:
        settings: how it is made.
        aside: whether it is no part of the dialogue. It is made at the same time as others.
        given: what it follows, in place of the items of the dialogue.
    """

    settings: ReplySettings
    aside: bool = False
    given: Sequence[Item] | None = None
