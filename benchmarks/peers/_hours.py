"""Long conversations, long histories, and many sessions."""

from __future__ import annotations

from benchmarks.peers._row import SYSTEMS, Cannot, Probe, Row

_HEARD = {
    "rxvoice": "five operators on one thread; a turn is held until it ends",
    "pipecat": "seven processors; its recogniser holds the turn, or a second of silence",
    "livekit": "an AgentSession with a detector and a recogniser that keeps nothing",
    "mlx-audio": "VoicePipeline's loop, whose models run on one thread",
}
_HOURS_NOTE = (
    "Sound is pushed as fast as it goes, as in the rows of a piece of sound. So only hearing is "
    "compared: replies of pipecat and livekit-agents follow timers on the clock of the machine, "
    "which cannot be hurried. The whole conversation of rxvoice, with replies: "
    "`python -m benchmarks long_session`."
)


def _hours(hours: int, rounds: int) -> tuple[Row, ...]:
    by = {
        system: Probe("benchmarks.peers._long", (system, str(hours)), _HEARD[system], 600.0 * hours)
        for system in SYSTEMS
    }
    after = "an hour" if hours == 1 else f"{hours} hours"
    cost = f"computing for a second of sound, in the last ten minutes of {after}"
    return (
        Row(
            5,
            f"hours_{hours}_memory",
            f"memory of the process after {after} of sound",
            "MB",
            by,
            note=_HOURS_NOTE,
            rounds=rounds,
        ),
        Row(
            5,
            f"hours_{hours}_grown",
            f"how much of it grew after the first ten minutes of {after}",
            "MB",
            by,
            note=_HOURS_NOTE,
            rounds=rounds,
        ),
        Row(5, f"hours_{hours}_cost", cost, "µs", by, note=_HOURS_NOTE, rounds=rounds),
    )


def _history(turns: int, what: str) -> Row:
    about = {
        "rxvoice": "the operator respond, on rxv.remote.llm; the thread that asks waits",
        "pipecat": "its OpenAI service, between the contexts of the user and the assistant",
        "livekit": "an AgentSession of text, on its client of OpenAI's interface",
    }
    by: dict[str, Probe | Cannot] = {
        system: Probe("benchmarks.peers._history", (system, str(turns)), promise)
        for system, promise in about.items()
    }
    by["mlx-audio"] = Cannot(
        "its text model runs in the process, and each call feeds all of the history again"
    )
    return Row(
        5,
        f"history_{turns}",
        what,
        "ms",
        by,
        note="The text model is behind a server with OpenAI's interface, in a process of its own, "
        "and says the same three pieces at once; all three ask by the package openai. What a "
        "model in the process saves by its prompt cache: `python -m benchmarks prompt_cache`.",
    )


_SESSIONS: dict[str, Probe | Cannot] = {
    system: Probe("benchmarks.peers._many", (system,), promise, 600)
    for system, promise in {
        "rxvoice": "every session on the thread of the event loop",
        "pipecat": "seven tasks for a session, and a thread for its detector",
        "livekit": "several tasks for a session; its own way is a process for each",
    }.items()
}
_SESSIONS["mlx-audio"] = Cannot("a VoicePipeline is one conversation, with the machine's devices")

ROWS = (
    *_hours(1, 3),
    *_hours(10, 1),
    _history(30, "computing of a turn of text with 30 turns before it, until its reply has ended"),
    _history(2, "the same with 2 turns before it"),
    Row(
        5,
        "sessions",
        "sessions that hear turns in real time on one core, in one process",
        "",
        _SESSIONS,
        better="more",
        note="As many as leave the event loop no more than 20 ms late, 99 times of 100. The "
        "detectors are stubs, nobody replies, and no network is in it: `python -m benchmarks "
        "realtime` has what `rxvoice serve` carries with all of that.",
        headline="sessions that one core hears",
        rounds=1,
    ),
)
