"""`barge_in`: say of each chunk whether the user speaks over the assistant."""

from __future__ import annotations

from collections.abc import Callable

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._boundary import calling
from rxvoice._check import method, unjudged, whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._failures import Failures
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.policies import energy
from rxvoice.slots import DetectorSlot

__all__ = ["barge_in"]


def barge_in(
    detector: DetectorSlot = energy(0.02), *, playing: Callable[[], bool], max_failures: int = 10
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Note on each chunk of speech whether the user speaks over the assistant.

    Emits: each chunk; a chunk of speech has ``barge_in=True`` if the detector says so. The detector
        is called for chunks of speech only. Events from upstream pass. When the detector or
        ``playing`` raises, or does not give a bool, a `Notice` with the `StageError` as its
        ``detail``; that chunk has ``barge_in=False``.
    Completes: with the source.
    Errors: with the source; with the `StageError` at the ``max_failures``-th failure in a row; with
        an `AudioFormatError` for a chunk that no `vad` has judged.
    Drops: nothing.
    Runs on: the thread of the source.

    Args:
        detector: an object with ``detect(samples, playing) -> bool``, or such a callable.
        playing: called for each chunk of speech; says whether the assistant is being heard.
        max_failures: how many failures in a row are an error, 1 or more.

    This is step 4 of the reference loop. A `Turn` has ``barge_in`` if one of its chunks has.
    """
    detect: Callable[[Samples, bool], bool] = method(detector, "detect")
    if not callable(playing):
        raise ConfigError(f"barge_in playing must be a callable that gives a bool, got {playing!r}")
    whole("barge_in max_failures", max_failures, 1, "failures")

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        failures = Failures("barge_in", out, max_failures)
        call = calling(out.scheduler)

        def speaks_over(samples: Samples) -> bool:
            is_playing = yes_or_no(playing(), "playing()")
            return yes_or_no(detect(samples, is_playing), "detect()")

        def step(chunk: AudioChunk) -> None:
            if chunk.speech:
                judge(chunk)
            elif chunk.speech is None and not chunk.partial:
                out.fail(unjudged("barge_in"))
            else:
                out.emit(chunk)

        def judge(chunk: AudioChunk) -> None:
            try:
                interrupts = call("barge_in", lambda: speaks_over(chunk.samples), False)
            except BaseException as error:
                if failures.pardon(error, "the chunk counts as no barge-in"):
                    out.emit(chunk)
                raise_if_ctrl_c(error)
                return
            failures.over()
            out.emit(_interrupting(chunk) if interrupts else chunk)

        return step, None, None

    return stateful(start, takes=("barge_in", AudioChunk, "chunk()"))


def _interrupting(chunk: AudioChunk) -> AudioChunk:
    # For every chunk of barge-in: dataclasses.replace() costs several times as much.
    return AudioChunk(
        chunk.samples,
        chunk.sample_rate,
        chunk.start,
        chunk.speech,
        chunk.probability,
        True,
        chunk.lead_in,
        chunk.partial,
        chunk.time,
    )
