"""`speak`: text of the app's own becomes speech."""

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
    """Speak texts that answer nobody: a greeting, an announcement, a page that is read aloud.

    Emits: for each text what `synthesize` gives for a reply: a `Speech` for each piece of sound,
        sentence by sentence, then a final one. Each text is whole: it is spoken at once, whether or
        not it ends in a full stop. Of text that comes in pieces make sentences first, by
        `sentences`. A `TurnFailed` in place of a text that the synthesizer fails; a `Notice` that
        it gives, and events from upstream, pass.
    Completes: when the source has and every text has been spoken.
    Errors: `ConfigError` for what is no text; with the source; with ``errors="raise"``, a failed
        text's `StageError`. A `StageError` names `synthesize`, which does the work.
    Drops: as `synthesize`: what has no letter or digit to speak, the rest of a failed text; on an
        error of the source, the text in progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        tts: as in `synthesize`.
        worker: likewise.
        errors: ``"event"`` or ``"raise"``.
        timeout_ms: the longest that the synthesizer may give nothing, in milliseconds, 1 or more;
            None for no limit; as in `synthesize`.
        total_timeout_ms: the longest that it may take for all of a sentence, likewise.
        sample_rate: Hz, of a synthesizer that has no ``sample_rate`` of its own.
        first_clause_chars: speak the first clause of a text on its own once it has this many
            characters. None: whole sentences.

    Every element has a turn. That of a text is one in which nobody said anything: its ``audio`` and
    its transcript are empty, its ``id`` counts the texts. So `play` logs what the app has said.
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
