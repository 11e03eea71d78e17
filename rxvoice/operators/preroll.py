"""`preroll`: keep the audio from just before speech."""

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
    """Keep the audio from just before speech, on the first chunk of the speech.

    A detector needs a moment to be sure: without a pre-roll the first syllable is lost.
    `turn_window` begins a turn with the ``lead_in`` of the chunk that opens it, without the samples
    that belong to the turn before.

    Emits: each chunk. The first of a run of speech has a ``lead_in``: the last
        ``sample_rate * ms // 1000`` samples before it, fewer at the start of the stream. Events
        from upstream pass.
    Completes: with the source.
    Errors: with the source; with an `AudioFormatError` for a chunk that no `vad` has judged.
    Drops: nothing.
    Runs on: the thread of the source.

    Args:
        ms: how much audio to keep, in milliseconds, 0 or more.

    It does what ``PreRollBuffer`` in mlx-audio's voice pipeline does. The pre-roll travels on the
    chunk, so that nothing has to be signalled back from `turn_window`.
    """
    milliseconds("preroll", ms, 0)

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        kept: deque[Samples] = deque()
        held = 0
        speaking = False

        def lead_in(wanted: int) -> Samples:
            joined = np.concatenate((np.empty(0, np.float32), *kept))
            last = joined[max(0, len(joined) - wanted) :]
            last.flags.writeable = False
            return last

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
