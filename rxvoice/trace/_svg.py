"""`svg`: a timeline as a picture, in rows of so many seconds."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from html import escape
from itertools import accumulate

import numpy as np

from rxvoice.events._parts import OWNERS
from rxvoice.trace._colours import DARK, KINDS, LIGHT, rules
from rxvoice.trace._lanes import LANES, PARTS, LaneShape, lanes
from rxvoice.trace._sounding import Wave, loudspeaker_on_axis, microphone_on_axis, peaks
from rxvoice.trace._story import TraceStory

_GUTTER, _EDGE, _AXIS, _GAP, _HEAD = 92, 14, 24, 5, 46
_TOPS = [0, *accumulate(it.height + _GAP for it in LANES)]
_ROW = _AXIS + _TOPS[-1] + 22
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"
_CHAR = 5.9
"""Pixels of a character, about."""
ONE_ROW_S = 40.0
"""Seconds that are drawn in one row; longer ones have rows of `ROW_S`."""
ROW_S = 30.0


def svg(
    story: TraceStory, start: float, end: float, *, width: int = 1280, dark: bool = False
) -> str:
    """Draw the conversation from `start` to `end`, in seconds since the trace began.

    Args:
        width: in pixels.
        dark: draw light on dark, always. Otherwise the reader's setting decides.
    """
    seconds = max(end - start, 0.1)
    each = seconds if seconds <= ONE_ROW_S else ROW_S
    rows = math.ceil(seconds / each - 1e-9)
    height = _HEAD + rows * _ROW + 30
    shapes: dict[str, list[LaneShape]] = {it.name: [] for it in LANES}
    for it in lanes(story):
        shapes[it.lane].append(it)
    waves = {"you": microphone_on_axis(story), "played": loudspeaker_on_axis(story)}
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="{escape(_FONT, quote=True)}" font-size="11">',
        f"<style>{_style(dark)}</style>",
        f'<rect width="{width}" height="{height}" class="c-paper"/>',
        *_head(story, start, end),
    ]
    for row in range(rows):
        begin = start + row * each
        out.append(f'<g transform="translate(0 {_HEAD + row * _ROW})">')
        view = _View(begin, begin + each, width, min(begin + each, end))
        out += _row(story, view, shapes, waves)
        out.append("</g>")
    out += _legend(height - 14)
    out.append("</svg>\n")
    return "\n".join(out)


class _View:
    """Where a time is on a row."""

    def __init__(self, start: float, end: float, width: int, last: float) -> None:
        self.start = start
        self.end = end
        self.last = last
        self.left = _GUTTER
        self.right = width - _EDGE
        self.scale = (self.right - self.left) / (end - start)

    def x(self, time: float) -> float:
        return self.left + (min(max(time, self.start), self.last) - self.start) * self.scale


def _style(dark: bool) -> str:
    text = "text{dominant-baseline:central}"
    if dark:
        return text + rules(DARK)
    return f"{text}{rules(LIGHT)}@media(prefers-color-scheme:dark){{{rules(DARK)}}}"


def _head(story: TraceStory, start: float, end: float) -> Iterator[str]:
    turns = [it for it in story.turns if start <= it.opened <= end]
    waits = sorted(it.latency_ms for it in turns if it.latency_ms is not None)
    told = f"{clock(start)} to {clock(end)}"
    if waits:
        replies = "1 reply" if len(waits) == 1 else f"{len(waits)} replies"
        told += f" · {replies} heard, median after {waits[len(waits) // 2] / 1000:.2f} s"
    when = str(story.trace.header.get("started", ""))[:16].replace("T", " ")
    yield f'<text x="14" y="20" font-size="15" font-weight="600" class="c-ink">{_t(when)}</text>'
    yield f'<text x="14" y="37" class="c-soft">{_t(told)}</text>'


def _row(
    story: TraceStory, view: _View, shapes: dict[str, list[LaneShape]], waves: dict[str, Wave]
) -> Iterator[str]:
    yield from _axis(view)
    yield f'<g transform="translate(0 {_AXIS})">'
    for lane, top in zip(LANES, _TOPS, strict=False):
        middle = top + lane.height / 2
        yield (
            f'<text x="{_GUTTER - 8}" y="{middle:g}" text-anchor="end" class="c-soft">'
            f"{lane.title}</text>"
        )
        yield (
            f'<rect x="{view.left}" y="{top}" width="{view.x(view.last) - view.left:.1f}" '
            f'height="{lane.height}" rx="3" class="c-raised"/>'
        )
        inside = [it for it in shapes[lane.name] if it.end >= view.start and it.start <= view.last]
        if lane.name in waves:
            yield from _bars(inside, view, top, lane.height)
            yield _wave(waves[lane.name], view, middle, lane.height, lane.name)
        elif lane.name == "speech":
            yield from _speech(story, view, top, lane.height)
        else:
            yield from _bars(inside, view, top, lane.height)
    yield "</g>"


def _axis(view: _View) -> Iterator[str]:
    step = step_for(view.scale)
    first = math.ceil(view.start / step - 1e-9)
    last = math.floor(view.last / step + 1e-9)
    for n in range(first, last + 1):
        x = view.x(n * step)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_AXIS - 5}" y2="{_AXIS + _TOPS[-1] - _GAP}" '
            'class="s-line"/>'
        )
        if x < view.right - 40:
            yield f'<text x="{x + 3:.1f}" y="{_AXIS - 9}" class="c-faint">{clock(n * step)}</text>'


def step_for(scale: float) -> float:
    """Seconds between the marks of an axis with so many pixels a second."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
    return next((it for it in steps if it * scale >= 56), 1800.0)


