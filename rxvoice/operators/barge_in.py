"""`barge_in`: does the user speak over the assistant?"""

from __future__ import annotations

from collections.abc import Callable

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import yes_or_no
from rxvoice._audio.samples import Samples
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
    """Note on each chunk of speech whether it interrupts the assistant.

    Emits: the same chunks one for one; a chunk of speech of which the detector says yes with
        ``barge_in=True``. It is not asked about other chunks. Events from upstream pass. When the
        detector or ``playing`` raises, or gives no bool, a `Notice` that says so, with the
        `StageError` as its ``detail``; the chunk then interrupts nothing.
    Completes: with the source.
    Errors: the `StageError`, at the ``max_failures``-th failure in a row; `AudioFormatError` for a
        chunk that no `vad` has judged; the source's.
    Drops: nothing.
    Runs on: the thread of the source.

    Args:
        detector: an object with ``detect(samples, playing) -> bool``, or such a callable.
        playing: asked at each chunk of speech whether the assistant is being heard.
        max_failures: failures in a row, 1 or more, that are an error; 1: the first.

    As step 4 of the reference loop: what is observed on speech inside a turn is on the `Turn`.
    """
    detect: Callable[[Samples, bool], bool] = method(detector, "detect")
    if not callable(playing):
        raise ConfigError(f"barge_in playing must be a callable that gives a bool, got {playing!r}")
    whole("barge_in max_failures", max_failures, 1, "failures")

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk]:
        failures = Failures("barge_in", out, max_failures)

        def step(chunk: AudioChunk) -> None:
            if chunk.speech is None and not chunk.partial:
                out.fail(unjudged("barge_in"))
                return
            if chunk.speech:
                try:
                    heard = yes_or_no(playing(), "playing()")
                    interrupts = yes_or_no(detect(chunk.samples, heard), "detect()")
                except BaseException as error:
                    forgiven = failures.pardon(error, "the chunk interrupts nothing")
                    raise_if_ctrl_c(error)
                    if not forgiven:
                        return
                else:
                    failures.over()
                    if interrupts:
                        chunk = _interrupting(chunk)
            out.emit(chunk)

        return step, None, None

    return stateful(start, takes=("barge_in", AudioChunk, "chunk()"))


def _interrupting(chunk: AudioChunk) -> AudioChunk:
    # Not dataclasses.replace(), which costs twice as much, here on every chunk of an interruption.
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
