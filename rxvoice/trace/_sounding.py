"""Both sides of a conversation on its axis of time, and their peaks."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.pcm16 import from_pcm16
from rxvoice.trace._capture_time import blocks
from rxvoice.trace._story import StoryPlayed, TraceStory

Pcm: TypeAlias = NDArray[np.int16]
Wave: TypeAlias = tuple[Pcm, int]
"""Samples and their rate in Hz; empty and 0 if there are none."""

_STEADY_S = 0.02
"""Blocks whose times differ by less from what the blocks before say are one stretch."""
_LONGEST_S = 6 * 3600
"""Of sound that is laid out on the axis of time."""
_MOST = 2**30
"""Samples of it: a trace of some lines could claim to have hours at a million hertz."""


def microphone_on_axis(story: TraceStory) -> Wave:
    """The microphone's samples, from the beginning of the trace on, and their rate.

    Where nothing was captured there are zeros. Both are empty and 0 without sound.
    """
    stored = story.trace.microphone
    rate = stored.rate
    if not len(stored) or not rate:
        return np.empty(0, np.int16), 0
    whole = _silence(story, rate)
    position = 0  # on the axis, where the next block is expected
    begin = end = 0  # of the stretch, in the file
    put = 0  # where the stretch begins, on the axis
    for block in blocks(story.trace):
        wanted = round(block.time * rate)
        if end and abs(wanted - position) > _STEADY_S * rate:
            _place(whole, put, stored.pcm16[begin:end])
            begin, put, position = block.start, wanted, wanted
        elif not end:
            put = position = wanted
        end = block.start + block.count
        position += block.count
    _place(whole, put, stored.pcm16[begin:end])
    return whole, rate


def loudspeaker_on_axis(story: TraceStory) -> Wave:
    """What was heard of the assistant, likewise."""
    voices = {it.voice: story.trace.voice(it.voice) for it in story.played if _is_file(it)}
    rate = max((it.rate for it in voices.values()), default=0)
    whole = _silence(story, rate)
    if not len(whole):
        return np.empty(0, np.int16), 0
    for it in story.played:
        sound = voices.get(it.voice)
        if sound is None or not it.heard or not sound.rate:
            continue
        samples = sound.pcm16[it.at : it.at + it.samples]
        if sound.rate != rate:
            samples = _at_rate(samples, sound.rate, rate)
        _place(whole, round(it.start * rate), samples)
    return whole, rate


def peaks(pcm: Pcm, rate: int, start: float, end: float, count: int) -> NDArray[np.float32]:
    """The lowest and highest sample, -1 to 1, of each of `count` equal stretches: (count, 2)."""
    found = np.zeros((count, 2), np.float32)
    if not rate or end <= start:
        return found
    edges = np.round(np.linspace(start, end, count + 1) * rate).astype(np.int64)
    inside = np.flatnonzero((edges[:-1] < len(pcm)) & (edges[1:] > 0))
    if not len(inside):
        return found
    first, last = inside[0], inside[-1]
    low = max(0, int(edges[first]))
    part = pcm[low : int(edges[last + 1])]
    if not len(part):
        return found
    at = np.clip(edges[first : last + 1] - low, 0, len(part) - 1)
    found[first : last + 1, 0] = from_pcm16(np.minimum.reduceat(part, at))
    found[first : last + 1, 1] = from_pcm16(np.maximum.reduceat(part, at))
    return found


def mixed(you: Wave, assistant: Wave, rate: int) -> Pcm:
    """Both sides together, at this rate, from the beginning of the trace on."""
    given = [_at_rate(pcm, own, rate) for pcm, own in (you, assistant) if own]
    whole = np.zeros(max(map(len, given), default=0), np.int32)
    for pcm in given:
        whole[: len(pcm)] += pcm
    return np.clip(whole, -32768, 32767).astype(np.int16)


def _is_file(it: StoryPlayed) -> bool:
    return 1 <= it.voice <= 9999


def _silence(story: TraceStory, rate: int) -> Pcm:
    seconds = min(story.duration, _LONGEST_S)
    return np.zeros(min(int(seconds * rate) + 1, _MOST) if rate else 0, np.int16)


def _place(whole: Pcm, at: int, samples: Pcm) -> None:
    if at < 0:
        samples, at = samples[-at:], 0
    room = whole[at : at + len(samples)]
    room[:] = samples[: len(room)]


def _at_rate(pcm: Pcm, own: int, rate: int) -> Pcm:
    import soxr

    return pcm if own == rate else soxr.resample(pcm, own, rate, "LQ")
