"""`mute`: replace the microphone's audio by silence while the app says so."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from reactivex import Observable

from rxvoice._boundary import boundary_of
from rxvoice._check import BOOLS
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Muted
from rxvoice.operators._signals import follow_signal
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["mute"]


def mute(muted: Observable[bool]) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Replace the microphone's audio by silence while the app says so.

    Put it before `vad`. A `meter` before it still shows that somebody speaks.

    Time goes on: a muted chunk keeps its length, so that detectors and policies count its silence.
    An open turn ends at once, as ended by the app: `turn_window` sees the `Muted` event.

    Emits: each chunk. A muted one has zeros as ``samples``, no ``lead_in``, no ``barge_in``, and
        ``speech=False`` if a `vad` has judged it. A `Muted` event before the first muted chunk, and
        before the first chunk that is not muted. Events from upstream pass.
    Completes: with the source. The completion of ``muted`` changes nothing.
    Errors: with the source; with the error of ``muted``, or a TypeError if it emits something other
        than a bool, at the next chunk or at the end.
    Drops: the audio while it is muted, also from a later ``lead_in``.
    Runs on: the thread of the source. ``muted`` may emit on any thread, and counts from the next
        chunk on.

    Args:
        muted: whether the microphone is muted, such as a ``BehaviorSubject(False)``. It is not
            muted before the first element.
    """
    if not isinstance(cast("object", muted), Observable):
        raise ConfigError(
            f"mute wanted an Observable of bools, got {muted!r}: "
            "pass a Subject, and mute with on_next(True)"
        )

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        wanted = is_muted = False
        problem: Exception | None = None
        since: int | None = None  # samples since the last mute; None before the first

        def on_value(value: bool) -> None:
            nonlocal wanted
            if isinstance(cast("object", value), BOOLS):
                wanted = bool(value)
            else:
                on_error(TypeError(f"mute wanted True or False, got {value!r}"))

        def on_error(error: Exception) -> None:
            nonlocal problem
            problem = problem or error

        def step(chunk: AudioChunk) -> None:
            nonlocal is_muted, since
            if problem is not None:
                out.fail(problem)
                return
            if wanted != is_muted:
                is_muted = wanted
                out.emit(Muted(is_muted))
            if is_muted:
                since = 0
                out.emit(_silent(chunk))
                return
            if since is not None:
                if chunk.lead_in is not None:
                    lead_in = chunk.lead_in[max(0, len(chunk.lead_in) - since) :]
                    chunk = replace(chunk, lead_in=lead_in)
                since += len(chunk.samples)
            out.emit(chunk)

        def flush() -> None:
            if problem is not None:
                out.fail(problem)
            else:
                out.complete()

        if boundary_of(out.scheduler):
            follow_signal("mute", muted, out, on_value, on_error)
        else:
            out.life.add(muted.subscribe(on_value, on_error, scheduler=out.scheduler))
        return step, flush, None

    return stateful(start, takes=("mute", AudioChunk, "chunk()"))


def _silent(chunk: AudioChunk) -> AudioChunk:
    silence = np.zeros_like(chunk.samples)
    silence.setflags(write=False)
    return replace(
        chunk,
        samples=silence,
        speech=None if chunk.speech is None else False,
        probability=None if chunk.probability is None else 0.0,
        barge_in=False,
        lead_in=None,
    )
