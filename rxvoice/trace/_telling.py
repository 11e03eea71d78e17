"""`story`: tells a conversation from the lines of its trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxvoice.events._parts import OWNERS, Moment
from rxvoice.trace._answers import Answers
from rxvoice.trace._capture_time import CaptureTime, Judged
from rxvoice.trace._happened import mark_of
from rxvoice.trace._played import played
from rxvoice.trace._reading import Trace, TraceLine, is_number
from rxvoice.trace._story import (
    StoryMark,
    StoryPause,
    StoryTurn,
    TraceStory,
)
from rxvoice.trace._text import text_of

_START, _STOP = 0.35, 0.2
"""The thresholds of `vad`, if the trace does not have its settings."""
_PREROLL_MS = 250.0
"""That of a command, if its settings do not say."""


def story(trace: Trace) -> TraceStory:
    """Tell the conversation: its turns, its replies, and what went wrong."""
    return _Telling(trace).tell()


class _Telling:
    """Follows the lines of a trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._captured = CaptureTime(trace)
        self._judged = Judged.of(trace, self._captured)
        self._turns: dict[int, StoryTurn] = {}
        self._told: list[StoryTurn] = []  # also those whose number was given again
        self._marks: list[StoryMark] = []
        self._answers = Answers()

    def tell(self) -> TraceStory:
        for line in self._trace.lines:
            if line.kind == "out":
                self._out(line)
            elif line.kind in ("ask", "piece", "end", "fail"):
                self._answer(line)
            mark = mark_of(line)
            if mark is not None:
                self._marks.append(mark)
        start = _setting(self._trace, "vad-start", _START)
        stop = _setting(self._trace, "vad-stop", _STOP)
        for turn in self._told:
            self._end_of_speech(turn, stop)
        heard = played(self._trace)
        return TraceStory(
            *(self._trace, self._captured, self._judged),
            *(self._told, heard, self._marks, start, stop),
        )

    def _of(self, id: int, line: TraceLine) -> StoryTurn:
        turn = self._turns.get(id)
        if turn is None:
            turn = self._open(id, line)
        return turn

    def _open(self, id: int, line: TraceLine) -> StoryTurn:
        if id < 0 or self._captured.samples == 0:
            turn = StoryTurn(id, line.at, line.at, line.at)
        else:
            # The chunk that opens a turn was judged just before.
            speech, _ = self._judged.chunk_before(self._captured.of(line.samples))
            known = _PREROLL_MS if self._trace.settings else 0.0  # an app may have none
            begin = speech - _setting(self._trace, "preroll-ms", known) / 1000
            turn = StoryTurn(id, line.at, max(begin, self._captured.of(0)), speech)
        self._turns[id] = turn
        self._told.append(turn)
        return turn

    def _answer(self, line: TraceLine) -> None:
        if line.kind == "ask":
            turn = _turn_number(line)
            self._answers.ask(line, None if turn is None else self._of(turn, line))
        else:
            self._answers.take(line)

    def _out(self, line: TraceLine) -> None:
        id = _turn_number(line)
        if id is None:
            return
        v = line.table("v")
        match line.text("e"):
            case "Candidate" | "TurnOpened" as name:
                known = self._turns.get(id)
                # A model may have been asked about it already; a candidate is confirmed late.
                is_old = known is not None and (
                    known.over != "open" or (known.ended is not None and not known.candidate)
                )
                if known is None or is_old:
                    known = self._open(id, line)
                known.candidate |= name == "Candidate"
            case name:
                _note(name, self._of(id, line), line.at, v)

    def _end_of_speech(self, turn: StoryTurn, stop: float) -> None:
        if turn.id < 0 or turn.ended is None:
            return
        told = turn.told.get("turn_ended")
        if told is not None:
            turn.speech_end = turn.ended - told / 1000
        else:
            turn.speech_end = self._judged.speech_end(turn.speech, turn.ended, stop)


def _note(name: str, turn: StoryTurn, at: float, v: Mapping[str, Any]) -> None:
    """Note what an event says of a turn."""
    match name:
        case "Confirmed":
            turn.confirmed = at
        case "TurnEnded":
            turn.ended = at
        case "Partial":
            turn.partials.append((at, text_of(v.get("text"))))
        case "Transcribed":
            turn.transcribed, turn.text = at, text_of(v.get("text"))
        case "Saying":
            turn.text = ""
        case "ReplyStarted":
            turn.first_token = at if turn.first_token is None else turn.first_token
        case "ReplyDelta":
            turn.first_token = at if turn.first_token is None else turn.first_token
            turn.reply += text_of(v.get("text"))
        case "Speaking":
            turn.speaking = at if turn.speaking is None else turn.speaking
        case "Paused":
            turn.pauses.append(StoryPause(at))
        case "Resumed":
            _end_pause(turn, at, text_of(v.get("reason")))
        case "Dropped" | "Interrupted" | "Finished" | "TurnFailed":
            _end_turn(name, turn, at, v)
        case "TurnMetrics":
            told: dict[Moment, float] = {}
            for it in OWNERS:
                ms = v.get(f"{it}_ms")
                if is_number(ms):
                    told[it] = float(ms)
            turn.told = told
        case _:
            pass


def _end_turn(name: str, turn: StoryTurn, at: float, v: Mapping[str, Any]) -> None:
    _end_pause(turn, at, "")
    turn.over_at = at
    match name:
        case "Dropped":
            turn.over, turn.why = "dropped", text_of(v.get("reason"))
        case "Interrupted":
            turn.over, turn.heard = "interrupted", text_of(v.get("heard"))
        case "TurnFailed":
            turn.over, turn.why = "failed", text_of(v.get("error"))
        case _:
            turn.over = "finished"
            turn.reply = text_of(v.get("text")) or turn.reply


def _end_pause(turn: StoryTurn, at: float, reason: str) -> None:
    if turn.pauses and turn.pauses[-1].end is None:
        turn.pauses[-1].end, turn.pauses[-1].reason = at, reason


def _turn_number(line: TraceLine) -> int | None:
    value = line.fields.get("turn")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _setting(trace: Trace, name: str, default: float) -> float:
    found = trace.settings.get(name)
    return float(found) if is_number(found) else default
