"""What may go wrong in a conversation: which part, when, and how; and the strategies that draw it.

A drawn conversation reads as a story, so that what hypothesis has shrunk can be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

__all__ = ["CELLS", "Cell", "Fault", "Talk", "Utterance", "conversations"]

WORDS = ("alpha", "bravo", "delta", "gamma", "hotel", "india")
"""What the user says: each word once, and each has five letters of which the first is its own."""

RAISES = ("raises", "Ctrl-C", "exits", "GeneratorExit", "MemoryError")
ODD = ("gives nothing", "gives nonsense")
LONG = ("hangs", "never ends")
ALL = (*RAISES, *ODD, *LONG)

Cell = tuple[str, str, str]
"""Stage, moment and kind."""

MOMENTS = ("first", "piece", "turn end", "close", "interruption", "pause", "disposal")

_EACH_CHUNK = ("first", "piece", "turn end", "interruption", "pause")
_ANSWER = ("first", "piece", "turn end", "close", "interruption", "pause", "disposal")

_TABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # stage: the moments at which it is called, and what it can do
    "source": (("first", "piece", "turn end", "interruption", "pause"), ("raises", *ODD, *LONG)),
    "mute": (_EACH_CHUNK, ("raises", *ODD)),
    "vad": (_EACH_CHUNK, (*RAISES, "gives nonsense")),
    "wake_word": (_EACH_CHUNK, (*RAISES, "gives nonsense")),
    "barge_in": (("first", "piece", "interruption", "pause"), (*RAISES, "gives nonsense")),
    "policy": (("turn end", "interruption", "pause"), (*RAISES, "gives nonsense", *LONG)),
    "commands": (("first", "turn end", "interruption", "pause"), ("raises", *ODD)),
    "transcribe whole": (("first", "interruption", "pause"), (*RAISES, *ODD)),
    "transcribe pieces": (_ANSWER[:4], (*RAISES, *ODD, "never ends")),
    "transcribe observable": (("first", "piece", "turn end", "interruption", "pause"), ALL),
    "transcribe session": (_ANSWER, (*RAISES, *ODD, "never ends")),
    "respond str": (("first",), (*RAISES, *ODD)),
    "respond generator": (_ANSWER, (*RAISES, *ODD, "never ends")),
    "respond observable": (("first", "piece", "turn end", "disposal"), ALL),
    "respond memory": (("interruption", "disposal"), RAISES),
    "tool": (("first",), (*RAISES, *ODD)),
    "synthesize generator": (_ANSWER, (*RAISES, *ODD, "never ends")),
    "synthesize observable": (("first", "piece", "turn end", "disposal"), ALL),
    "sink": (_ANSWER, (*RAISES, *ODD)),
    "paced": (("first", "piece", "pause"), ("raises", "exits", "GeneratorExit", *ODD)),
    "says": (("first", "turn end", "interruption", "pause"), ("raises", *ODD)),
    "recorder": (
        ("first", "piece", "turn end", "interruption", "pause"),
        ("raises", "MemoryError"),
    ),
    "subscriber": (("first", "piece", "turn end", "interruption", "pause"), RAISES),
}

_THREADS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # What needs threads: an answer from an event loop, and a call that does not return.
    **{
        f"{stage} async": (("first", "piece", "turn end"), ALL)
        for stage in ("transcribe", "respond", "synthesize")
    },
    **dict.fromkeys(
        ("transcribe pieces", "respond generator", "synthesize generator"),
        (_ANSWER[:2], ("hangs",)),
    ),
    **dict.fromkeys(("transcribe whole", "respond str"), (("first",), ("hangs",))),
    "transcribe session": (("first", "turn end"), ("hangs",)),
    "vad": (("first", "turn end", "interruption"), ("hangs",)),
    "wake_word": (("piece",), ("hangs",)),
    "barge_in": (("piece",), ("hangs",)),
    "sink": (("first", "piece"), ("hangs",)),
    # A trace is written by a thread of its own.
    "trace lines": (_EACH_CHUNK[:4], ("raises", "MemoryError")),
    "trace sound": ((*_EACH_CHUNK[:4], "close"), ("raises", "MemoryError")),
}

_CLOSING = ("close", "disposal")
"""While it is closed, an answer can only raise."""

IMPOSSIBLE: dict[Cell, str] = {}
"""Cells of the table that mean nothing, and why."""

for _stage, (_moments, _kinds) in _TABLE.items():
    for _moment in _moments:
        for _kind in _kinds:
            closing = _moment in _CLOSING or (
                _moment == "interruption"
                and _stage in ("respond generator", "synthesize generator")
            )
            if closing and _kind not in RAISES:
                IMPOSSIBLE[_stage, _moment, _kind] = "what is closed gives nothing any more"
            elif closing and _kind == "GeneratorExit" and "generator" in _stage:
                IMPOSSIBLE[_stage, _moment, _kind] = "that is how a generator is closed"
for _moment, _kind in (
    ("turn end", "gives nonsense"),
    ("turn end", "gives nothing"),
    ("pause", "gives nothing"),
    ("pause", "gives nonsense"),
):
    IMPOSSIBLE["sink", _moment, _kind] = "what these methods return means nothing"

CELLS: frozenset[Cell] = frozenset(
    (stage, moment, kind)
    for stage, (moments, kinds) in _TABLE.items()
    for moment in moments
    for kind in kinds
    if (stage, moment, kind) not in IMPOSSIBLE
)

THREADED = frozenset(
    (stage, moment, kind)
    for stage, (moments, kinds) in _THREADS.items()
    for moment in moments
    for kind in kinds
)
"""Cells that need threads. What is left of `CELLS` means the same there."""

PLAIN = frozenset(
    cell
    for cell in CELLS
    if cell[1] not in ("interruption", "pause", "disposal")
    and cell[0] not in ("commands", "says", "respond memory")
    and (cell[0] != "subscriber" or cell[1] == "piece")  # it gets logs and failures only
)
"""Those of a pipe without `converse`, where nobody interrupts."""

ANSWERING = frozenset(
    (stage.replace("synthesize", "answer"), moment, kind)
    for stage, moment, kind in CELLS
    if stage.startswith("synthesize ") and moment != "pause"  # speech confirms at once
)
"""Those of one model that takes the user's sound and gives its own, in place of three."""

