"""The colours of a timeline, in light and dark. They are those of the page of ``rxvoice serve``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LIGHT: Mapping[str, str] = {
    "paper": "#faf8f4",
    "raised": "#ffffff",
    "ink": "#1d1b19",
    "soft": "#5d5851",
    "faint": "#777067",
    "line": "#e4dfd6",
    "you": "#a8502a",
    "voice": "#1f7a6d",
    "on": "#ffffff",
    "alarm": "#b3261e",
    "amber": "#b57a14",
    "silence": "#b9b1a5",
    "token": "#0f5349",
    "sentence": "#8a8d3a",
    "heard": "#74b8ac",
}
DARK: Mapping[str, str] = {
    "paper": "#161514",
    "raised": "#201e1c",
    "ink": "#f1ede7",
    "soft": "#aca59b",
    "faint": "#8d867c",
    "line": "#35322e",
    "you": "#e29a74",
    "voice": "#67bcae",
    "on": "#161514",
    "alarm": "#ff8a7a",
    "amber": "#e2b04f",
    "silence": "#6a645c",
    "token": "#a9ddd4",
    "sentence": "#c9c877",
    "heard": "#35766c",
}


class Look(NamedTuple):
    """How a kind of shape looks: its colour, how much of it, and the colour of its label."""

    colour: str
    opacity: float = 1.0
    label: str = "on"


KINDS: Mapping[str, Look] = {
    "preroll": Look("you", 0.3),
    "spoken": Look("you"),
    "candidate": Look("you", 0.55, "ink"),
    "dropped": Look("amber", 0.45, "ink"),
    "silence": Look("silence", 0.75, "ink"),
    "partial": Look("you", 0.14, "ink"),
    "recognising": Look("you", 0.75),
    "final": Look("ink"),
    "prefill": Look("token", 0.35),
    "writing": Look("token"),
    "token": Look("on", 0.35),
    "asked": Look("voice", 0.35, "ink"),
    "made": Look("voice"),
    "heard": Look("heard", 0.18),
    "unheard": Look("silence", 0.3),
    "paused": Look("amber", 0.35),
    "interrupted": Look("alarm", 1, "alarm"),
    "turn_ended": Look("silence", 1, "ink"),
    "transcript": Look("you"),
    "first_token": Look("token"),
    "first_sentence": Look("sentence", 1, "on"),
    "first_audio": Look("voice"),
    "first_heard": Look("heard", 1, "ink"),
    "total": Look("ink", 1, "ink"),
    "said": Look("ink", 1, "ink"),
    "lost": Look("alarm", 1, "ink"),
    "underrun": Look("alarm", 1, "ink"),
    "failed": Look("alarm", 1, "ink"),
    "device": Look("amber", 1, "ink"),
    "muted": Look("amber", 1, "ink"),
    "tool": Look("sentence", 1, "ink"),
    "wake": Look("you", 1, "ink"),
    "app": Look("soft", 1, "ink"),
    "notice": Look("faint", 1, "ink"),
}
"""How each kind of `LaneShape` looks."""


def rules(colours: Mapping[str, str] | None = None) -> str:
    """CSS for the classes of all kinds.

    Args:
        colours: the colour of each name; None for CSS variables of these names.
    """

    def of(name: str) -> str:
        return f"var(--{name})" if colours is None else colours[name]

    lines = [f".c-{name}{{fill:{of(name)}}}.s-{name}{{stroke:{of(name)}}}" for name in LIGHT]
    for kind, it in KINDS.items():
        opacity = "" if it.opacity == 1 else f";fill-opacity:{it.opacity:g}"
        lines.append(f".k-{kind}{{fill:{of(it.colour)}{opacity}}}")
        lines.append(f".l-{kind}{{fill:{of(it.label)}}}")
    return "".join(lines)


def variables(colours: Mapping[str, str]) -> str:
    """The colours as CSS variables."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())
