"""One piece of sound through everything that hears it, with stub models."""

from __future__ import annotations

from benchmarks.peers._row import Cannot, Probe, Row

_PROGRAM = "benchmarks.peers._hear"
_HEARING = {
    "rxvoice": Probe(
        _PROGRAM,
        ("rxvoice", "hearing"),
        "chunks of 32 ms through five operators, in order, on one thread, without a queue or a "
        "copy of the sound; a chunk has arrived when the turn has it",
    ),
    "pipecat": Probe(
        _PROGRAM,
        ("pipecat", "hearing"),
        "frames of 20 ms through seven processors (input, recogniser, user's context with the "
        "detector, model, voice, output, assistant's context), each a task with a queue without a "
        "bound, its observers off; the detector runs on a thread of its own; a frame has arrived "
        "when the output has it, which may be before the verdict",
    ),
    "livekit": Probe(
        _PROGRAM,
        ("livekit", "hearing"),
        "frames of 32 ms through an AgentSession to the detector and the recogniser, each a task "
        "with a queue without a bound; a frame has arrived when its verdict is heard",
    ),
    "mlx-audio": Probe(
        _PROGRAM,
        ("mlx-audio", "hearing"),
        "blocks of 32 ms through a queue of 128, which drops what it has no room for; the detector "
        "runs on the thread of all models, and waits there for a call in progress",
    ),
}
_PASSING = {
    "rxvoice": Probe(_PROGRAM, ("rxvoice", "passing"), "seven times map, on one thread"),
    "pipecat": Probe(
        _PROGRAM, ("pipecat", "passing"), "seven processors, each a task with a queue"
    ),
    "livekit": Cannot("it has no chain of steps for sound"),
    "mlx-audio": Cannot("it has no chain of steps for sound"),
}
_NOTE = (
    "Sound is pushed as fast as it goes, a frame when the one before has arrived: turns of 1.6 s "
    "with 1.6 s of silence between them. The models are stubs. In pipecat and livekit-agents the "
    "timers that end a turn run on the clock of the machine, so fewer turns end than in real time."
)

ROWS = (
    Row(
        1,
        "hearing_second",
        "computing for a second of sound, through all that hears it",
        "µs",
        _HEARING,
        note=_NOTE,
        headline="computing for a second of sound",
    ),
    Row(1, "hearing_frame", "the same, for one of its frames", "µs", _HEARING, note=_NOTE),
    Row(
        1, "hearing_delay", "one frame, from the first step to the last", "µs", _HEARING, note=_NOTE
    ),
    Row(
        1,
        "passing_frame",
        "a frame, whatever its length, through seven steps that do nothing",
        "µs",
        _PASSING,
    ),
)
