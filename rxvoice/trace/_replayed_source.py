"""`ReplayedSource`: a source of sound, from a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from reactivex import abc

from rxvoice.chunks import AudioChunk
from rxvoice.trace._codec import decoded, error_of
from rxvoice.trace._kept_sound import KeptSound
from rxvoice.trace._reading import TraceLine


@dataclass(slots=True, eq=False)
class ReplayedSource:
    """A source of sound, from the trace."""

    sounds: KeptSound
    number: int
    observer: abc.ObserverBase[Any]
    began: float
    position: int = 0

    def give(self, line: TraceLine) -> None:
        if line.kind == "block":
            self.observer.on_next(self._block(line))
        elif line.kind == "event":
            value = decoded(line.fields.get("v"), self.sounds)
            self.observer.on_next(value)
        elif line.fields.get("error") is None:
            self.observer.on_completed()
        else:
            self.observer.on_error(cast("Exception", error_of(line.table("error"))))

    def _block(self, line: TraceLine) -> AudioChunk:
        name = "microphone" if not self.number else f"microphone-{self.number + 1}"
        count = line.count("n")
        samples = self.sounds.read(name, self.position, count)
        self.position += count
        time = self.began + line.number("time") if "time" in line.fields else None
        lead_in = line.table("lead_in")
        return AudioChunk(
            samples,
            line.count("rate"),
            line.count("at"),
            line.fields.get("speech"),
            line.fields.get("probability"),
            bool(line.fields.get("barge_in")),
            self.sounds.samples("lead-in", lead_in) if lead_in else None,
            bool(line.fields.get("partial")),
            time,
        )
