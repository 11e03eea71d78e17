"""`sentences`: pieces of text become sentences."""

from __future__ import annotations

from typing import cast

from rxvoice._answers.pauses import Flush
from rxvoice._text.segmenter import Segmenter
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful

__all__ = ["sentences"]


def sentences(*, first_clause_chars: int | None = None) -> Operator[str | Event, str | Event]:
    """Make sentences of pieces of text, as `synthesize` does.

    Emits: each sentence, without white space around it, once it is certain to be over, or at a
        ``FLUSH`` among the pieces. A sentence of 1,000 characters is cut there. Events from
        upstream pass, at once.
    Completes: with the source, after the last sentence.
    Errors: with a TypeError at an element that is not text; with the source.
    Drops: white space between sentences; on an error, the sentence that is not over.
    Runs on: the thread of the source.

    Args:
        first_clause_chars: emit the first clause on its own once it has this many characters. None:
            whole sentences.
    """
    Segmenter(first_clause_chars=first_clause_chars)  # a bad argument raises here

    def start(out: Subscription[str | Event]) -> Handlers[str]:
        segmenter = Segmenter(first_clause_chars=first_clause_chars)

        def step(piece: str) -> None:
            if not isinstance(cast("object", piece), str):
                out.fail(TypeError(f"sentences wanted text, got {piece!r}"))
                return
            ends = isinstance(piece, Flush)
            for sentence in segmenter.flush() if ends else segmenter.cut(piece):
                if out.life.is_disposed:
                    return
                out.emit(sentence)

        def flush() -> None:
            for sentence in segmenter.flush():
                out.emit(sentence)
            out.complete()

        return step, flush, None

    return stateful(start)
