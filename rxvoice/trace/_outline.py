"""`outline`: the turns of a conversation, from what came out of its pipe and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rxvoice import events
from rxvoice.chunks import AudioChunk
from rxvoice.turn import Turn

__all__ = ["Happened", "OutlineTurn", "outline", "speech_of"]

Happened: TypeAlias = Iterable[tuple[float, object]]
"""What came out of a pipe, and when: seconds since the trace began."""

Fate: TypeAlias = Literal["open", "answered", "interrupted", "dropped", "failed", "unknown"]
"""What became of a turn; ``"open"``: the conversation ended before; ``"unknown"``: nobody knows the
words of it."""


@dataclass(slots=True)
class OutlineTurn:
    """A turn, or a candidate that never became one.

    Args:
        turn: the turn itself.
        opened: seconds since the trace began.
        over_reply: whether it began while the assistant spoke.
    """

    turn: Turn
    opened: float
    over_reply: bool = False
    ended: float | None = None
    text: str = ""
    """What the user said."""
    reply: str = ""
    """What the assistant said, as far as it was heard."""
    heard: float | None = None
    """When the reply was first heard."""
    fate: Fate = "open"
    why: str = ""
    """Why it was dropped, or how it failed."""
    latency_ms: float | None = None
    """From the end of the user's speech to the first sound of the reply."""
    speaker_ms: float | None = None
    """From writing the first sound to the loudspeaker to hearing it."""
    speech: tuple[int, int] = field(default=(0, 0))
    """The user's speech: its first sample, and the one after its last."""

    @property
    def counts(self) -> bool:
        """Whether the user said something that was taken as a turn."""
        return self.fate != "dropped"


def outline(happened: Happened) -> list[OutlineTurn]:
    """The turns and candidates, in the order in which they opened."""
    turns: dict[int, OutlineTurn] = {}
    told: list[OutlineTurn] = []
    for time, element in happened:
        turn = getattr(element, "turn", None)
        if not isinstance(element, events.Event) or not isinstance(turn, Turn) or turn.id < 0:
            continue
        known = turns.get(turn.id)
        if known is None or known.turn is not turn:
            known = turns[turn.id] = OutlineTurn(turn, time)
            told.append(known)
        _note(known, time, element)
    for each in told:
        each.speech = speech_of(each.turn)
    return told


def _note(known: OutlineTurn, time: float, event: events.Event) -> None:
    match event:
        case events.Candidate():
            known.over_reply = True
        case events.TurnEnded():
            known.ended = time
        case events.Transcribed(_, text):
            known.text = text
        case events.ReplyDelta(_, text):
            known.reply += text
        case events.Speaking() if known.heard is None:
            known.heard = time
        case events.Dropped(_, reason):
            known.fate, known.why = "dropped", reason
        case events.Interrupted(_, heard):
            known.fate, known.reply = "interrupted", heard
        case events.TurnFailed(_, error):
            known.fate, known.why = "failed", str(error)
        case events.Finished(_, text):
            known.fate, known.reply = "answered", text
        case events.TurnMetrics():
            written, heard = event.first_audio_ms, event.first_heard_ms
            known.latency_ms = written if heard is None else heard
            known.speaker_ms = None if written is None or heard is None else heard - written
        case _:
            pass


def speech_of(turn: Turn) -> tuple[int, int]:
    """The first sample of the speech of a turn, and the one after its last."""
    first: int | None = None
    end = turn.start

    def look(chunk: AudioChunk) -> None:
        nonlocal first, end
        if chunk.speech:
            first = chunk.start if first is None else first
            end = chunk.start + len(chunk.samples)

    turn.subscribe(look, lambda _: None).dispose()
    return (turn.start if first is None else first, max(end, first or 0))
