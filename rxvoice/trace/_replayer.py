"""`Replayer`: the boundary of a conversation that is replayed from a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from reactivex import abc

from rxvoice._audio.samples import Samples
from rxvoice._boundary import Handled
from rxvoice.errors import ConfigError
from rxvoice.slots import AudioSink
from rxvoice.trace._codec import LATER, decoded, error_of
from rxvoice.trace._described import described
from rxvoice.trace._difference import Difference, shown
from rxvoice.trace._kept_sound import KeptSound
from rxvoice.trace._reading import Trace, TraceLine
from rxvoice.trace._replay_scheduler import ReplayScheduler
from rxvoice.trace._replayed_sink import ReplayedSink
from rxvoice.trace._replayed_source import ReplayedSource
from rxvoice.turn import Turn

S = TypeVar("S")
T = TypeVar("T")

__all__ = ["Replayer"]


class Replayer:
    """Gives back what came from outside, line by line, and compares what comes out.

    The pipe takes each line that it is the next to cause: a question to a model, a call of the
    sink, an element that comes out. `run` takes those that came from outside. The first line that
    does not fit is the `difference`, and nothing is given after it.

    Attributes:
        scheduler: to subscribe with.
        difference: the first one; None so far.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._lines = trace.lines
        self._next = 0
        self._action = 0
        self._time = 0.0
        began = trace.header.get("monotonic", 0.0)
        self._began = float(began) if isinstance(began, int | float) else 0.0
        self._sounds = KeptSound(trace, self._on_short)
        self._sources: dict[int, ReplayedSource] = {}
        self._signals: dict[str, abc.ObserverBase[Any]] = {}
        self._asked: dict[int, Handled] = {}
        self._calls: dict[str, int] = {}
        self._scheduler = ReplayScheduler(self)
        self.scheduler: abc.SchedulerBase = self._scheduler
        self.difference: Difference | None = None
        self._is_torn = False  # the sound ends before the lines do

    def run(self, is_over: Callable[[], bool]) -> None:
        """Give back all that came from outside, until the end or the first difference."""
        while self._next < len(self._lines):
            if is_over() or self.difference is not None or self._is_torn:
                return
            line = self._lines[self._next]
            if line.kind in ("finish", "lost", "elsewhere"):
                if line.kind != "finish":
                    self.differs(f"the recording cannot be replayed from here: {shown(line)}")
                return
            self.enter(line)
            self._next += 1
            self._give(line)

    def enter(self, line: TraceLine) -> None:
        """Go to the action of the line."""
        self._action, self._time = line.action, line.time

    def _give(self, line: TraceLine) -> None:
        match line.kind:
            case "block" | "event" | "over":
                source = self._sources.get(line.count("src"))
                if source is None:
                    self.differs("the pipe has no such source", line)
                else:
                    source.give(line)
            case "in":
                observer = self._signals.get(line.text("name"))
                if observer is None:
                    self.differs("the pipe does not follow this", line)
                else:
                    self._signal(line, observer)
            case "piece" | "end" | "fail":
                handled = self._asked.get(line.count("id"))
                if handled is None:
                    self.differs("the pipe has not asked for this answer", line)
                else:
                    self._answer(line, handled)
            case "step":
                if not self._scheduler.run(line.count("n")):
                    self.differs("the pipe has not scheduled this, or does not need it", line)
            case _:
                self.differs("the pipe did not do this", line)

    # What the pipe causes

    def _take(self, *kinds: str, **wanted: object) -> TraceLine | None:
        """The next line, if it is of this kind and in the current action; else a difference."""
        if self.difference is not None or self._is_torn:
            return None
        line = self._lines[self._next] if self._next < len(self._lines) else None
        if line is None or line.fields.get("how") == "disposed":
            return None  # it was killed, or disposed of, in the middle of the action
        same = line.kind in kinds and line.action == self._action
        if not same or any(line.fields.get(name) != it for name, it in wanted.items()):
            self.differs(f"the pipe did: {kinds[0]} {wanted}", line)
            return None
        self._next += 1
        return line

    def _peek(self, kind: str, **wanted: object) -> TraceLine | None:
        """The next line, if it is this one; it is taken then."""
        if self.difference is not None or self._is_torn or self._next >= len(self._lines):
            return None
        line = self._lines[self._next]
        if line.kind != kind or line.action != self._action:
            return None
        if any(line.fields.get(name) != it for name, it in wanted.items()):
            return None
        self._next += 1
        return line

    def differs(self, why: str, line: TraceLine | None = None) -> None:
        """Note the first difference."""
        if self.difference is None and not self._is_torn:
            at = self._next - (line is not None and self._lines[self._next - 1] is line)
            self.difference = Difference(why, self._time, self._trace, at)

    def out(self, element: object) -> bool:
        """Compare what came out of the pipe; returns whether it is what came out before."""
        came = described(element)
        line = self._take("out", e=came["e"])
        if line is None:
            return False
        if (line.fields.get("turn"), line.fields.get("v")) != (came.get("turn"), came["v"]):
            self.differs(f"the pipe emitted {came}", line)
            return False
        return True

    def finish(self, how: str) -> bool:
        """Compare how the pipe ended; returns whether it ended so before."""
        if self.difference is not None:
            return False
        line = self._lines[self._next] if self._next < len(self._lines) else None
        if line is not None and (line.kind, line.fields.get("how")) != ("finish", how):
            self.differs(f"the pipe ended: {how}", line)
            return False
        return True

    # As a boundary

    def now(self) -> float:
        return self._began + self._time

    def source(self, name: str, observer: abc.ObserverBase[Any]) -> None:
        line = self._take("source", name=name)
        if line is not None:
            number = line.count("src")
            source = ReplayedSource(self._sounds, number, observer, self._began)
            self._sources[number] = source
            while (line := self._here(("block", "event", "over"), "src", number)) is not None:
                source.give(line)

    def signal(self, name: str, observer: abc.ObserverBase[Any]) -> None:
        self._signals[name] = observer
        while (line := self._here(("in",), "name", name)) is not None:
            self._signal(line, observer)

    def _signal(self, line: TraceLine, observer: abc.ObserverBase[Any]) -> None:
        if line.fields.get("error") is not None:
            observer.on_error(cast("Exception", error_of(line.table("error"))))
        elif line.fields.get("over"):
            observer.on_completed()
        else:
            observer.on_next(self._decoded(line.fields.get("v")))

    def ask(self, stage: str, turn: Turn, text: str | None, handled: Handled) -> None:
        given = {} if text is None else {"input": text}
        line = self._take("ask", stage=stage, turn=turn.id, **given)
        if line is None:
            return
        number = line.count("id")
        self._asked[number] = handled
        while (line := self._here(("piece", "end", "fail"), "id", number)) is not None:
            self._answer(line, handled)

    def _answer(self, line: TraceLine, handled: Handled) -> None:
        if line.kind == "piece":
            handled.take(self._decoded(line.fields.get("v")))
            return
        self._asked.pop(line.count("id"), None)
        if line.kind == "end":
            handled.end()
        else:
            handled.fail(error_of(line.table("error")))

    def call(
        self, name: str, function: Callable[[], T], otherwise: T, *, sample_rate: int = 0
    ) -> T:
        number = self._calls[name] = self._calls.get(name, 0) + 1
        if name == "vad" and (line := self._peek("vad")) is not None:
            return cast("T", self._decoded(line.fields.get("p")))
        line = self._peek("call", name=name, n=number)
        if line is None:
            if name == "vad" or sample_rate:
                self._take(name, "call")
            return otherwise
        if line.fields.get("error") is not None:
            raise error_of(line.table("error"))
        value = line.fields.get("v")
        if sample_rate:
            return cast("T", self._sounds.samples(name, line.table("v")))
        return cast("T", self._decoded(value))

    def policy(self, function: Callable[[], T]) -> T:
        number = self._calls["policy"] = self._calls.get("policy", 0) + 1
        if self._peek("call", name="policy", n=number) is not None:
            return cast("T", LATER)
        return function()

    def sink(self, sink: AudioSink) -> AudioSink:
        line = self._take("sink", m="has")
        has = () if line is None else cast("list[str]", line.fields.get("v") or ())
        return cast("AudioSink", ReplayedSink(self, has))

    def answer_of_sink(self, method: str, n: int | None = None) -> Any:
        """What the sink answered."""
        given = {} if n is None else {"n": n}
        line = self._take("sink", m=method, **given)
        if line is None:
            return n
        if line.fields.get("error") is not None:
            raise error_of(line.table("error"))
        return line.fields.get("v")

    def sound(self, name: str, samples: Samples, sample_rate: int) -> None:
        """Nothing is kept."""

    def _on_short(self, name: str) -> None:
        if self._trace.finish is None:
            self._is_torn = True  # the process was killed before it wrote this
        self.differs(f"{name}.flac has no more sound")

    def _here(self, kinds: tuple[str, ...], name: str, value: object) -> TraceLine | None:
        """The next line, if it is one of these in the same action; it is taken then."""
        for kind in kinds:
            if (line := self._peek(kind, **{name: value})) is not None:
                return line
        return None

    def _decoded(self, value: Any) -> Any:
        try:
            return decoded(value, self._sounds)
        except ConfigError as error:
            self.differs(str(error))
            return None
