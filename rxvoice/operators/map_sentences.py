"""`map_sentences`: each sentence of a reply is replaced before it is spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._text.segmenter import Segmenter
from rxvoice.elements import Reply, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event, TurnFailed
from rxvoice.operators._stage_operator import StageOperator
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn

__all__ = ["map_sentences"]


def map_sentences(
    replace: Callable[[str], str],
) -> Operator[Reply | Event, Reply | Event]:
    """Replace each sentence of a reply as soon as it is written, and before it is spoken.

    Put it between `respond` and `synthesize`. The new text is the reply from there on: it is
    spoken, it is shown, and the conversation remembers it.

    Emits: a `Reply` for each sentence, with the text to say in its place; nothing for a sentence
        that is replaced by ``""``. The final `Reply` has all of the new text. A ``flush`` ends a
        sentence, and passes. Events from upstream pass.
    Completes: with the source.
    Errors: with the source. If the function raises, its turn fails, with a `TurnFailed`.
    Drops: the rest of a reply that has failed.
    Runs on: the thread of the source. The function is called there.

    Args:
        replace: a function from a sentence, without white space around it, to the text to say
            instead.
    """
    if not callable(replace):
        raise ConfigError(f"map_sentences takes a function from str to str, got {replace!r}")

    def start(out: Subscription[Reply | Event]) -> Handlers[Reply]:
        segmenter = Segmenter()
        answering: Transcript | None = None
        failed: Turn | None = None
        said = ""

        def begin(reply: Reply) -> None:
            nonlocal answering, said, segmenter
            if reply.transcript is not answering:
                answering, said, segmenter = reply.transcript, "", Segmenter()

        def tell(reply: Reply, sentences: list[str]) -> bool:
            nonlocal said, failed
            for sentence in sentences:
                try:
                    instead = replace(sentence)
                    if not isinstance(cast("object", instead), str):
                        raise TypeError(f"wanted the sentence to be said instead, got {instead!r}")
                except BaseException as error:
                    failed = reply.turn
                    out.emit(TurnFailed(reply.turn, StageError("map_sentences", failed, error)))
                    raise_if_ctrl_c(error)
                    return False
                if instead:
                    piece = f" {instead}" if said else instead
                    said += piece
                    out.emit(Reply(reply.transcript, piece))
            return True

        def step(reply: Reply) -> None:
            begin(reply)
            if reply.turn is failed:
                return
            ends = reply.final or reply.flush
            if not tell(reply, list(segmenter.feed(reply.delta))):
                return
            if ends and tell(reply, list(segmenter.flush())):
                text = said if reply.final else ""
                out.emit(Reply(reply.transcript, text=text, final=reply.final, flush=reply.flush))

        return step, None, None

    operator = stateful(start, takes=("map_sentences", Reply, "respond()"))
    return StageOperator(operator, speaks=False)
