"""What was said, beside the sound: captions (WebVTT), and a label track for Audacity."""

from __future__ import annotations

from html import escape

from rxvoice.trace._export.spans import said
from rxvoice.trace._story import TraceStory

_NAMES = {"you": "You", "assistant": "Assistant"}


def vtt(told: TraceStory) -> bytes:
    """Captions: what the user said, and what was heard of each reply."""
    cues = [
        f"{_time(it.start)} --> {_time(max(it.end, it.start + 0.001))}\n"
        f"<v {_NAMES[it.who]}>{escape(_line(it.text), quote=False)}</v>\n"
        for it in said(told)
    ]
    return ("WEBVTT\n\n" + "\n".join(cues)).encode()


def audacity(told: TraceStory) -> bytes:
    """Labels in seconds of microphone.flac. Audacity: File, Import, Labels."""
    # The sound file begins with the first block, the axis of time with the trace.
    zero = told.captured.of(0)
    labels = [(it.start, it.end, f"{_NAMES[it.who]}: {it.text}") for it in said(told)]
    for turn in told.turns:
        if turn.over == "dropped":
            end = turn.ended or turn.over_at or turn.opened
            labels.append((turn.speech, end, f"dropped: {turn.why}"))
        if turn.latency_ms is not None and turn.speech_end is not None:
            heard = turn.speech_end + turn.latency_ms / 1000
            labels.append((turn.speech_end, heard, f"waited {turn.latency_ms / 1000:.2f} s"))
    labels += [(it.time, it.time, f"{it.kind}: {it.text}") for it in told.marks]
    rows = [
        f"{max(0.0, start - zero):.6f}\t{max(0.0, end - zero, start - zero):.6f}\t{_line(text)}\n"
        for start, end, text in sorted(labels)
    ]
    return "".join(rows).encode()


def _time(seconds: float) -> str:
    ms = max(0, round(seconds * 1000))
    hours, ms = divmod(ms, 3_600_000)
    minutes, ms = divmod(ms, 60_000)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"


def _line(text: str) -> str:
    return " ".join("".join(it if it.isprintable() else " " for it in text).split())
