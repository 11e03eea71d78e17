"""`respond`: text becomes an answer."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import abc

from rxvoice.elements import Event, Notice, Reply, Transcript
from rxvoice.operators._kernel import Operator
from rxvoice.operators._stage import Errors, Job, Work, stage, text
from rxvoice.slots import Answer, ResponderSlot, method

__all__ = ["respond"]


def respond(
    llm: ResponderSlot, *, worker: abc.SchedulerBase | None = None, errors: Errors = "event"
) -> Operator[Transcript | Event, Reply | Event]:
    """Answer each final transcript.

    Emits: a `Reply` for each piece of text, with ``delta``, as it comes; then a final one with all
        of the ``text`` and an empty ``delta``. Replies come whole and in order: the next transcript
        waits. A `TurnFailed` in place of the final one when the model fails. A `Notice` that the
        model gives, and events from upstream, pass.
    Completes: when the source has and every transcript has been answered.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: partial transcripts, and empty pieces of text; on an error of the source, the reply in
        progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        llm: an object with ``respond(text)``, or such a callable; its answer is a str or pieces
            of it.
        worker: the scheduler on which the model is called, a step at a time; results come back on
            the scheduler given to ``subscribe``, on the worker's where none was. None: where the
            element arrived.
        errors: ``"event"`` or ``"raise"``.
    """
    ask: Callable[[str], Answer[str | Notice]] = method(llm, "respond")

    def start() -> Work[Transcript, Reply]:
        def work(transcript: Transcript, job: Job[Reply]) -> None:
            if not transcript.final:
                job.done()
                return
            pieces: list[str] = []

            def on_piece(piece: str) -> None:
                if piece:
                    pieces.append(piece)
                    job.emit(Reply(transcript, piece))

            def on_end() -> None:
                job.emit(Reply(transcript, text="".join(pieces), final=True))
                job.done()

            job.ask(transcript.turn, lambda: ask(transcript.text), text, on_piece, on_end)

        return work

    operator = stage("respond", start, worker=worker, errors=errors)
    # For `interruptible`, which is given the operator and not the model.
    for name in ("heard", "forget"):
        if callable(found := getattr(llm, name, None)):
            setattr(operator, name, found)
    return operator
