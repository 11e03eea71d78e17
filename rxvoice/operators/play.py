"""`play`: speech is written to a sink, and each finished turn is logged."""

from __future__ import annotations

from typing import cast

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._boundary import boundary_of
from rxvoice._writing import SpeechWriter, refuse_conversation
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import Event, TurnFailed
from rxvoice.operators._job import Errors, check_errors
from rxvoice.operators.kernel import (
    Handlers,
    Operator,
    Subscription,
    misplaced,
    stateful_on_events,
)
from rxvoice.slots import AudioSink
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn

__all__ = ["play"]


def play(
    sink: AudioSink, *, errors: Errors = "raise"
) -> Operator[Speech | Event, FinishedTurn | Event]:
    """Write speech to a sink, and log each turn once its reply is written.

    Use it in a plain pipe. `converse` writes to its sink itself, and `play` behind it fails.

    Emits: a `FinishedTurn` at the final `Speech` of each turn; for an interrupted reply it has what
        was heard. Events from upstream pass.
    Completes: with the source, after one ``sink.flush()``, which blocks until all is played.
    Errors: with `SinkStalled` if the sink takes nothing; with a `StageError` if it raises; with the
        source. The sink keeps what it took.
    Drops: with ``errors="event"``, the rest of a reply if the sink fails, and a `TurnFailed` that
        comes for the same turn after that.
    Runs on: the thread of the source. ``write_samples`` and ``flush`` are called there.

    Args:
        sink: an `AudioSink`. It is offered each piece until it has taken all of it.
        errors: what a failing sink causes: ``"raise"``, an error; ``"event"``, a `TurnFailed`, and
            the next turn goes on. A failing ``flush`` belongs to no turn, and always raises.
    """
    for name in ("write_samples", "flush"):
        if not callable(getattr(sink, name, None)):
            raise ConfigError(
                f"play wanted a sink with {name}(), got {sink!r}: pass rxv.speaker(), say"
            )
    check_errors("play", errors)

    def start(out: Subscription[FinishedTurn | Event]) -> Handlers[Speech | Event]:
        boundary = boundary_of(out.scheduler)
        own = sink if boundary is None else boundary.sink(sink)
        writer = SpeechWriter(own)
        failed: Turn | None = None

        def step(element: Speech | Event) -> None:
            try:
                refuse_conversation("play()", element)
            except ConfigError as error:
                out.fail(error)
                return
            if isinstance(element, Speech):
                write(element)
            elif isinstance(element, TurnFailed) and element.turn is failed:
                pass  # it was told with the sink's own error
            elif isinstance(cast("object", element), Event):
                out.emit(element)
            else:
                out.fail(misplaced(("play", Speech, "synthesize()"), element))

        def write(speech: Speech) -> None:
            nonlocal failed
            turn = speech.turn
            if turn is failed:
                return
            try:
                writer.write(speech)
            except BaseException as error:
                if errors == "raise":
                    out.fail(_blamed(turn, error))
                else:
                    failed = turn
                    out.emit(TurnFailed(turn, StageError("play", turn, error)))
                raise_if_ctrl_c(error)
                return
            if speech.final:
                out.emit(_event(speech))

        def flush() -> None:
            try:
                own.flush()
            except BaseException as error:
                out.fail(_blamed(None, error))
                raise_if_ctrl_c(error)
            else:
                out.complete()

        return step, flush, None

    return stateful_on_events(start)


def _blamed(turn: Turn | None, error: BaseException) -> Exception:
    return error if isinstance(error, SinkStalled) else StageError("play", turn, error)


def _event(speech: Speech) -> FinishedTurn:
    turn, reply = speech.turn, speech.reply
    said = reply.text if speech.heard is None else speech.heard
    return FinishedTurn(
        turn.chunks_consumed or 0,
        reply.transcript.text,
        said,
        turn.barge_in,
        speech.interrupted,
        turn.source,
    )