def clock(seconds: float) -> str:
    """The time as people write it: 1:05, or 1:05.2."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    whole, tenth = divmod(rest, 10)
    return f"{minutes}:{whole:02}" + (f".{tenth}" if tenth else "")


def _bars(shapes: list[LaneShape], view: _View, top: int, height: int) -> Iterator[str]:
    starts = sorted(view.x(it.start) for it in shapes if it.kind != "said")
    free = 0.0  # where the label of a mark may begin
    for it in shapes:
        left, right = view.x(it.start), view.x(it.end)
        tip = f"<title>{_t(it.tip)}</title>" if it.tip else ""
        if it.kind in ("said", "total"):
            after = bisect_right(starts, left + 0.5)
            until = starts[after] if after < len(starts) else view.right
            text = fit(it.label, until - left - 14)
            if text and view.start <= it.start:
                yield _label(left + 6, top + height / 2, it, text, bold=it.kind == "total")
        elif it.kind == "token":
            if view.scale >= 40:
                yield (
                    f'<rect x="{left:.1f}" y="{top + 4}" width="1" height="{height - 8}" '
                    'class="k-token"/>'
                )
        elif it.end > it.start:
            width = max(right - left, 0.8)
            yield (
                f'<rect x="{left:.1f}" y="{top + 1}" width="{width:.1f}" height="{height - 2}" '
                f'rx="{min(2.5, width / 2):g}" class="k-{it.kind}">{tip}</rect>'
            )
            text = fit(it.label, width - 8)
            if text:
                yield _label(left + 4, top + height / 2, it, text)
        elif view.start <= it.start:
            yield _mark(left, top, height, it, tip)
            after = bisect_right(starts, left + 0.5)
            beside = it.lane != "played" and after < len(starts)
            until = starts[after] if beside else view.right
            text = fit(it.label, min(40 * _CHAR, until - left - 14))
            if text and left >= free:
                yield _label(left + 7, top + (9 if it.lane == "played" else height / 2), it, text)
                free = left + len(text) * _CHAR + 14


def _mark(x: float, top: int, height: int, it: LaneShape, tip: str) -> str:
    if it.lane == "marks" or it.kind == "failed":
        return (
            f'<circle cx="{x:.1f}" cy="{top + height / 2:g}" r="4" class="k-{it.kind}">{tip}'
            "</circle>"
        )
    return (
        f'<rect x="{x - 0.75:.1f}" y="{top}" width="1.5" height="{height}" class="k-{it.kind}">'
        f"{tip}</rect>"
    )


def _label(
    x: float, y: float, it: LaneShape, text: str | None = None, *, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    said = _t(it.label if text is None else text)
    return f'<text x="{x:.1f}" y="{y:g}" class="l-{it.kind}"{weight}>{said}</text>'


def fit(text: str, width: float) -> str:
    """As much of the text as fits; empty if that would tell nothing."""
    room = int(width / _CHAR)
    if len(text) <= room:
        return text
    return f"{text[: room - 1].rstrip()}…" if room >= 4 else ""


def _wave(wave: Wave, view: _View, middle: float, height: int, name: str) -> str:
    pcm, rate = wave
    count = max(1, int(view.x(view.last) - view.left))
    found = peaks(pcm, rate, view.start, view.last, count)
    if not rate:
        return ""
    half = height / 2 - 2
    scaled = np.sign(found) * np.sqrt(np.abs(found)) * half  # quiet speech can be seen
    x = view.left + np.arange(count) + 0.5
    top = [f"{a:.0f} {middle - max(b, 0.4):.1f}" for a, b in zip(x, scaled[:, 1], strict=True)]
    low = [f"{a:.0f} {middle - min(b, -0.4):.1f}" for a, b in zip(x, scaled[:, 0], strict=True)]
    colour = "c-you" if name == "you" else "c-voice"
    return f'<path d="M{"L".join([*top, *reversed(low)])}Z" class="{colour}"/>'


def _speech(story: TraceStory, view: _View, top: int, height: int) -> Iterator[str]:
    def y(value: float) -> float:
        return top + height - 2 - value * (height - 4)

    points: list[str] = []
    last = -1e9
    judged = story.judged
    first_at = bisect_left(judged.ends, view.start)
    last_at = bisect_right(judged.starts, view.last)
    for n in range(first_at, last_at):
        value = judged.values[n]
        x = view.x((judged.starts[n] + judged.ends[n]) / 2)
        if x - last < 1:
            continue
        points.append(f"{x:.1f} {y(value):.1f}")
        last = x
    if points:
        first, end = points[0].split()[0], points[-1].split()[0]
        base = f"{y(0):.1f}"
        yield (
            f'<path d="M{first} {base}L{"L".join(points)}L{end} {base}Z" class="c-you" '
            'fill-opacity="0.22"/>'
        )
        yield f'<path d="M{"L".join(points)}" fill="none" class="s-you" stroke-width="1.2"/>'
    for value, name in ((story.start, "speech starts"), (story.stop, "speech stops")):
        yield (
            f'<line x1="{view.left}" x2="{view.x(view.last):.1f}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}" class="s-faint" stroke-dasharray="3 3" stroke-width="0.8">'
            f"<title>{name} at {value:g}</title></line>"
        )


def _legend(y: float) -> Iterator[str]:
    x = float(_GUTTER)
    for name, owner in OWNERS.items():
        told = f"{PARTS[name]} ({owner})"
        yield f'<rect x="{x:.0f}" y="{y - 5:g}" width="10" height="10" rx="2" class="k-{name}"/>'
        yield f'<text x="{x + 15:.0f}" y="{y:g}" class="c-soft">{told}</text>'
        x += 34 + len(told) * _CHAR


def _t(text: str) -> str:
    shown = "".join(it if it.isprintable() else " " for it in text)
    return escape(shown)


__all__ = ["KINDS", "ONE_ROW_S", "ROW_S", "clock", "svg"]
