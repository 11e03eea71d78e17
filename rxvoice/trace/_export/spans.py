"""What happened, as spans on tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rxvoice.trace._lanes import LANES, MARKS, PARTS, lanes
from rxvoice.trace._story import StoryTurn, TraceStory

TITLES = {it.name: it.title for it in LANES}
_NAMES = {
    "preroll": "pre-roll",
    "silence": "end-of-turn silence",
    "recognising": "transcribe",
    "prefill": "first token",
    "writing": "write",
    "asked": "first audio",
    "made": "synthesize",
    "unheard": "not heard",
    "dropped": "dropped candidate",
    "final": "transcript",
    **PARTS,
    **MARKS,
}
_LEFT_OUT = ("said", "token", "total", "final")


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """Something that lasted, or happened at one moment.

    Args:
        track: the name of its row, for people.
        name: what it is.
        start: seconds since the trace began.
        end: likewise; the same for a moment.
        about: what it says in full.
    """

    track: str
    name: str
    start: float
    end: float
    about: str = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said, and when.

    Args:
        who: ``"you"`` or ``"assistant"``.
        text: what was heard of it.
        start: seconds since the trace began.
        end: likewise.
    """

    who: str
    text: str
    start: float
    end: float


@dataclass(slots=True)
class Tracks:
    """The spans of each track, in order, of which none overlaps another."""

    spans: dict[str, list[TraceSpan]] = field(default_factory=dict[str, list[TraceSpan]])

    @classmethod
    def of(cls, told: TraceStory) -> Tracks:
        """The tracks of a conversation."""
        tracks = cls({title: [] for name, title in TITLES.items() if name not in ("you", "speech")})
        for it in sorted(_spans(told), key=lambda it: (it.start, -it.end)):
            tracks.spans[it.track].append(it)
        return tracks


def _spans(told: TraceStory) -> Iterator[TraceSpan]:
    for it in lanes(told):
        if it.kind not in _LEFT_OUT:
            name = _NAMES.get(it.kind, it.kind)
            yield TraceSpan(TITLES[it.lane], name, it.start, max(it.start, it.end), it.tip)


def said(told: TraceStory) -> list[Utterance]:
    """What both sides said, in its order. Of a reply, what was heard."""
    found: list[Utterance] = []
    for turn in told.turns:
        if turn.text and turn.over != "dropped":
            end = turn.speech_end or turn.ended or turn.opened
            found.append(Utterance("you", turn.text, turn.speech, max(end, turn.speech + 0.1)))
        found += _heard(told, turn)
    return sorted(found, key=lambda it: it.start)


def _heard(told: TraceStory, turn: StoryTurn) -> Iterator[Utterance]:
    text = turn.reply if turn.heard is None else turn.heard
    sound = [it for it in told.played if it.turn == turn.id and it.heard]
    if not text.strip():
        return
    if sound:
        yield Utterance("assistant", text.strip(), sound[0].start, max(it.end for it in sound))
    elif turn.speaking is not None:
        end = turn.over_at if turn.over_at is not None else turn.speaking + 1
        yield Utterance("assistant", text.strip(), turn.speaking, max(end, turn.speaking + 0.1))