_IN_PLACE = ("whole", "pieces", "str", "generator")
"""Answers that need neither a clock nor a worker."""

STEPPED = frozenset(
    (stage, moment, kind)
    for stage, moment, kind in PLAIN
    if stage.partition(" ")[0]
    in ("vad", "barge_in", "policy", "transcribe", "respond", "tool", "synthesize", "sink")
    and stage.partition(" ")[2] in ("", *_IN_PLACE)
    and kind not in LONG
    and (stage != "sink" or moment in ("first", "piece"))  # the app flushes it
)
"""Those of a `VoiceSession`: all is done when a step returns."""


@dataclass(frozen=True)
class Fault:
    """One part does one thing at one moment of one turn."""

    stage: str
    moment: str
    kind: str
    turn: int = 0
    odd: int = 0
    """Which nonsense."""

    @property
    def cell(self) -> Cell:
        return self.stage, self.moment, self.kind

    def __repr__(self) -> str:
        odd = f", odd={self.odd}" if self.odd else ""
        return f"Fault({self.stage!r}, {self.moment!r}, {self.kind!r}, turn={self.turn}{odd})"


@dataclass(frozen=True)
class Utterance:
    """What the user says in one go.

    Args:
        when: ``"after"`` the reply before is over; ``"over"`` it, while it is heard.
        said: ``"words"``, ``"noise"`` as long as words, or a ``"cough"``.
    """

    when: str = "after"
    said: str = "words"

    def __repr__(self) -> str:
        return f"Utterance({self.when!r}, {self.said!r})"


@dataclass(frozen=True)
class Talk:
    """A conversation with its faults."""

    utterances: tuple[Utterance, ...]
    faults: tuple[Fault, ...] = ()
    pipe: str = "converse"  # or "plain", "answer" or "session"
    hears: str = "whole"
    writes: str = "generator"
    speaks: str = "generator"
    lanes: tuple[int | None, int | None, int | None] = (None, None, None)
    """Virtual ms of a step of the recogniser, the text model and the voice; None: in place."""
    parts: frozenset[str] = field(default_factory=frozenset[str])
    """Operators that are not always there."""


def fitting(cell: Cell, *, pipe: str = "converse") -> Talk:
    """The shortest conversation that comes to the moment of a cell."""
    stage, moment, kind = cell
    over = moment in ("interruption", "pause")
    utterances = (Utterance(), Utterance("over"), Utterance()) if over else (Utterance(),) * 2
    # What happens at an interruption happens to the turn that interrupts or is interrupted.
    hit = 1 if over and stage not in _INTERRUPTED else 0
    return _talk(utterances, (Fault(stage, moment, kind, hit),), pipe)


_INTERRUPTED = (
    *("respond generator", "respond memory", "synthesize generator", "answer generator"),
    *("sink", "subscriber"),
)


