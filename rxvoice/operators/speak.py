"""`speak`: the app's own text becomes speech."""

from __future__ import annotations

import numpy as np
from reactivex import Observable, abc

from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.events import Event
from rxvoice.operators._job import Errors
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.operators.synthesize import synthesize
from rxvoice.slots import SynthesizerSlot
from rxvoice.turn import Turn

__all__ = ["speak"]


def speak(
    tts: SynthesizerSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
    sample_rate: int = 24_000,
    first_clause_chars: int | None = None,
) -> Operator[str | Event, Speech | Event]:
    """Speak texts of the app: a greeting, an announcement, a page that is read aloud.

    Emits: for each text what `synthesize` emits for a reply: a `Speech` for each piece of sound,
        sentence by sentence, then a final one. Each text is complete: it is spoken at once, with or
        without a full stop. If text comes in pieces, make it sentences first, with `sentences`. A
        `TurnFailed` in place of the final one if the synthesizer fails. A `Notice` from the
        synthesizer and events from upstream pass.
    Completes: when the source has completed and every text is spoken.
    Errors: with a `ConfigError` at an element that is not text; with the source; with
        ``errors="raise"``, with the `StageError` of a failed text. The error names `synthesize`,
        which does the work.
    Drops: as `synthesize`: text without a letter or digit, and the rest of a failed text; on an
        error of the source, the text in progress.
    Runs on: the thread of the source, or the worker's; see `worker`.

    Args:
        tts: as in `synthesize`.
        worker: as in `synthesize`.
        errors: what a failed text causes: ``"event"``, a `TurnFailed`; ``"raise"``, an error.
        timeout_ms: milliseconds, 1 or more, that the synthesizer may give nothing; None for no
            limit. As in `synthesize`.
        total_timeout_ms: the same for a whole sentence.
        sample_rate: Hz, for a synthesizer without ``sample_rate``.
        first_clause_chars: speak the first clause of a text on its own once it has this many
            characters. None: whole sentences.

    Every element has a turn. The turn of a text has no ``audio`` and an empty transcript, and its
    ``id`` counts the texts. So `play` logs what the app has said.
    """
    voice = synthesize(
        tts,
        worker=worker,
        errors=errors,
        timeout_ms=timeout_ms,
        total_timeout_ms=total_timeout_ms,
        sample_rate=sample_rate,
        first_clause_chars=first_clause_chars,
    )

    def start(out: Subscription[Reply | Event]) -> Handlers[str]:
        count = 0

        def step(text: str) -> None:
            nonlocal count
            count += 1
            nobody = Transcript(Turn.of(np.empty(0, np.float32), id=count), "")
            out.emit(Reply(nobody, text))
            out.emit(Reply(nobody, text=text, final=True))

        return step, None, None

    replies = stateful(start, takes=("speak", str, "your app"))

    def operator(texts: Observable[str | Event]) -> Observable[Speech | Event]:
        return voice(replies(texts))

    return operator
