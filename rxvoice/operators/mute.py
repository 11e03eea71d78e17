"""`mute`: silence in place of what the microphone hears, for as long as the app says so."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from reactivex import Observable

from rxvoice._check import BOOLS
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Muted
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["mute"]


def mute(muted: Observable[bool]) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Hear silence while the app says so.

    Time goes on: a chunk that is muted is as long as it was, so a detector keeps its sense of time
    and silence ends what silence ends. An open turn ends at once, as the app's own doing:
    `turn_window` knows by the event.

    Emits: the same chunks one for one; while it is muted with zeros for ``samples``, no
        ``lead_in`` and no ``barge_in``, and ``speech=False`` where a `vad` has judged it before.
        A `Muted` event just before the first chunk that is muted and before the first that is not
        any more. Events from upstream pass.
    Completes: with the source; the end of ``muted`` leaves it as it is.
    Errors: with the source; what ``muted`` fails with, and a TypeError for what is no bool, at the
        next chunk or the end.
    Drops: what was said while it was muted: also out of a later ``lead_in``.
    Runs on: the thread of the source. ``muted`` may emit on any thread: it counts from the next
        chunk on.

    Args:
        muted: whether it is, such as a ``BehaviorSubject(False)``; not until it says so.

    It belongs in front of `vad`; a `meter` in front of it still shows that somebody speaks.
    """
    if not isinstance(cast("object", muted), Observable):
        raise ConfigError(
            f"mute wanted an Observable of bools, got {muted!r}: "
            "make it a Subject, and tell that with on_next(True)"
        )

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        wanted = is_muted = False
        problem: Exception | None = None
        since: int | None = None  # samples since it was muted last; None where it never was

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
                if out.life.is_disposed:
                    return
            if is_muted:
                since = 0
                out.emit(_silent(chunk))
                return
            if since is not None:
                if chunk.lead_in is not None and len(chunk.lead_in) > since:
                    lead_in = chunk.lead_in[len(chunk.lead_in) - since :]
                    chunk = replace(chunk, lead_in=lead_in)
                since += len(chunk.samples)
            out.emit(chunk)

        def flush() -> None:
            if problem is not None:
                out.fail(problem)
            else:
                out.complete()

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
