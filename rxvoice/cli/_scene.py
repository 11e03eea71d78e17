"""What is to be seen of a conversation: its state now, and the lines that are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice import events
from rxvoice.events import Event
from rxvoice.turn import Turn

__all__ = ["Line", "Scene", "State", "Who", "printable"]

State: TypeAlias = Literal["listening", "thinking", "speaking", "paused"]
Who: TypeAlias = Literal["you", "assistant", "notice", "warning", "error", "times"]

_TIMES = (
    ("over", "turn_ended_ms"),
    ("text", "transcript_ms"),
    ("word", "first_token_ms"),
    ("sound", "first_audio_ms"),
    ("aloud", "first_heard_ms"),
)

_DROPPED: dict[events.DropReason, str] = {
    "short": "a sound too short for an interruption",
    "echo": "the assistant's own voice",
    "no_words": "no words were understood",
    "failed": "no interruption, since the recogniser failed",
    "closed": "what was being said is not written down",
}


@dataclass(frozen=True)
class Line:
    """Something that was said or happened, once it is over.

    Args:
        who: said it, or what kind of line it is.
        text: without control characters.
        at: when, in seconds of the microphone's time; None where it has no place there.
        aside: to be set apart, after the text.
    """

    who: Who
    text: str
    at: float | None = None
    aside: str = ""


class Scene:
    """Follows the events of a conversation."""

    def __init__(self) -> None:
        self.level: events.Level | None = None
        """The microphone's, as it was told last."""
        self.partial = ""
        """What the user has said so far in the turn that is open."""
        self.reply = ""
        """The reply in progress, as far as it is written."""
        self.missing: dict[str, str] = {}
        """Devices that are being waited for: kind and name."""
        self.answered = self.interrupted = self.failed = 0
        self._user: Turn | None = None
        self._pending: dict[Turn, str] = {}
        self._candidates: dict[Turn, Line | None] = {}
        self._times: dict[Turn, list[Line]] = {}
        self._speaking: Turn | None = None
        self._paused = False

    @property
    def state(self) -> State:
        """What the assistant does now."""
        if self._speaking is not None:
            return "paused" if self._paused else "speaking"
        over = self._user is not None and not self._user.is_open
        return "thinking" if self._pending or over else "listening"

    @property
    def hears(self) -> bool:
        """Whether the user speaks."""
        return self._user is not None and self._user.is_open

    @property
    def is_quiet(self) -> bool:
        """Whether nobody speaks, and all that was said is written down."""
        return self._user is None and self._speaking is None

    def on(self, event: Event) -> list[Line]:
        """Take an event in; the lines that it completes."""
        match event:
            case events.Level():
                self.level = event
            case events.TurnOpened(turn):
                self._user, self.partial = turn, ""
            case events.Candidate(turn):
                self._user, self.partial = turn, ""
                self._candidates[turn] = None
            case events.Confirmed(turn):
                said = self._candidates.pop(turn, None)
                if said is None:
                    return []
                self._pending.setdefault(turn, "")
                return [said]
            case events.Partial(turn, text):
                if turn is self._user:
                    self.partial = printable(text)
            case events.Transcribed(turn, text):
                return self._transcribed(turn, text)
            case events.Dropped(turn, reason):
                self._leave(turn)
                self._pending.pop(turn, None)
                self._candidates.pop(turn, None)
                return [Line("notice", f"({_DROPPED[reason]})", _began(turn))]
            case events.ReplyDelta(turn, text):
                self._pending[turn] = self._pending.get(turn, "") + text
                self._show_reply()
            case events.Speaking(turn):
                self._speaking, self._paused = turn, False
                self._pending.setdefault(turn, "")
                self._show_reply()
            case events.Paused():
                self._paused = True
            case events.Resumed():
                self._paused = False
            case events.Finished(turn, text):
                self.answered += 1
                return self._over(turn, Line("assistant", printable(text), _ended(turn)))
            case events.Interrupted(turn, heard):
                self.answered += 1
                self.interrupted += 1
                return self._over(turn, _interrupted(turn, printable(heard)))
            case events.TurnFailed(turn, error):
                self.failed += 1
                self._leave(turn)
                return self._over(turn, Line("error", printable(str(error)), _began(turn)))
            case events.TurnMetrics(turn):
                lines = _times(event)
                if turn not in self._pending:
                    return lines
                self._times[turn] = lines  # they stand under the reply
            case _:
                return self._beside(event)
        return []

    def _beside(self, event: Event) -> list[Line]:
        """What is no part of a turn."""
        match event:
            case events.AudioLost(total=total, remedy=remedy):
                return [Line("warning", f"microphone: {total} samples lost: {remedy}")]
            case events.Underrun(total=total, remedy=remedy):
                return [Line("warning", f"speaker: {total} samples came too late: {remedy}")]
            case events.DeviceLost(kind, device, reason):
                self.missing[kind] = device
                text = f"{kind} {device!r} is gone ({reason}): plug it in, or choose another"
                return [Line("warning", printable(text))]
            case events.DeviceRestored(kind, device, gone_ms):
                self.missing.pop(kind, None)
                text = f"{kind} {device!r} works; there was none for {gone_ms / 1000:.1f} s"
                return [Line("notice", printable(text))]
            case events.DeviceChanged(kind, device):
                self.missing.pop(kind, None)
                return [Line("notice", printable(f"{kind} is {device!r} from here on"))]
            case events.Notice(message):
                return [Line("notice", printable(message))]
            case _:
                return []

    def _transcribed(self, turn: Turn, text: str) -> list[Line]:
        self._leave(turn)
        said = printable(text)
        if not said:
            return []
        line = Line("you", said, _began(turn))
        if turn in self._candidates:
            self._candidates[turn] = line  # it may yet be none
            return []
        self._pending.setdefault(turn, "")
        return [line]

    def _leave(self, turn: Turn) -> None:
        if self._user is turn:
            self._user, self.partial = None, ""

    def _over(self, turn: Turn, line: Line) -> list[Line]:
        self._pending.pop(turn, None)
        if self._speaking is turn:
            self._speaking, self._paused = None, False
        self._show_reply()
        return [line, *self._times.pop(turn, [])]

    def _show_reply(self) -> None:
        # Turns wait in order; the first is the one that is being answered.
        shown = next(iter(self._pending), None) if self._speaking is None else self._speaking
        self.reply = "" if shown is None else printable(self._pending[shown])


_JOINERS = "\u200c\u200d"
"""Of the letters of a word, in Persian and in the scripts of India, and of emoji."""


def printable(text: str) -> str:
    """On one line, and nothing in it that would move a terminal's cursor."""
    seen = (it if it.isprintable() or it in _JOINERS else " " for it in text)
    return " ".join("".join(seen).split())


def _began(turn: Turn) -> float:
    return turn.start / turn.sample_rate


def _ended(turn: Turn) -> float:
    return (turn.start + len(turn.audio)) / turn.sample_rate


def _interrupted(turn: Turn, heard: str) -> Line:
    if heard:
        return Line("assistant", heard, _ended(turn), "interrupted")
    return Line("notice", "(interrupted before a word was heard)", _ended(turn))


def _times(event: events.TurnMetrics) -> list[Line]:
    known = [(what, getattr(event, name)) for what, name in _TIMES]
    told = " · ".join(f"{what} {ms:.0f}" for what, ms in known if ms is not None)
    lines = [Line("times", f"{told} ms")] if told else []
    if event.samples_lost:
        lines.append(Line("warning", f"{event.samples_lost} samples of the turn were lost"))
    return lines
