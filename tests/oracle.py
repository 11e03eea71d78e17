"""The reference loop, in plain Python: what the composed operators must reproduce.

Written from the contract alone; shares nothing with rxvoice, not even arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass
class Loop:
    """One conversation; every model is a plain function over lists of floats."""

    sample_rate: int
    chunk_size: int
    preroll_ms: float
    max_turn_ms: float
    is_speech: Callable[[list[float]], bool]
    user_finished: Callable[[list[float], int], bool]
    interrupts: Callable[[list[float], bool], bool] | None
    transcribe: Callable[[list[float]], str]
    respond: Callable[[str], str]
    synthesize: Callable[[str], list[list[float]]] | None
    write: Callable[[list[float]], int]

    events: list[tuple[int, str, str, bool]] = field(default_factory=list)
    consumed: int = 0
    residual: list[float] = field(default_factory=list)
    lead_in: list[float] = field(default_factory=list)
    turn: list[float] | None = None
    silence: int = 0
    barged_in: bool = False

    def frame(self, samples: Iterable[float], playing: bool) -> int:
        """Take one microphone frame; how many turns it finalized."""
        finalized = 0
        self.residual += samples
        while len(self.residual) >= self.chunk_size:
            chunk = self.residual[: self.chunk_size]
            del self.residual[: self.chunk_size]
            finalized += self.chunk(chunk, playing)
        return finalized

    def chunk(self, chunk: list[float], playing: bool) -> int:
        self.consumed += 1
        speech = self.is_speech(chunk)
        final = False
        if speech:
            if self.turn is None:
                self.turn = self.lead_in
                self.lead_in = []
                self.barged_in = False
            self.turn += chunk
            self.silence = 0
        elif self.turn is not None:
            self.turn += chunk
            self.silence += len(chunk) * 1000 // self.sample_rate
            final = self.user_finished(self.turn, self.silence)
        else:
            self.lead_in += chunk
            keep = int(self.sample_rate * self.preroll_ms // 1000)
            del self.lead_in[: max(0, len(self.lead_in) - keep)]
        if speech and self.interrupts and self.interrupts(chunk, playing):
            self.barged_in = True
        if self.turn is not None:
            final = final or len(self.turn) * 1000 // self.sample_rate >= self.max_turn_ms
        if final:
            self.finalize()
        return int(final)

    def end(self) -> bool:
        """The microphone has ended; whether a turn was open."""
        if self.turn is None:
            return False
        self.turn += self.residual
        self.residual = []
        self.finalize()
        return True

    def finalize(self) -> None:
        audio, barged_in = self.turn, self.barged_in
        self.turn, self.lead_in, self.silence, self.barged_in = None, [], 0, False
        assert audio is not None
        heard = self.transcribe(audio)
        answer = self.respond(heard)
        if self.synthesize:
            for piece in self.synthesize(answer):
                while piece:
                    taken = self.write(piece)
                    assert taken > 0
                    piece = piece[taken:]
        self.events.append((self.consumed, heard, answer, barged_in))


def hysteresis(
    probability: Callable[[list[float]], float], start: float, stop: float, start_chunks: int
) -> Callable[[list[float]], bool]:
    """A speech gate: on after `start_chunks` in a row at `start`, off below `stop`."""
    state = {"on": False, "run": 0}

    def is_speech(chunk: list[float]) -> bool:
        p = probability(chunk)
        if state["on"]:
            state["on"] = p >= stop
        else:
            state["run"] = state["run"] + 1 if p >= start else 0
            state["on"] = state["run"] >= start_chunks
        if state["on"]:
            state["run"] = 0
        return bool(state["on"])

    return is_speech
