"""`Refused`: a command that a dialogue cannot follow."""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "busy",
    "not_replying",
    "too_short",
    "no_item",
    "no_previous",
    "duplicate",
    "not_spoken",
    "only_listens",
    "too_long",
    "too_many",
]


class Refused(Exception):
    """A command that cannot be followed. Nothing has changed, and the dialogue goes on.

    Attributes:
        reason: names it, for programs.
        about: what the reason is about: a reply, an item, milliseconds of sound, or a number.
    """

    def __init__(self, reason: Reason, about: str) -> None:
        super().__init__(f"{reason}: {about}")
        self.reason: Reason = reason
        self.about = about
