"""`what_if`: a recorded conversation in virtual time, through a pipe with other settings."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from reactivex import Observable, abc

from rxvoice._audio.samples import Samples
from rxvoice._boundary import Handled
from rxvoice.slots import AudioSink
from rxvoice.trace._codec import LATER, decoded, error_of
from rxvoice.trace._judgements import judgements
from rxvoice.trace._known import KnownAnswers
from rxvoice.trace._outline import OutlineTurn, outline
from rxvoice.trace._reading import Trace, TraceLine
from rxvoice.trace._recorded_answers import UNKNOWN, RecordedAnswers
from rxvoice.trace._replayed_source import ReplayedSource
from rxvoice.trace._what_if_clock import WhatIfClock
from rxvoice.turn import Turn

__all__ = ["Would", "what_if"]

T = TypeVar("T")

_AFTER_S = 120.0
"""How long a conversation goes on after the recording, to hear the last reply."""
_OF_THE_SINK = ("played", "sink_events")
_AS_RECORDED = ("closing", "reference", "wake_word", "wake_word_score")
"""Calls that are made once for each chunk, so that the n-th is the n-th."""
_OF_MODELS = ("heard", "said", "forget", "withdraw")


@dataclass
class Would:
    """How a conversation would have been.

    Args:
        turns: its turns and candidates.
        notes: for the number of a turn, what is not known of it.
        error: what it failed with, or None.
    """

    turns: list[OutlineTurn]
    notes: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    error: Exception | None = None


def what_if(
    trace: Trace,
    known: KnownAnswers,
    pipe: Callable[[WhatIfClock], Observable[Any]],
    *,
    streams: bool = False,
    live: bool = False,
) -> Would:
    """Hold the conversation again, in virtual time.

    The microphone's blocks and what the app did come when they came; the detector judges each chunk
    as it did; models answer as they did to the same question, with the same delays.

    Args:
        known: what models are known to answer.
        pipe: makes the pipe, with a sink that plays by this clock.
        streams: whether the recogniser streams.
        live: whether to ask the models of `pipe`. They answer as late as this machine takes.
    """
    clock = WhatIfClock()
    clock.boundary = boundary = _WhatIf(trace, known, clock, streams=streams, live=live)
    happened: list[tuple[float, object]] = []
    failed: list[Exception] = []
    over = False

    def end() -> None:
        nonlocal over
        over = True

    def fail(error: Exception) -> None:
        failed.append(error)
        end()

    life = pipe(clock).subscribe(
        lambda it: happened.append((clock.seconds, it)), fail, end, scheduler=clock
    )
    # The end of the sound is known once it has come.
    clock.run(lambda: over or clock.seconds > max(boundary.end, trace.duration) + _AFTER_S)
    life.dispose()
    turns = outline(happened)
    for turn in turns:
        if turn.why == "no_words" and UNKNOWN in boundary.notes.get(turn.turn.id, ()):
            turn.fate, turn.why = "unknown", ""
    return Would(turns, boundary.notes, failed[0] if failed else None)


class _WhatIf:
    """The boundary: what does not depend on the settings comes from the trace."""

    def __init__(
        self, trace: Trace, known: KnownAnswers, clock: WhatIfClock, *, streams: bool, live: bool
    ) -> None:
        began = trace.header.get("monotonic", 0.0)
        self._began = float(began) if isinstance(began, int | float) else 0.0
        self._trace = trace
        self._known = known
        self._clock = clock
        self._live = live
        self._sources = 0
        self._samples = 0
        self.end = 0.0
        self.notes: dict[int, list[str]] = {}
        self._judged = [*judgements(trace)]
        self._calls: dict[str, int] = defaultdict(int)
        self._said = {(it.text("name"), it.count("n")): it for it in trace.of("call")}
        self._verdicts = {it.samples for it in trace.of("ask") if it.text("stage") == "policy"}
        rates = {it.turn.sample_rate for it in known.turns}
        block = next(trace.of("block"), None)
        rate = block.count("rate", 1) if block else 1
        self._answers = RecordedAnswers(
            known, next(iter(rates), rate) / rate, streams=streams, note=self._note
        )

    def _note(self, turn: Turn, text: str) -> None:
        notes = self.notes.setdefault(turn.id, [])
        if text not in notes:
            notes.append(text)

    def now(self) -> float:
        return self._began + self._clock.seconds

    def source(self, name: str, observer: abc.ObserverBase[Any]) -> None:
        number, self._sources = self._sources, self._sources + 1
        source = ReplayedSource(self._known.sounds, number, observer, self._began)
        of = (it for it in self._trace.of("block", "event", "over") if it.count("src") == number)
        self._next(source, of, by_position=name == "recording")

    def _next(self, source: ReplayedSource, of: Iterator[TraceLine], *, by_position: bool) -> None:
        line = next(of, None)
        if line is None:
            # It was told to end, or killed: nothing more is heard.
            self._clock.at(self.end, source.observer.on_completed)
            return
        if not by_position:
            self.end = line.time
        elif line.kind == "block":
            self.end = (line.count("at") + line.count("n")) / line.count("rate", 1)

        def give() -> None:
            if line.kind == "block" and not source.number:
                self._samples = line.samples + line.count("n")
            source.give(line)
            if line.kind != "over":
                self._next(source, of, by_position=by_position)

        self._clock.at(self.end, give)

    def signal(self, name: str, observer: abc.ObserverBase[T]) -> abc.ObserverBase[T] | None:
        if name in _OF_THE_SINK:
            return observer
        for line in self._trace.of("in"):
            if line.text("name") == name and "v" in line.fields:
                value = decoded(line.fields["v"], self._known.sounds)
                self._clock.at(line.time, lambda value=value: observer.on_next(value))
        return None

    def ask(self, stage: str, turn: Turn, text: str | None, handled: Handled) -> Handled | None:
        if self._live:
            return self._measured(handled)
        answer = self._answers.answer(stage, turn, text, self._clock.seconds, self._samples)

        def later(delay: float, action: Callable[[], None]) -> None:
            self._clock.at(answer.time + delay, lambda: self._unless_over(handled, action))

        for delay, piece in answer.pieces:
            later(delay, partial(handled.take, piece))
        error, end = answer.error, answer.end or 0.0
        later(end, handled.end if error is None else partial(handled.fail, error))
        return None

    def _measured(self, handled: Handled) -> Handled:
        """What is done with the answer of a model that is called now: as late as it takes."""
        asked, began = self._clock.seconds, time.perf_counter()

        def later(action: Callable[[], None]) -> None:
            self._clock.at(
                asked + time.perf_counter() - began, lambda: self._unless_over(handled, action)
            )

        return Handled(
            lambda piece: later(partial(handled.take, piece)),
            lambda: later(handled.end),
            lambda error: later(partial(handled.fail, error)),
            handled.life,
        )

    @staticmethod
    def _unless_over(handled: Handled, action: Callable[[], None]) -> None:
        if handled.life is None or not handled.life.is_disposed:
            action()

    def call(
        self, name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0
    ) -> T:
        n = self._calls[name] = self._calls[name] + 1
        if name == "vad":
            line = self._judged[n - 1].line if n <= len(self._judged) else None
            if line is not None and line.kind == "call":
                raise error_of(line.table("error"))
            return cast("T", 0.0 if line is None else line.fields.get("p", 0.0))
        if name == "echo":
            chunk = self._calls["vad"]
            return cast("T", chunk <= len(self._judged) and self._judged[chunk - 1].echo)
        if name in _AS_RECORDED:
            line = self._said.get((name, n))
            if line is None:
                return otherwise
            if line.fields.get("error") is not None:
                raise error_of(line.table("error"))
            if sample_rate:
                return cast("T", self._known.sounds.samples(name, line.table("v")))
            return cast("T", decoded(line.fields.get("v"), self._known.sounds))
        if name in _OF_MODELS and not self._live:
            return otherwise
        return function()

    def policy(self, function: Callable[[], T]) -> T:
        # A policy that answered later was a model, whose verdict on this place is in the trace.
        later = self._samples in self._verdicts and not self._live
        return cast("T", LATER) if later else function()

    def sink(self, sink: AudioSink) -> AudioSink:
        return sink

    def sound(self, name: str, samples: Samples, sample_rate: int) -> None:
        """Nothing is kept."""
