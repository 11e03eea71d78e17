"""Stand-in."""

from __future__ import annotations

from rxvoice.elements import Reply


class Written:
    def __init__(self) -> None:
        self.spoken = ""

    @property
    def written(self) -> str:
        return self.spoken

    def add(self, reply: Reply) -> None:
        self.spoken += reply.delta

    def up_to(self, n: int) -> str:
        return self.spoken[:n]
