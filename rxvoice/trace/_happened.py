"""`mark_of`: what a line says that happened beside the turns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from rxvoice.trace._reading import TraceLine
from rxvoice.trace._story import MarkKind, StoryMark
from rxvoice.trace._text import text_of

_APP = ("says", "interrupts", "interruptions", "mute", "end", "discard")
"""What an app can say to a conversation."""
_CALL = re.compile(r"^ToolCall\(")


def mark_of(line: TraceLine) -> StoryMark | None:
    """What happened, if it is one of the things that are shown on their own."""
    told = _told(line)
    if told is None:
        return None
    kind, text = told
    turn = line.fields.get("turn")
    return StoryMark(line.at, kind, text, turn if isinstance(turn, int) else None)


def _told(line: TraceLine) -> tuple[MarkKind, str] | None:
    v = line.table("v")
    if line.kind == "lost":
        return "lost", f"{line.count('n')} lines of this trace: the disk was too slow for them"
    if line.kind == "in":
        if "v" not in line.fields or line.text("name") not in _APP:
            return None
        return "app", f"the app: {line.text('name')} {_short(line.fields['v'])}".rstrip()
    return _event(line.text("e"), v) if line.kind == "out" else None


def _event(name: str, v: Mapping[str, Any]) -> tuple[MarkKind, str] | None:
    match name:
        case "AudioLost":
            return "lost", f"{v.get('samples')} samples of the microphone were lost"
        case "Underrun":
            return "underrun", f"the loudspeaker ran dry: {v.get('samples')} samples of silence"
        case "DeviceLost":
            return "device", f"{v.get('kind')} {text_of(v.get('device'))!r} is gone"
        case "DeviceRestored":
            return "device", f"{v.get('kind')} {text_of(v.get('device'))!r} works again"
        case "DeviceChanged":
            return "device", f"{v.get('kind')} is {text_of(v.get('device'))!r} from here on"
        case "Muted":
            return "muted", "muted" if v.get("muted") is True else "not muted"
        case "WakeWord":
            return "wake", f"the wake word {text_of(v.get('word'))!r}"
        case "TurnFailed":
            return "failed", text_of(v.get("error")) or "the turn failed"
        case "Notice":
            is_call = _CALL.match(text_of(v.get("detail"))) is not None
            return "tool" if is_call else "notice", text_of(v.get("message"))
        case _:
            return None


def _short(value: object) -> str:
    if isinstance(value, dict):
        value = text_of(cast("Mapping[str, object]", value).get("say"))
    return "" if value is None else str(value)[:80]
