"""`lanes`: what a timeline shows, as shapes with times; `_svg` and the page draw the same ones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rxvoice.events import LatencyPart
from rxvoice.events._parts import Moment
from rxvoice.trace._story import MarkKind, StoryAnswer, StoryPlayed, StoryTurn, TraceStory


@dataclass(frozen=True, slots=True)
class TimelineLane:
    """A row of the timeline.

    Args:
        name: what its shapes call it.
        title: what people read beside it.
        height: in pixels.
    """

    name: str
    title: str
    height: int


LANES = (
    TimelineLane("you", "Microphone", 58),
    TimelineLane("speech", "Speech", 40),
    TimelineLane("turn", "Turn", 22),
    TimelineLane("words", "Recogniser", 20),
    TimelineLane("model", "Text model", 20),
    TimelineLane("voice", "Voice", 20),
    TimelineLane("played", "Loudspeaker", 58),
    TimelineLane("waited", "Latency", 26),
    TimelineLane("marks", "Events", 20),
)


_GAP_S = 0.02
"""Between two pieces of sound that are shown as one."""


@dataclass(frozen=True, slots=True)
class LaneShape:
    """A bar, or a mark where it has no length.

    Args:
        lane: the lane.
        kind: what it is; decides its colour.
        start: seconds since the trace began.
        end: likewise; the same for a mark.
        label: what is written on it, as far as it fits.
        tip: what it says in full.
    """

    lane: str
    kind: str
    start: float
    end: float
    label: str = ""
    tip: str = ""


PARTS: Mapping[Moment, str] = {
    "turn_ended": "turn ended",
    "transcript": "transcript",
    "first_token": "first token",
    "first_sentence": "first sentence",
    "first_audio": "first audio",
    "first_heard": "first heard",
}
"""The parts of a turn's latency, as people read them."""

MARKS: Mapping[MarkKind, str] = {
    "lost": "audio lost",
    "underrun": "underrun",
    "device": "device",
    "failed": "failure",
    "tool": "tool",
    "notice": "notice",
    "app": "app",
    "wake": "wake word",
    "muted": "mute",
}


def lanes(story: TraceStory) -> list[LaneShape]:
    """All shapes, in the order in which they are drawn."""
    shapes: list[LaneShape] = []
    for turn in story.turns:
        shapes += _turn(turn)
        shapes += _words(turn)
        shapes += _model(turn)
        shapes += _voice(turn)
        shapes += _pauses(turn)
        shapes += _waited(turn)
    shapes += _played(story.played)
    for it in story.marks:
        what = MARKS[it.kind]
        label = f"{what}: {it.text}" if it.kind in ("tool", "failed", "notice", "app") else what
        shapes.append(LaneShape("marks", it.kind, it.time, it.time, label, it.text))
    return shapes


def _turn(turn: StoryTurn) -> Iterator[LaneShape]:
    if turn.id < 0:
        return
    end = turn.ended or turn.over_at or turn.speech_end or turn.opened
    spoken = turn.speech_end or end
    dropped = turn.over == "dropped"
    what = f"turn {turn.id}"
    if turn.candidate:
        what = f"candidate {turn.id}"
        what += f", dropped: {turn.why.replace('_', ' ')}" if dropped else ", confirmed"
    said = f": {turn.text}" if turn.text else ""
    if turn.begin < turn.speech:
        yield LaneShape("turn", "preroll", turn.begin, turn.speech, "", f"{what}: pre-roll")
    kind = "dropped" if dropped else "candidate" if turn.candidate else "spoken"
    label = f"turn {turn.id}" if not dropped else ""
    if turn.candidate and turn.confirmed is not None:
        # Until then nobody knows whether the user means to interrupt.
        sure = max(turn.speech, min(spoken, turn.confirmed))
        early = sure - turn.speech > spoken - sure
        first, second = (label, "") if early else ("", label)
        yield LaneShape("turn", kind, turn.speech, sure, first, f"{what}{said}")
        yield LaneShape("turn", "spoken", sure, spoken, second, f"{what}{said}")
    else:
        yield LaneShape("turn", kind, turn.speech, spoken, label, f"{what}{said}")
    if turn.ended is not None and turn.ended > spoken:
        told = f"{what}: {1000 * (turn.ended - spoken):.0f} ms of silence end it"
        yield LaneShape("turn", "silence", spoken, turn.ended, "", told)
    if dropped:
        yield LaneShape("turn", "said", end, end, f"dropped: {turn.why.replace('_', ' ')}")


