"""`page`: a timeline as one HTML file, with its sound, that asks no host for anything."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rxvoice.events._parts import OWNERS
from rxvoice.trace._colours import DARK, LIGHT, rules, variables
from rxvoice.trace._lanes import LANES, PARTS, lanes
from rxvoice.trace._sounding import (
    Pcm,
    Wave,
    loudspeaker_on_axis,
    microphone_on_axis,
    mixed,
    peaks,
)
from rxvoice.trace._story import StoryTurn, TraceStory

_FILES = Path(__file__).parent / "page"
_BUCKET_S = 0.01
"""Of a peak of the waveforms."""
_SOUND_RATE = 16_000
_SOUND_S = 60.0
"""Of one piece of sound; each is decoded when it is first heard."""
MOST_SOUND_S = 20 * 60
"""Of sound that is put into a page: about 4 MB."""


def page(story: TraceStory, start: float, end: float) -> str:
    """The page of the conversation from `start` to `end`, in seconds since the trace began."""
    data = json.dumps(_data(story, start, end), ensure_ascii=False, separators=(",", ":"))
    style = (
        f":root{{color-scheme:light dark;{variables(LIGHT)}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
        f"{rules()}{_file('timeline.css')}"
    )
    when = str(story.trace.header.get("started", ""))[:16].replace("T", " ")
    filled = {
        "title": escape(f"Conversation of {when}" if when else "Conversation"),
        "style": style,
        "script": _file("timeline.js"),
        # Nothing in a text may end the script, or begin a comment in it.
        "data": data.replace("<", "\\u003c"),
    }
    html = _file("timeline.html")
    for name, value in filled.items():
        before, after = html.split(f"<!--{name}-->")
        html = f"{before}{value}{after}"
    return html


def _file(name: str) -> str:
    return (_FILES / name).read_text("utf-8")


def _data(story: TraceStory, start: float, end: float) -> dict[str, object]:
    waves = {"you": microphone_on_axis(story), "played": loudspeaker_on_axis(story)}
    count = max(1, round((end - start) / _BUCKET_S))
    return {
        "start": start,
        "end": end,
        "began": str(story.trace.header.get("started", "")),
        "by": f"rxvoice {story.trace.header.get('rxvoice', '')}".strip(),
        "torn": story.trace.finish is None,
        "lanes": [[it.name, it.title, it.height] for it in LANES],
        "parts": {name: [told, OWNERS[name]] for name, told in PARTS.items()},
        "shapes": [
            [it.lane, it.kind, round(it.start, 4), round(it.end, 4), it.label, it.tip]
            for it in lanes(story)
            if it.end >= start and it.start <= end
        ],
        "turns": [_turn(it) for it in story.turns if start <= it.opened <= end],
        "waves": {
            name: _base64(_drawn(peaks(*wave, start, end, count))) for name, wave in waves.items()
        },
        "speech": _speech(story, start, end),
        "sound": _sound(waves["you"], waves["played"], start, end),
    }


def _turn(it: StoryTurn) -> dict[str, object]:
    return {
        "id": it.id,
        "start": round(it.begin, 3),
        "end": round(max(it.over_at or 0, it.ended or 0, it.opened), 3),
        "candidate": it.candidate and it.over == "dropped",
        "said": it.text,
        "reply": it.reply if it.heard is None else it.heard,
        "over": it.over,
        "why": it.why,
        "parts": [[part.name, part.ms] for part in it.parts],
        "total": it.latency_ms,
    }


def _speech(story: TraceStory, start: float, end: float) -> Mapping[str, object]:
    judged = story.judged
    times = (np.array(judged.starts) + np.array(judged.ends)) / 2
    values = np.array(judged.values)
    inside = (times >= start) & (times <= end)
    return {
        "times": _base64(times[inside].astype("<f4").tobytes()),
        "values": _base64(np.round(values[inside] * 255).astype(np.uint8).tobytes()),
        "start": story.start,
        "stop": story.stop,
    }


def _drawn(found: NDArray[np.float32]) -> bytes:
    """The peaks as they are drawn, a byte each: by their roots, so that quiet speech is seen."""
    return np.round(np.sign(found) * np.sqrt(np.abs(found)) * 127).astype(np.int8).tobytes()


def _sound(you: Wave, assistant: Wave, start: float, end: float) -> list[str]:
    """Both sides together, in pieces of Ogg Vorbis."""
    if end - start > MOST_SOUND_S:
        return []
    count = round(end * _SOUND_RATE) - round(start * _SOUND_RATE)
    both = _between(you, start, end), _between(assistant, start, end)
    whole = mixed(both[0], both[1], _SOUND_RATE)[:count]
    size = round(_SOUND_S * _SOUND_RATE)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    with ThreadPoolExecutor() as pool:  # libvorbis works without Python's lock
        return list(pool.map(_compressed, pieces))


def _between(wave: Wave, start: float, end: float) -> Wave:
    pcm, rate = wave
    return pcm[round(start * rate) : round(end * rate)], rate


def _compressed(pcm: Pcm) -> str:
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", _SOUND_RATE, 1, "VORBIS", format="OGG", compression_level=1.0
    ) as sound:
        for at in range(0, len(pcm), 8192):  # libvorbis puts them on the stack
            sound.write(pcm[at : at + 8192])
    return _base64(file.getvalue())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


__all__ = ["MOST_SOUND_S", "page"]
