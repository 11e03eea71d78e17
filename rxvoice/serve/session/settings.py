"""The settings of a dialogue: how turns are taken, and how replies are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaking:
    """How the user's turns are found in the sound.

    Args:
        threshold: the probability, 0 to 1, from which sound is speech.
        prefix_ms: milliseconds of sound before the speech that belong to the turn.
        silence_ms: milliseconds of silence that end a turn.
        patience_ms: judge by the words, or a model, whether the user has finished, and wait at most
            so many milliseconds. None: `silence_ms` decides.
        replies: whether a turn is replied to.
        interrupts: whether a turn may interrupt a reply. Else it waits for the end of the reply.
        on_words: whether only words interrupt, and not mere sound: words that the assistant is
            saying do not count. For clients whose microphone hears their loudspeaker.
        idle_ms: milliseconds of silence after a reply that count as an empty turn. None: never.
    """

    threshold: float = 0.5
    prefix_ms: int = 300
    silence_ms: int = 500
    patience_ms: int | None = None
    replies: bool = True
    interrupts: bool = True
    on_words: bool = False
    idle_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings:
    """How a reply is made. It is frozen when the reply begins.

    Args:
        instructions: the system prompt; "" for the model's own.
        speaks: whether the reply is spoken. Else it is only written.
        voice: the name of the voice; "" for the default.
        speed: of the voice, 1 is its own.
        max_tokens: the longest reply. None: the model's own limit.
        tools: the tools that the model may call, as JSON schemas in the form of chat templates.
        extra: what the protocol keeps with the reply.
    """

    instructions: str = ""
    speaks: bool = True
    voice: str = ""
    speed: float = 1.0
    max_tokens: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    extra: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueSettings:
    """All settings of a dialogue.

    Args:
        turns: how turns are found. None: the client says when a turn is over.
        reply: how replies are made.
        only_listens: whether the dialogue only writes down what is said, and never replies.
        tells_words: whether the client is told the words of the user.
        tells_activity: whether the client is told how likely speech is, ten times a second.
    """

    turns: TurnTaking | None = TurnTaking()
    reply: ReplySettings = ReplySettings()
    only_listens: bool = False
    tells_words: bool = True
    tells_activity: bool = False
