"""The items of a dialogue: what was said, typed and called, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rxvoice.serve.session.refusal import Refused

Role: TypeAlias = Literal["user", "assistant", "system"]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]

FIRST = "root"
"""In place of an item's id: before the first item."""


@dataclass(frozen=True, slots=True)
class ItemPart:
    """A part of a message.

    Args:
        spoken: whether it is sound. Else it is text.
        text: the text, or the words of the sound. None while they are not known.
    """

    spoken: bool
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A message, the call of a tool, or the result of one.

    Args:
        id: its name.
        kind: what it is.
        role: who a message is from.
        status: how far it has come.
        parts: the parts of a message.
        name: the tool of a call.
        call_id: joins a call and its result.
        text: the arguments of a call, as JSON, or the result.
    """

    id: str
    kind: Literal["message", "call", "result"] = "message"
    role: Role = "user"
    status: Status = "completed"
    parts: tuple[ItemPart, ...] = ()
    name: str = ""
    call_id: str = ""
    text: str = ""

    @property
    def words(self) -> str:
        """The text of all parts whose words are known."""
        return " ".join(part.text for part in self.parts if part.text)

    @property
    def size(self) -> int:
        """Characters of text."""
        return len(self.text) + sum(len(part.text or "") for part in self.parts)

    def with_words(self, text: str | None, part: int = 0) -> Item:
        """The same item with other words in this part."""
        parts = list(self.parts)
        parts[part] = replace(parts[part], text=text)
        return replace(self, parts=tuple(parts))


class Items:
    """The items in order. Each id is there once.

    Attributes:
        size: characters of text in all of them.
    """

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self.size = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Item]:
        return (self._items[it] for it in self._order)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def get(self, item_id: str) -> Item | None:
        """The item, or None."""
        return self._items.get(item_id)

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one; None for the first one."""
        at = self._order.index(item_id)
        return self._order[at - 1] if at else None

    @property
    def last(self) -> str | None:
        """The id of the last item."""
        return self._order[-1] if self._order else None

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Add an item behind another one; None: at the end.

        Returns:
            The id of the item before it.

        Raises:
            Refused: the id is taken, or there is no item `after`.
        """
        if item.id in self._items:
            raise Refused("duplicate", item.id)
        at = len(self._order)
        if after == FIRST:
            at = 0
        elif after is not None:
            if after not in self._items:
                raise Refused("no_previous", after)
            at = self._order.index(after) + 1
        self._items[item.id] = item
        self.size += item.size
        self._order.insert(at, item.id)
        return self._order[at - 1] if at else None

    def update(self, item_id: str, change: Callable[[Item], Item]) -> Item | None:
        """Change an item; None if it was deleted."""
        before = self._items.get(item_id)
        if before is None:
            return None
        self._items[item_id] = changed = change(before)
        self.size += changed.size - before.size
        return changed

    def remove(self, item_id: str) -> None:
        """Remove an item."""
        self.size -= self._items.pop(item_id).size
        self._order.remove(item_id)
