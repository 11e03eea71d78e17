"""`preroll`: keep what came just before the speech."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import milliseconds, unjudged
from rxvoice.chunks import AudioChunk
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["preroll"]


def preroll(ms: float = 250) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Note on the first chunk of each speech run what came just before it.

    A detector needs a moment to be sure; without the pre-roll the first syllable is cut.
    `turn_window` uses the ``lead_in`` of the chunk that opens a turn, and trims it to what came
    after the last turn.

    Emits: the same chunks one for one; the first of a speech run, and only that, with ``lead_in``:
        the last ``sample_rate * ms // 1000`` samples before it, fewer at the start of the stream.
        Events from upstream pass.
    Completes: with the source.
    Errors: `AudioFormatError` for a chunk that no `vad` has judged; the source's.
    Drops: nothing.
    Runs on: the thread of the source.

    Args:
        ms: milliseconds to keep, 0 or more.

    As ``PreRollBuffer`` in mlx-audio's voice pipeline; an annotation here, so that no signal has
    to come back from downstream.
    """
    milliseconds("preroll", ms, 0)

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        kept: deque[Samples] = deque()
        held = 0
        speaking = False

        def lead_in(wanted: int) -> Samples:
            joined = np.concatenate(kept)[-wanted:] if held and wanted else np.empty(0, np.float32)
            joined.flags.writeable = False
            return joined

        def step(chunk: AudioChunk) -> None:
            nonlocal held, speaking
            if chunk.speech is None and not chunk.partial:
                out.fail(unjudged("preroll"))
                return
            wanted = int(chunk.sample_rate * ms // 1000)
            opens = bool(chunk.speech) and not speaking
            if not chunk.partial:
                speaking = bool(chunk.speech)
            annotated = replace(chunk, lead_in=lead_in(wanted)) if opens else chunk
            kept.append(chunk.samples)
            held += len(chunk.samples)
            while kept and held - len(kept[0]) >= wanted:
                held -= len(kept.popleft())
            out.emit(annotated)

        return step, None, None

    return stateful(start, takes=("preroll", AudioChunk, "chunk()"))