def _words(turn: StoryTurn) -> Iterator[LaneShape]:
    ends = [at for at, _ in turn.partials[1:]]
    ends.append(turn.ended or turn.transcribed or turn.opened)
    for (at, text), end in zip(turn.partials, ends, strict=False):
        yield LaneShape("words", "partial", at, max(at, end), text, f"partial: {text}")
    known = turn.transcribed
    if known is not None and turn.ended is not None:
        tip = f"transcript: {turn.text}"
        yield LaneShape("words", "recognising", turn.ended, max(known, turn.ended), "", tip)
        yield LaneShape("words", "final", known, known, "", tip)
        yield LaneShape("words", "said", known, known, turn.text, tip)
    for it in turn.recogniser:
        if it.failed:
            yield _failure("words", it)


def _model(turn: StoryTurn) -> Iterator[LaneShape]:
    for it in turn.model:
        first = it.pieces[0] if it.pieces else it.end
        last = it.end if it.end is not None else it.pieces[-1] if it.pieces else turn.over_at
        if first is None:
            first = turn.over_at or it.asked
        told = f"asked; first token after {1000 * (first - it.asked):.0f} ms"
        yield LaneShape("model", "prefill", it.asked, first, "", told)
        if it.pieces and last is not None:
            told = f"{len(it.pieces)} tokens: {turn.reply}"
            yield LaneShape("model", "writing", first, max(first, last), "", told)
            for at in it.pieces:
                yield LaneShape("model", "token", at, at)
            yield LaneShape("model", "said", max(first, last), max(first, last), turn.reply)
        if it.failed:
            yield _failure("model", it)


def _voice(turn: StoryTurn) -> Iterator[LaneShape]:
    for it in turn.sentences:
        end = it.end if it.end is not None else turn.over_at or it.first or it.asked
        first = it.first if it.first is not None else end
        tip = f"{it.text} ({it.seconds:.1f} s of sound, first after {_ms(first - it.asked)})"
        early = first - it.asked > end - first
        texts = (it.text, "") if early else ("", it.text)
        yield LaneShape("voice", "asked", it.asked, first, texts[0], tip)
        yield LaneShape("voice", "made", first, max(first, end), texts[1], tip)
        if it.failed:
            yield LaneShape("voice", "failed", end, end, "", it.failed)


def _pauses(turn: StoryTurn) -> Iterator[LaneShape]:
    for it in turn.pauses:
        end = it.end if it.end is not None else it.start
        tip = f"paused{f', went on: {it.reason}' if it.reason else ''}"
        yield LaneShape("played", "paused", it.start, end, "", tip)
    if turn.over == "interrupted" and turn.over_at is not None:
        tip = f"interrupted; heard: {turn.heard or 'nothing'}"
        yield LaneShape("played", "interrupted", turn.over_at, turn.over_at, "interrupted", tip)


def _played(played: list[StoryPlayed]) -> Iterator[LaneShape]:
    """What was heard, and what was not, each in one piece."""
    runs: list[list[StoryPlayed]] = []
    for it in sorted(played, key=lambda it: (it.turn, it.heard, it.start)):
        last = runs[-1][-1] if runs else None
        follows = last and (last.turn, last.heard) == (it.turn, it.heard)
        if last and follows and it.start - last.end <= _GAP_S:
            runs[-1].append(it)
        else:
            runs.append([it])
    begins = sorted(it[0].start for it in runs if it[0].heard)
    for run in runs:
        after = bisect_right(begins, run[0].start)
        yield _run(run, begins[after] if after < len(begins) else None)


def _run(run: list[StoryPlayed], after: float | None) -> LaneShape:
    start, end = run[0].start, run[-1].end
    heard = run[0].heard
    seconds = sum(it.end - it.start for it in run)
    if not heard and after is not None:
        end = min(end, after)  # something else was heard there
    what = "heard" if heard else "made, and not heard"
    tip = f"{what}: {seconds:.1f} s of the reply to turn {run[0].turn}"
    return LaneShape("played", "heard" if heard else "unheard", start, end, "", tip)


def _waited(turn: StoryTurn) -> Iterator[LaneShape]:
    at = turn.speech_end
    if at is None or not turn.parts:
        return
    for part in turn.parts:
        end = at + part.ms / 1000
        if part.ms:
            yield LaneShape("waited", part.name, at, end, f"{part.ms:.0f}", _told(part))
        at = end
    total = turn.latency_ms
    if total is not None:
        told = " + ".join(f"{_ms(it.ms / 1000)} {it.owner}" for it in turn.parts)
        seconds = f"{total / 1000:.2f} s"
        yield LaneShape("waited", "total", at, at, seconds, f"{seconds} = {told}")


def _told(part: LatencyPart) -> str:
    return f"{PARTS[part.name]}: {part.ms:.0f} ms, for the {part.owner}"


def _failure(lane: str, answer: StoryAnswer) -> LaneShape:
    at = answer.end if answer.end is not None else answer.asked
    return LaneShape(lane, "failed", at, at, "", answer.failed or "")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


__all__ = ["LANES", "PARTS", "LaneShape", "TimelineLane", "lanes"]
