"""`curve`: cut-offs against latency, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from rxvoice.cli._sweep import SweepPoint

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 40, 56

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .small { font-size: 11px }
.axis { stroke: #8c959f } .grid { stroke: #8c959f; stroke-opacity: .25 }
.line { fill: none; stroke: #0969da; stroke-width: 2 } .dot { fill: #0969da }
.now { fill: none; stroke: #cf222e; stroke-width: 2 } .back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .back { fill: #0d1117 } .line { stroke: #58a6ff } .dot { fill: #58a6ff }
}
"""


def curve(name: str, points: Sequence[SweepPoint], now: float | None) -> str:
    """Draw the curve as an SVG: to the right the latency, upwards the share that is cut off.

    Args:
        now: the value that the conversations were recorded with, if it is one for all.
    """
    known = [it for it in points if it.latency_ms is not None]
    across = _nice(max((it.latency_ms or 0) / 1000 for it in known) if known else 1)
    up = _nice(max((100 * it.cut_off / max(1, it.said) for it in known), default=1) or 1)

    def x(seconds: float) -> float:
        return _LEFT + seconds / across[-1] * (_WIDTH - _LEFT - _RIGHT)

    def y(percent: float) -> float:
        return _HEIGHT - _BOTTOM - percent / up[-1] * (_HEIGHT - _TOP - _BOTTOM)

    at = [(x((it.latency_ms or 0) / 1000), y(100 * it.cut_off / max(1, it.said))) for it in known]
    said = points[0].said if points else 0
    title = f"{name}: cut off against latency, {said} utterances"
    body = [f'<rect class="back" width="{_WIDTH}" height="{_HEIGHT}"/>']
    body.append(_text(_LEFT, 22, title, "title"))
    for value in across:
        body.append(_line(x(value), _TOP, x(value), _HEIGHT - _BOTTOM, "grid"))
        body.append(_text(x(value), _HEIGHT - _BOTTOM + 18, f"{value:g}", anchor="middle"))
    for value in up:
        body.append(_line(_LEFT, y(value), _WIDTH - _RIGHT, y(value), "grid"))
        body.append(_text(_LEFT - 8, y(value) + 4, f"{value:g} %", anchor="end"))
    body.append(_line(_LEFT, y(0), _WIDTH - _RIGHT, y(0), "axis"))
    body.append(_line(_LEFT, _TOP, _LEFT, _HEIGHT - _BOTTOM, "axis"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    label = "seconds from the end of the speech to the reply, the median"
    body.append(_text(middle, _HEIGHT - 14, label, anchor="middle"))
    if len(at) > 1:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
        body.append(f'<polyline class="line" points="{path}"/>')
    for it, (a, b) in zip(known, at, strict=True):
        tip = f"{name} {it.value:g}: {it.cut_off} of {it.said} cut off, {it.joined} joined"
        body.append(
            f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="4"><title>{escape(tip)}</title>'
            "</circle>"
        )
        if it.value == now:
            body.append(f'<circle class="now" cx="{a:.1f}" cy="{b:.1f}" r="8"/>')
        body.append(_text(a + 7, b - 7, f"{it.value:g}", "small"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<style>{_STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _nice(most: float) -> list[float]:
    """About five round values from 0 to at least `most`."""
    step = 10 ** math.floor(math.log10(most / 4))
    step *= next((it for it in (1, 2, 5) if most / (step * it) <= 5), 10)
    return [round(n * step, 9) for n in range(math.ceil(most / step - 1e-9) + 1)]


def _line(a: float, b: float, c: float, d: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>'


def _text(a: float, b: float, text: str, kind: str = "", anchor: str = "start") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