def _talk(
    utterances: tuple[Utterance, ...], faults: tuple[Fault, ...], pipe: str, **shapes: Any
) -> Talk:
    for fault in faults:
        stage, _, shape = fault.stage.partition(" ")
        if stage == "transcribe":
            shapes["hears"] = shape
        elif fault.stage == "tool":
            shapes["writes"] = "tool"
        elif stage == "respond" and shape != "memory":
            shapes["writes"] = shape
        elif stage in ("synthesize", "answer"):
            shapes["speaks"] = shape
        elif stage in ("mute", "wake_word", "barge_in", "recorder", "paced", "says", "trace"):
            shapes["parts"] = shapes.get("parts", frozenset()) | {stage}
        # A step in place is over at once, so nothing can come in between; and would never end.
        lanes = list(shapes.get("lanes", (None, None, None)))
        place = {"transcribe": 0, "respond": 1, "synthesize": 2, "answer": 2}.get(stage)
        slow = fault.kind == "never ends" or fault.moment in ("interruption", "pause", "disposal")
        if place is not None and slow and stage != "transcribe":
            lanes[place] = (0, 150, 130)[place]
        if place == 0 and fault.kind == "never ends" and not lanes[0]:
            lanes[0] = 5
        shapes["lanes"] = tuple(lanes)
    if shapes.get("speaks") == "observable":  # its time limits go on while its timers are held
        shapes["parts"] = shapes.get("parts", frozenset()) - {"paced"}
    if "paced" in shapes.get("parts", ()) and not shapes.get("lanes", (None,) * 3)[2]:
        hears, writes, _ = shapes.get("lanes", (None, None, None))
        shapes["lanes"] = hears, writes, 20  # there is no pace without a worker
    return Talk(utterances, faults, pipe, **shapes)


said = st.sampled_from(["words", "words", "words", "noise", "cough"])
lane = st.sampled_from([None, None, 1, 20, 90])


@st.composite
def conversations(
    draw: st.DrawFn, pipe: str = "converse", most_faults: int = 3, *, traced: bool = False
) -> Talk:
    """A conversation, and what goes wrong in it. `traced`: it may be recorded, where it can be."""
    when = st.sampled_from(["after", "over"] if pipe in ("converse", "answer") else ["after"])
    first = st.builds(Utterance, st.just("after"), st.just("words"))
    more = st.lists(st.builds(Utterance, when, said), min_size=1, max_size=4)
    utterances = (draw(first), *draw(more))
    own = {"source", "mute", "vad", "policy", "commands", "sink", "subscriber"}
    answering = ANSWERING | {
        cell
        for cell in CELLS
        if cell[0] in own
        and cell[1] != "disposal"
        # What is typed for such a model is a notice, whatever it is.
        and (cell[0], cell[2]) != ("commands", "gives nonsense")
    }
    by_pipe = {"converse": CELLS, "plain": PLAIN, "session": STEPPED, "answer": answering}
    cells = sorted(by_pipe[pipe])
    count = draw(st.integers(0, most_faults))
    faults: list[Fault] = []
    for _ in range(count):
        cell = draw(st.sampled_from(cells))
        if any(clash(cell[0], it.stage) for it in faults):
            continue
        inputs = ("source", "mute", "commands", "says")
        if cell[0] in inputs and any(it.stage == cell[0] for it in faults):
            continue  # what has ended does nothing more
        turn = draw(st.integers(0, len(utterances) - 1))
        if any((it.stage, it.moment, it.turn) == (*cell[:2], turn) for it in faults):
            continue  # nobody could tell one from the other
        faults.append(Fault(*cell, turn, draw(st.integers(0, 5))))
    optional = ["mute", "wake_word", "barge_in"]
    optional += {"converse": ["paced", "says"], "plain": ["paced"]}.get(pipe, [])
    parts = st.frozensets(st.sampled_from([*optional, *(["trace"] * traced)]))
    in_time = () if pipe == "session" else ("observable",)
    return _talk(
        utterances,
        tuple(faults),
        pipe,
        hears=draw(st.sampled_from(["whole", "pieces", *in_time, *(("session",) * len(in_time))])),
        writes=draw(st.sampled_from(["generator", "str", "tool", *in_time])),
        speaks=draw(st.sampled_from(["generator", *in_time])),
        lanes=(draw(st.sampled_from([None, 1, 5])), draw(lane), draw(lane)),
        parts=draw(parts),
    )


def clash(stage: str, other: str) -> bool:
    """Whether a conversation cannot have both: a slot has one part."""
    mine, its = stage.split(" ")[0], other.split(" ")[0]
    kinds = {"tool": "respond"}
    same = kinds.get(mine, mine) == kinds.get(its, its)
    return same and stage != other and "memory" not in (stage + other)
