"""What happens in a dialogue, as it is told to the client's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice._audio.samples import Samples
from rxvoice.serve.session.items import Item
from rxvoice.serve.session.settings import ReplySettings

# The user speaks


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user speaks; the item gets the words. Playback of an interrupted reply must stop."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The user has finished."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SoundTaken:
    """The sound of a turn has become an item."""

    item_id: str
    after: str | None


@dataclass(frozen=True, slots=True)
class SoundCleared:
    """The sound that was not taken yet is dropped."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The user has said nothing for long; the item is empty."""

    item_id: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class WordsGrew:
    """New words of the user."""

    item_id: str
    new: str


@dataclass(frozen=True, slots=True)
class WordsKnown:
    """All words of the user, and how long the turn was."""

    item_id: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class WordsFailed:
    """The words of a turn could not be recognised."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """How likely speech is, at this place in the sound."""

    probability: float
    at_ms: int


# Items


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """An item has joined the dialogue."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class ItemDone:
    """An item is complete."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """An item has left the dialogue."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ItemShown:
    """An item, as the client has asked for."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemCut:
    """A spoken message keeps only the words that were heard."""

    item_id: str
    part: int
    at_ms: int
    heard: str


# Replies


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a reply.

    Args:
        read: of everything that it follows.
        known: those of them that the model still knew.
        written: of the reply.
    """

    read: int
    known: int
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyView:
    """A reply as it is now.

    Args:
        status: how far it has come.
        reason: why it is cancelled or incomplete.
        aside: whether it is not part of the dialogue.
        items: its items so far.
        usage: tokens, where the model tells.
    """

    id: str
    settings: ReplySettings
    status: Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
    reason: Literal["", "user", "client", "max_tokens", "model"] = ""
    message: str = ""
    aside: bool = False
    items: tuple[Item, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ReplyBegan:
    """A reply begins."""

    reply: ReplyView


@dataclass(frozen=True, slots=True)
class ReplyOver:
    """A reply is over; nothing of it follows."""

    reply: ReplyView


@dataclass(frozen=True, slots=True)
class OutputAdded:
    """An item of a reply begins; `after` only counts if the reply is part of the dialogue."""

    reply_id: str
    index: int
    item: Item


@dataclass(frozen=True, slots=True)
class OutputDone:
    """An item of a reply is complete."""

    reply_id: str
    index: int
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputEvent:
    """The base of what happens to the one part of a message of a reply."""

    reply_id: str
    item_id: str
    index: int
    spoken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAdded(OutputEvent):
    """The part of a message begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDone(OutputEvent):
    """The part of a message is complete."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextGrew(OutputEvent):
    """New text of a reply."""

    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDone(OutputEvent):
    """All text of a reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundGrew(OutputEvent):
    """New sound of a reply.

    Args:
        samples: the sound.
        sample_rate: in Hz.
        span: with the first sound of a sentence, which characters of the text it speaks.
        moments: with the first sound of a reply, how long each step took, in milliseconds.
    """

    samples: Samples
    sample_rate: int
    span: tuple[int, int] | None = None
    moments: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundDone(OutputEvent):
    """All sound of a reply was told."""


@dataclass(frozen=True, slots=True)
class CallWritten:
    """The model calls a tool: all arguments at once."""

    reply_id: str
    index: int
    item: Item


Happening: TypeAlias = (
    SpeechStarted
    | SpeechStopped
    | SoundTaken
    | SoundCleared
    | TimedOut
    | WordsGrew
    | WordsKnown
    | WordsFailed
    | Activity
    | ItemAdded
    | ItemDone
    | ItemDeleted
    | ItemShown
    | ItemCut
    | ReplyBegan
    | ReplyOver
    | OutputAdded
    | OutputDone
    | PartAdded
    | PartDone
    | TextGrew
    | TextDone
    | SoundGrew
    | SoundDone
    | CallWritten
)
