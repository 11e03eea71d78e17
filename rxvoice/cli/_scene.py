"""What a person sees of a conversation: its present state, and the lines that are complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice import events
from rxvoice.events import Event
from rxvoice.turn import Turn

State: TypeAlias = Literal["listening", "thinking", "speaking", "paused"]
Who: TypeAlias = Literal["you", "assistant", "notice", "warning", "error", "times"]

_TIMES = ("turn_ended", "transcript", "first_token", "first_audio", "first_heard")
"""The moments of a turn, as the fields of `TurnMetrics` name them, without their "_ms"."""

UNBROKEN = "\N{NO-BREAK SPACE}"
"""A space at which no line is wrapped. A view prints it as a space."""

_DROPPED: dict[events.DropReason, str] = {
    "short": "a sound too short for an interruption",
    "echo": "the assistant's own voice",
    "no_words": "no words were understood",
    "backchannel": "words that do not interrupt",
    "failed": "no interruption, since the recogniser failed",
    "discarded": "discarded by the app",
    "closed": "the conversation ended before the transcript",
}


@dataclass(frozen=True)
class SceneLine:
    """Something that was said or happened.

    Args:
        who: who said it, or what kind of line it is.
        text: the text, without control characters.
        at: when it happened, in seconds of the microphone's time; None if it has no time.
        aside: a remark after the text.
    """

    who: Who
    text: str
    at: float | None = None
    aside: str = ""


class Scene:
    """Follows the events of a conversation."""

    def __init__(self) -> None:
        self.level: events.Level | None = None
        """The last level of the microphone."""
        self.partial = ""
        """The partial transcript of the open turn."""
        self.reply = ""
        """The text so far of the reply in progress."""
        self.waited: tuple[events.LatencyPart, ...] = ()
        """What the user waited for at the last turn that was answered, part by part."""
        self.missing: dict[str, str] = {}
        """Devices that are lost, by kind: their names."""
        self.answered = self.interrupted = self.failed = 0
        self._user: Turn | None = None
        self._pending: dict[Turn, str] = {}
        self._candidates: dict[Turn, SceneLine | None] = {}
        self._times: dict[Turn, list[SceneLine]] = {}
        self._speaking: Turn | None = None
        self._paused = False

    @property
    def state(self) -> State:
        """What the assistant is doing."""
        if self._speaking is not None:
            return "paused" if self._paused else "speaking"
        over = self._user is not None and not self._user.is_open
        return "thinking" if self._pending or over else "listening"

    @property
    def user_speaks(self) -> bool:
        """Whether a turn is open."""
        return self._user is not None and self._user.is_open

    @property
    def is_quiet(self) -> bool:
        """Whether nobody speaks and every turn has its transcript."""
        return self._user is None and self._speaking is None

    def on(self, event: Event) -> list[SceneLine]:
        """Take an event, and return the lines that it completes."""
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
                return [SceneLine("notice", f"({_DROPPED[reason]})", _began(turn))]
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
                return self._over(turn, SceneLine("assistant", printable(text), _ended(turn)))
            case events.Interrupted(turn, heard):
                self.answered += 1
                self.interrupted += 1
                return self._over(turn, _interrupted(turn, printable(heard)))
            case events.TurnFailed(turn, error):
                self.failed += 1
                self._leave(turn)
                return self._over(turn, SceneLine("error", printable(str(error)), _began(turn)))
            case events.TurnMetrics(turn):
                lines = _times(event)
                if event.first_heard_ms is not None:
                    self.waited = event.parts
                if turn not in self._pending:
                    return lines
                self._times[turn] = lines  # shown under the reply
            case _:
                return self._beside(event)
        return []

    def _beside(self, event: Event) -> list[SceneLine]:
        """Take an event that belongs to no turn."""
        match event:
            case events.AudioLost(total=total, remedy=remedy):
                return [SceneLine("warning", f"microphone: {total} samples lost: {remedy}")]
            case events.Underrun(total=total, remedy=remedy):
                return [SceneLine("warning", f"speaker: {total} samples came too late: {remedy}")]
            case events.DeviceLost(kind, device, reason):
                self.missing[kind] = device
                text = f"{kind} {device!r} is gone ({reason}): plug it in, or choose another"
                return [SceneLine("warning", printable(text))]
            case events.DeviceRestored(kind, device, gone_ms):
                self.missing.pop(kind, None)
                text = f"{kind} {device!r} works again after {gone_ms / 1000:.1f} s"
                return [SceneLine("notice", printable(text))]
            case events.DeviceChanged(kind, device):
                self.missing.pop(kind, None)
                return [SceneLine("notice", printable(f"{kind} is {device!r} from here on"))]
            case events.Notice(message):
                return [SceneLine("notice", printable(message))]
            case _:
                return []

    def _transcribed(self, turn: Turn, text: str) -> list[SceneLine]:
        self._leave(turn)
        said = printable(text)
        if not said:
            return []
        line = SceneLine("you", said, _began(turn))
        if turn in self._candidates:
            self._candidates[turn] = line  # shown when the candidate is confirmed
            return []
        self._pending.setdefault(turn, "")
        return [line]

    def _leave(self, turn: Turn) -> None:
        if self._user is turn:
            self._user, self.partial = None, ""

    def _over(self, turn: Turn, line: SceneLine) -> list[SceneLine]:
        self._pending.pop(turn, None)
        if self._speaking is turn:
            self._speaking, self._paused = None, False
        self._show_reply()
        return [line, *self._times.pop(turn, [])]

    def _show_reply(self) -> None:
        # Turns wait in order: the first one has the reply in progress.
        shown = next(iter(self._pending), None) if self._speaking is None else self._speaking
        self.reply = "" if shown is None else printable(self._pending[shown])


_JOINERS = "\u200c\u200d"
"""Characters that join letters, in Persian and in the scripts of India, and emoji."""


def printable(text: str) -> str:
    """Return the text on one line, without characters that would move a terminal's cursor."""
    seen = (it if it.isprintable() or it in _JOINERS else " " for it in text)
    return " ".join("".join(seen).split())


def _began(turn: Turn) -> float:
    return turn.start / turn.sample_rate


def _ended(turn: Turn) -> float:
    return (turn.start + len(turn.audio)) / turn.sample_rate


def _interrupted(turn: Turn, heard: str) -> SceneLine:
    if heard:
        return SceneLine("assistant", heard, _ended(turn), "interrupted")
    return SceneLine("notice", "(interrupted before a word was heard)", _ended(turn))


def _times(event: events.TurnMetrics) -> list[SceneLine]:
    known = [(name, getattr(event, f"{name}_ms")) for name in _TIMES]
    told = " · ".join(f"{name}_{ms:.0f}" for name, ms in known if ms is not None)
    told = told.replace("_", UNBROKEN)
    lines = [SceneLine("times", f"{told}{UNBROKEN}ms")] if told else []
    if event.samples_lost:
        lines.append(SceneLine("warning", f"{event.samples_lost} samples of the turn were lost"))
    return lines
