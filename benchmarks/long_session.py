"""Ten hours of conversation: the last hour costs as much as the first, and memory stays flat."""

from __future__ import annotations

import gc

import rxvoice as rxv
from benchmarks._measure import (
    SPEECH,
    Result,
    conversation,
    median,
    per_element,
    resident_mb,
    subject,
    turns,
)
from rxvoice import operators as vox

HOURS = 10


class Sink:
    """Takes everything and keeps nothing."""

    is_running = True

    def write_samples(self, samples: rxv.Samples, /) -> int:
        return len(samples)

    def flush(self) -> None: ...

    def clear(self) -> rxv.Samples:
        return rxv.Samples((0,))

    def stop(self) -> None: ...


def measure() -> list[Result]:
    """Measure all operators on stub models, from the microphone to the sink."""
    pipe = subject()
    turns(pipe).pipe(
        vox.transcribe(lambda audio: f"{len(audio)} samples"),
        vox.respond(lambda text: iter(("You said ", text, ". That was it."))),
        vox.synthesize(lambda text: iter((SPEECH, SPEECH))),
        vox.play(Sink()),
    ).subscribe()
    ten_minutes = conversation(600)
    hours: list[float] = []
    settled = 0.0
    for hour in range(HOURS):
        spent: list[float] = []
        for sixth in range(6):
            spent.append(median(per_element(pipe.on_next, ten_minutes)))
            if hour == sixth == 0:
                gc.collect()
                settled = resident_mb()
        hours.append(min(spent))  # the quietest ten minutes: the machine is shared
    gc.collect()
    memory = resident_mb()
    first, last = hours[0], hours[-1]
    return [
        Result(
            f"cost per chunk in hour {HOURS}", last, "µs", f"hour 1: {first:.2f}", last / first, 1.1
        ),
        Result(
            f"memory after hour {HOURS}",
            memory,
            "MB",
            f"after 10 minutes: {settled:.1f}",
            memory / settled,
            1.02,
        ),
    ]
