"""``rxvoice replay --change``: the two stories side by side."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from rxvoice import sinks
from rxvoice.cli._parts import Parts
from rxvoice.cli._pipe_of_trace import command_of_trace, pipe_of
from rxvoice.cli._settings import CommandSettings, table
from rxvoice.cli._traced import settings_of_trace
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ReplayDiffers
from rxvoice.trace import Trace, replay
from rxvoice.trace._compared import Changed, compared
from rxvoice.trace._known import KnownAnswers
from rxvoice.trace._outline import OutlineTurn, outline
from rxvoice.trace._what_if import Would, what_if

CHANGEABLE = (
    *("silence-ms", "vad-start", "vad-stop", "preroll-ms", "max-turn-ms"),
    *("interruptions", "min-speech-ms", "min-words"),
)
"""Settings that decide when a turn begins and ends, and what interrupts."""

_MARKS = {
    "cut": "would have been cut",
    "joined": "would have been joined",
    "missed": "would have been missed",
    "new": "would have been a turn",
    "interrupted": "its reply would have been interrupted",
    "not interrupted": "its reply would not have been interrupted",
}


def changes(given: Sequence[str]) -> dict[str, object]:
    """Read what is given as ``NAME=VALUE``, by the names of the fields of `CommandSettings`.

    Raises:
        UsageError: there is no such setting, it cannot be changed afterwards, or a value is wrong.
    """
    return dict(change(*_split(it)) for it in given)


def _split(given: str) -> tuple[str, str]:
    name, is_there, value = given.partition("=")
    if not is_there:
        raise UsageError(f"--change wants NAME=VALUE, such as silence-ms=400, got {given!r}")
    return name.strip(), value.strip()


def change(name: str, text: str) -> tuple[str, object]:
    """One setting, with its new value.

    Raises:
        UsageError: as for `changes`.
    """
    if name not in CHANGEABLE:
        known = ", ".join(CHANGEABLE)
        why = "cannot be changed afterwards" if name in table() else "does not exist"
        raise UsageError(f"the setting {name!r} {why}: there are {known}")
    setting = table()[name][0]
    switch = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
    try:
        value = switch.get(text, text) if setting.kind == "switch" else setting.read(text)
        return name.replace("-", "_"), setting.check(value)
    except ValueError as error:
        raise UsageError(f"{name} = {text!r}: {error}") from error


@dataclass(frozen=True, eq=False)
class RecordedTalk:
    """A recorded conversation that can be held again with other settings.

    Args:
        trace: the trace.
        settings: its settings.
        turns: the turns as they were.
    """

    trace: Trace
    settings: CommandSettings
    turns: list[OutlineTurn]
    known: KnownAnswers

    @classmethod
    def of(cls, trace: Trace, check: Callable[[], None] = lambda: None) -> RecordedTalk:
        """Replay the trace exactly, to know how it was.

        Raises:
            ReplayDiffers: it cannot be replayed.
            ConfigError: as `pipe_of`.
        """
        out: list[object] = []
        failed: list[Exception] = []
        replay(trace, pipe_of(trace, check=check)).subscribe(out.append, failed.append)
        if failed and isinstance(failed[0], ReplayDiffers):
            raise failed[0]
        times = [line.at for line in trace.of("out")]
        turns = outline(zip(times, out, strict=False))
        command = command_of_trace(trace)
        recorded = cls(trace, settings_of_trace(command), turns, KnownAnswers(trace, turns))
        if command["name"] == "run":
            # A recording is read as fast as models follow. At its own pace it is a conversation.
            return replace(recorded, turns=recorded.with_settings({}, check).turns)
        return recorded

    def with_settings(
        self,
        changed: Mapping[str, object],
        check: Callable[[], None] = lambda: None,
        *,
        parts: Parts | None = None,
    ) -> Would:
        """The conversation as it would have been.

        Args:
            changed: the settings that are different, by the names of the fields.
            check: called with each block; may raise, to end it.
            parts: models to ask; None to look their answers up.
        """
        settings = replace(self.settings, **cast("Any", changed))
        models = command_of_trace(self.trace).get("models")
        streams = bool(cast("dict[str, Any]", models or {}).get("streams"))

        def pipe(clock: Any) -> Any:
            sink = sinks.null(realtime=True, scheduler=clock)
            return pipe_of(self.trace, settings=settings, sink=sink, parts=parts, check=check)

        live = parts is not None
        would = what_if(self.trace, self.known, pipe, streams=streams, live=live)
        # The virtual loudspeaker is heard at once; that of the recording was not.
        late = [it.speaker_ms for it in self.turns if it.speaker_ms is not None]
        for turn in would.turns if late else ():
            if turn.speaker_ms is not None and turn.latency_ms is not None:
                turn.latency_ms += max(0.0, statistics.median(late) - turn.speaker_ms)
        return would


def told(before: Sequence[OutlineTurn], would: Would, columns: int) -> Iterator[str]:
    """Lines with the two stories side by side, and what is different."""
    half = max(24, (columns - 11) // 2)
    yield f"{'':8}  {'as it was':<{half}} {'as it would have been':<{half}}".rstrip()
    groups = compared(before, would.turns)
    for group in groups:
        yield from _group(group, would, half)
    yield ""
    yield from _summed(groups)


def _group(group: Changed, would: Would, half: int) -> Iterator[str]:
    first = (group.before or group.after)[0]
    at = f"{first.speech[0] / first.turn.sample_rate:6.1f} s"
    left = [line for it in group.before for line in _turn(it, half - 1)]
    right = [line for it in group.after for line in _turn(it, half - 1)]
    for n in range(max(len(left), len(right))):
        one = left[n] if n < len(left) else ""
        two = right[n] if n < len(right) else ""
        yield f"{at if not n else '':8}  {one:<{half}} {two}".rstrip()
    marks = [_MARKS[it] for it in group.changes if it != "same"]
    notes = [note for it in group.after for note in would.notes.get(it.turn.id, ())]
    if marks:
        yield f"{'':8}  > {'; '.join(marks)}"
    for note in dict.fromkeys(notes):
        yield f"{'':8}    ({note})"


def _turn(turn: OutlineTurn, width: int) -> list[str]:
    said = f"you: {turn.text or '…'}"
    reply = f"  {turn.reply}" if turn.reply else ""
    fate = "" if turn.fate == "answered" else f"  ({turn.fate})"
    ms = turn.latency_ms
    waited = "" if ms is None else f"  [{ms / 1000:.2f} s]"
    lines = textwrap.wrap(said, width, subsequent_indent="  ") or [""]
    return lines + textwrap.wrap(
        reply + fate + waited, width, initial_indent="  ", subsequent_indent="    "
    )


def _summed(groups: list[Changed]) -> Iterator[str]:
    counts = {name: sum(name in it.changes for it in groups) for name in _MARKS}
    found = [f"{count} {_MARKS[name]}" for name, count in counts.items() if count]
    same = sum(it.changes == ("same",) for it in groups)
    yield "; ".join([f"{same} of {len(groups)} the same", *found])
    was = [ms for it in groups for turn in it.before if (ms := turn.latency_ms) is not None]
    would = [ms for it in groups for turn in it.after if (ms := turn.latency_ms) is not None]
    if was and would:
        yield (
            f"latency, the median: {statistics.median(was) / 1000:.2f} s, and would have been "
            f"{statistics.median(would) / 1000:.2f} s"
        )
