"""A conversation that is interrupted, as a picture: ``python -m docs.interruption``.

The picture is drawn from a run of `converse` in virtual time: what the microphone gave, what left
the loudspeaker, and the events. It is written to ``docs/assets/interruption.svg``; with ``--check``
nothing is written, and it fails when the picture is stale.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import rxvoice as rxv
from docs.picture import framed, n
from docs.written import write_or_check
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.testing import (
    FakeResponder,
    FakeSpeaker,
    FakeStreamingTranscriber,
    FakeSynthesizer,
    marbles,
)

PICTURE = Path(__file__).parent / "assets" / "interruption.svg"

CHUNK_MS = 32
SAMPLES_PER_CHAR = 1_600  # 15 characters a second
SAID = ("how far away is the moon", "", "stop what can you talk about")
REPLIES = (
    "The moon is about three hundred and eighty four thousand kilometers away.",
    "I know about twenty subjects.",
)
# A question, a cough over the reply, and words over the reply: a character is 32 ms.
MICROPHONE = "____" + 18 * "~" + 42 * "_" + 3 * "~" + 34 * "_" + 22 * "~" + 70 * "_"


@dataclass
class Run:
    """What happened, in milliseconds from the beginning."""

    told: list[tuple[float, events.Event]] = field(default_factory=list)

    def when(self, kind: type[events.Event], count: int = 0) -> float:
        """When an event of that kind came; the first is 0."""
        return [at for at, event in self.told if type(event) is kind][count]

    def heard(self) -> str:
        """What was heard of the reply that was interrupted."""
        return next(it.heard for _, it in self.told if isinstance(it, events.Interrupted))


def run() -> Run:
    """Hold the conversation."""
    it = Run()
    with marbles() as m:
        speaker = FakeSpeaker(m.scheduler)
        conversation = m.cold(MICROPHONE + "|").pipe(
            vox.turn_window(rxv.silence(320)),
            vox.converse(
                vox.transcribe(FakeStreamingTranscriber(*SAID)),
                vox.respond(FakeResponder(*REPLIES)),
                vox.synthesize(FakeSynthesizer(samples_per_char=SAMPLES_PER_CHAR)),
                sink=speaker,
            ),
            rxv.only(events.Event),
        )
        conversation.subscribe(
            lambda event: it.told.append((m.scheduler.clock * 1000, event)), scheduler=m.scheduler
        )
        m.scheduler.start()
    return it


# The picture

WIDTH, LEFT, SCALE = 860, 110, 0.115  # px, px, px for each millisecond
MICROPHONE_Y, LOUDSPEAKER_Y, EVENTS_Y, HEIGHT = 70, 142, 204, 276

STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2933; }
  .e { text-anchor: end; } .n { fill: #52606d; } .b { font-weight: bold; }
  .plate { fill: #fcfcfa; stroke: #d3d8de; } .line { stroke: #c3cad2; stroke-width: 2; } .mark { stroke: #7b8794; stroke-dasharray: 3 3; }
  .you { fill: #2f80c3; } .reply { fill: #c2557a; } .never { fill: none; stroke: #c2557a; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; } .n { fill: #a9b4c0; } .plate { fill: #1c2029; stroke: #3a4150; } .line { stroke: #3a4150; }
    .mark { stroke: #8b98a6; } .you { fill: #58a6e6; } .reply { fill: #f4a6b8; } .never { stroke: #f4a6b8; }
  }
""".rstrip()  # noqa: E501


def picture(it: Run) -> str:
    """The run as SVG."""
    speaking, paused, resumed = events.Speaking, events.Paused, events.Resumed
    played = [
        (it.when(speaking), it.when(paused)),
        (it.when(resumed), it.when(paused, 1)),
        (it.when(speaking, 1), it.when(events.Finished)),
    ]
    whole = 1000 * len(REPLIES[0]) * SAMPLES_PER_CHAR / 24_000
    unheard = whole - sum(end - begin for begin, end in played[:2])
    body = [
        _text(LEFT - 14, MICROPHONE_Y + 4, "microphone", "e b"),
        _text(LEFT - 14, LOUDSPEAKER_Y + 4, "loudspeaker", "e b"),
        _text(LEFT - 14, EVENTS_Y + 4, "events", "e b"),
        *(
            f'<path class="line" d="M{LEFT} {y}H{WIDTH - 20}"/>'
            for y in (MICROPHONE_Y, LOUDSPEAKER_Y)
        ),
    ]
    for at, char in enumerate(MICROPHONE):
        if char == "~":
            body.append(_bar(at * CHUNK_MS, MICROPHONE_Y, (7, 12, 9, 14)[at % 4], "you"))
    for begin, end in played:
        at = begin
        while at < end:
            body.append(_bar(at, LOUDSPEAKER_Y, (9, 6, 13, 8, 11)[int(at / CHUNK_MS) % 5], "reply"))
            at += CHUNK_MS
    stop = played[1][1]
    body.append(
        f'<rect class="never" x="{n(_x(stop))}" y="{LOUDSPEAKER_Y - 14}" '
        f'width="{n(SCALE * min(unheard, played[2][0] - stop - 32))}" height="28" rx="4"/>'
    )
    body += [
        _text(_x(4 * CHUNK_MS), MICROPHONE_Y - 24, "How far away is the moon?"),
        _text(_x(it.when(events.Candidate)), MICROPHONE_Y - 24, "(a cough)", "n"),
        _text(
            _x(it.when(events.Candidate, 1)), MICROPHONE_Y - 24, "Stop! What can you talk about?"
        ),
        _text(_x(played[0][0]), LOUDSPEAKER_Y - 22, it.heard() + " ..."),
        _text(_x(stop) + 8, LOUDSPEAKER_Y + 32, "never heard", "n"),
        _text(_x(played[2][0]), LOUDSPEAKER_Y - 22, REPLIES[1]),
    ]
    marks: list[tuple[float, tuple[str, ...]]] = [
        (it.when(speaking), ("Speaking",)),
        (it.when(paused), ("Candidate", "Paused")),
        (it.when(resumed), ("", "", "Dropped", "Resumed")),
        (it.when(paused, 1), ("Candidate", "Paused")),
        (it.when(events.Interrupted), ("", "", "Confirmed", f'Interrupted(heard="{it.heard()}")')),
        (it.when(speaking, 1), ("Speaking",)),
    ]
    for at, names in marks:
        x = n(_x(at))
        body.append(f'<path class="mark" d="M{x} {MICROPHONE_Y - 16}V{EVENTS_Y + 12}"/>')
        body += [_text(_x(at) + 4, EVENTS_Y + 4 + 16 * i, name) for i, name in enumerate(names)]
    title = "A conversation: a cough pauses the reply, words end it"
    return framed(WIDTH, HEIGHT, title, STYLE, body)


def _x(ms: float) -> float:
    return LEFT + SCALE * ms


def _bar(ms: float, y: float, high: int, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{n(_x(ms))}" y="{n(y - high)}" width="2.2" '
        f'height="{2 * high}" rx="1"/>'
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    told = f' class="{kind}"' if kind else ""
    return f'<text{told} x="{n(x)}" y="{n(y)}">{escape(text, quote=False)}</text>'


def main(argv: list[str] | None = None) -> int:
    """Draw the picture, or check it."""
    return write_or_check("docs.interruption", lambda: {PICTURE: picture(run())}, argv)


if __name__ == "__main__":
    sys.exit(main())
