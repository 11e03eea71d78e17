"""`vad`: say of each chunk whether it is speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from reactivex.disposable import Disposable

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import judgement
from rxvoice._audio.samples import Samples
from rxvoice._boundary import boundary_of, calling
from rxvoice._check import method, whole, within
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._detector import answers_later, misfit_of, own_detector
from rxvoice.operators._echo_judge import echo_judge
from rxvoice.operators._failures import Failures
from rxvoice.operators._in_order import InOrder
from rxvoice.operators.kernel import Handlers, Operator, Subscription, misplaced, stateful_on_events
from rxvoice.slots import EchoSlot, VadSlot

__all__ = ["vad"]


def vad(
    detector: VadSlot,
    *,
    start: float = 0.35,
    stop: float = 0.2,
    start_chunks: int = 1,
    echo: EchoSlot | None = None,
    max_failures: int = 10,
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Say of each chunk whether it is speech.

    If the detector gives a bool, ``speech`` is that bool. A probability goes through hysteresis:
    speech starts after ``start_chunks`` chunks in a row at ``start`` or more, and goes on while the
    probability is ``stop`` or more.

    Emits: each chunk with its ``speech`` filled in, and its ``probability`` if the detector gives
        one. A partial chunk passes unchanged and is not judged; events from upstream pass. When the
        detector or ``echo`` raises, or gives something else, a `Notice` with the `StageError` as
        its ``detail``. That chunk gets the ``speech`` of the one before, so that a single failure
        neither opens a turn nor ends one.
    Completes: with the source.
    Errors: with the source; with the `StageError` at the ``max_failures``-th failure in a row, or
        if the detector cannot begin; with an `AudioFormatError` for a chunk that does not have the
        detector's ``chunk_size`` or ``sample_rate``.
    Drops: nothing.
    Runs on: the thread of the source, which calls the detector once per chunk, in order. A detector
        that gathers the chunks of many conversations answers a little later, on the same thread;
        what is behind a chunk waits for it.

    Args:
        detector: an object with ``probability(samples) -> float`` or ``is_speech(samples) ->
            bool``, or a callable of either shape. ``samples`` is float32 of shape ``(n,)``. At each
            subscription, `vad` calls its ``fresh()`` for a detector of its own, or else its
            ``reset()``, if it has them.
        start: the probability, 0 to 1, at which speech starts.
        stop: the probability, 0 to ``start``, below which speech stops.
        start_chunks: how many chunks in a row start speech, 1 or more. Use 3 with a loudspeaker:
            then no turn opens when ``echo`` misses a single chunk.
        echo: an object with ``is_echo(samples) -> bool``, or such a callable, such as
            `rxvoice.echo.correlation`. It is called for each chunk that the detector takes for
            speech; an echo of the loudspeaker is not speech. ``probability`` stays.
        max_failures: how many failures in a row of the detector or of ``echo`` are an error, 1 or
            more.

    The thresholds are those of mlx-audio's ``VoicePipelineConfig``.
    """
    within("vad start", start, 0.0, 1.0, "probability")
    within("vad stop", stop, 0.0, 1.0, "probability")
    if stop > start:
        raise ConfigError(f"vad stop must be at most start={start} (probability), got {stop}")
    whole("vad start_chunks", start_chunks, 1, "chunks")
    whole("vad max_failures", max_failures, 1, "failures")
    method(detector, "probability", "is_speech")
    if echo is not None:
        method(echo, "is_echo")

    def begin(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk | Event]:
        own = own_detector("vad", detector)
        ask: Callable[[Samples], bool | float] = method(own, "probability", "is_speech")
        is_echo = None if echo is None else echo_judge(echo)
        misfit = misfit_of(own)
        call = calling(out.scheduler)
        # In a trace, no chunk waits for those of other conversations.
        later = None if boundary_of(out.scheduler) else answers_later(own, out.scheduler)
        line: InOrder[object] = InOrder(out.life)

        def behind(element: AudioChunk | Event) -> None:
            line.put(lambda: out.emit(element))

        emit = out.emit if later is None else behind
        if later is not None:
            out.life.add(Disposable(later.dispose))
        failures = Failures("vad", out, max_failures)
        echo_failures = Failures("vad", out, max_failures)
        speaking = False
        run = 0

        def decided(chunk: AudioChunk, answer: bool | float, echo: bool) -> AudioChunk:
            nonlocal speaking, run
            certain = isinstance(answer, bool)
            if echo:
                speaking, run = False, 0
            elif certain:
                speaking = bool(answer)
            elif speaking:
                speaking = answer >= stop
            else:
                run = run + 1 if answer >= start else 0
                speaking = run >= start_chunks
            if speaking:
                run = 0
            return _judged(chunk, speaking, None if certain else answer)

        def undecided(chunk: AudioChunk, error: BaseException, failures: Failures) -> None:
            instead = f"the chunk counts as {'speech' if speaking else 'silence'}, as before"
            if failures.pardon(error, instead):
                out.emit(_judged(chunk, speaking, None))

        def judge(chunk: AudioChunk) -> None:
            try:
                answer = call("vad", lambda: judgement(ask(chunk.samples)), False)
            except BaseException as error:
                undecided(chunk, error, failures)
                raise_if_ctrl_c(error)
                return
            judged(chunk, answer)

        def judged(chunk: AudioChunk, given: object) -> None:
            try:
                if isinstance(given, BaseException):
                    raise given
                answer = judgement(given)
            except BaseException as error:
                undecided(chunk, error, failures)
                raise_if_ctrl_c(error)
                return
            failures.over()
            echo = False
            if is_echo and (answer if isinstance(answer, bool) else answer >= stop):
                try:
                    echo = call("echo", partial(is_echo, chunk), False)
                except BaseException as error:
                    undecided(chunk, error, echo_failures)
                    raise_if_ctrl_c(error)
                    return
                echo_failures.over()
            out.emit(decided(chunk, answer, echo))

        def end(action: Callable[[], None]) -> None:
            """End after all that waits for an answer."""
            if later is not None:
                later.settle()
            line.put(action)

        def fail(error: Exception) -> None:
            end(lambda: out.fail(error))

        def step(element: AudioChunk | Event) -> None:
            if isinstance(element, AudioChunk):
                if element.partial:
                    emit(element)
                elif wrong := misfit(element):
                    fail(wrong)
                elif later is None:
                    judge(element)
                else:
                    place = line.wait(partial(judged, element))
                    later.ask(element.samples, place.come)
            elif isinstance(cast("object", element), Event):
                emit(element)
            else:
                fail(misplaced(("vad", AudioChunk, "chunk()"), element))

        return step, lambda: end(out.complete), fail

    return stateful_on_events(begin)


def _judged(chunk: AudioChunk, speech: bool, probability: float | None) -> AudioChunk:
    # For every chunk: dataclasses.replace() costs several times as much.
    return AudioChunk(
        chunk.samples,
        chunk.sample_rate,
        chunk.start,
        speech,
        probability,
        chunk.barge_in,
        chunk.lead_in,
        chunk.partial,
        chunk.time,
    )
