"""A conversation of the grammar on real threads: of the microphone, the pipe and the models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from faults.grammar import LONG, Talk
from faults.oracle import ENDS, number
from faults.parts import Moments, turn_of
from faults.tracing import trace_of
from faults.world import World, disk_of, strike_subscriber
from interruption_world import Quick
from reactivex import Observable, abc
from reactivex.disposable import Disposable

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.elements import FinishedTurn
from rxvoice.events import TurnFailed
from rxvoice.mlx import MlxScheduler

__all__ = ["Threaded", "play_on_threads"]

WAIT = 60
"""Seconds after which a test fails that waits for something."""


class Threaded(World):
    """The same conversation, whose parts run where they do in an app."""

    threaded = True

    def make_speaker(self) -> Any:
        self.changed = threading.Condition()
        self.released = threading.Event()
        self.hanging = threading.Event()
        self.moments.hang = self._hang
        self.moments.wait = lambda: never.wait(0.002) and None
        return Quick(0, most_wait_s=0.006, most_samples=120)

    def limits(self, stage: str) -> Any:
        long = any(it.stage.startswith(stage) and it.kind in LONG for it in self.talk.faults)
        return {"timeout_ms": 250, "total_timeout_ms": 500} if long else {}

    def _hang(self) -> None:
        self.hanging.set()
        self._wake()
        assert self.released.wait(WAIT), "nobody let go"

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds, or the conversation is over."""
        with self.changed:
            done = self.changed.wait_for(lambda: holds() or self.ended is not None, WAIT)
        assert done, f"it never came: {self.told[-5:]}"

    def has_ended(self, which: int) -> bool:
        """Whether this turn is over."""
        if self.talk.pipe == "plain":
            logs = [it for it in self.told if isinstance(it, FinishedTurn)]
            if any(turn_of(it.user_text) == which for it in logs):
                return True
        return any(isinstance(it, ENDS) and number(it.turn) == which for it in self.told)

    def speaks(self, which: int) -> bool:
        spoken = [it for it in self.told if isinstance(it, events.Speaking)]
        return any(number(it.turn) == which for it in spoken)

    def _may_speak(self, which: int, over: bool) -> bool:
        before = which - 1
        if before < 0 or (over and self.speaks(before)):
            return True
        # A cough may have ended that came over a reply, which goes on.
        opened = [it for it in self.told if isinstance(it, events.TurnOpened | events.Candidate)]
        others = {number(it.turn) for it in opened} - {before}
        return self.has_ended(before) and (over or all(map(self.has_ended, others)))

    def microphone(self, observer: Any, gone: threading.Event) -> None:
        """Speak each utterance when its time has come; on a thread of its own."""
        chunks = self.chunks()
        for which, it in enumerate(self.talk.utterances):
            self.until(partial(self._may_speak, which, it.when == "over"))
            for _, chunk, mine, now in chunks:
                if gone.is_set() or self.silent:
                    return
                if mine == which:
                    self.give(observer, chunk, mine, now)
        last = len(self.talk.utterances) - 1
        self.until(lambda: self.has_ended(last) or gone.is_set())
        if not self.silent and not gone.is_set():
            observer.on_completed()

    def over(self) -> None:
        super().over()
        self._wake()


never = threading.Event()


def play_on_threads(talk: Talk, models: MlxScheduler, tmp: Path | None = None) -> Threaded:
    """Run a conversation on threads, to its end."""
    world = Threaded(talk, Moments(list(talk.faults)), None, tmp)
    threads: list[threading.Thread] = []
    leaving = [it for it in talk.faults if it.moment == "disposal"]

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        gone = threading.Event()
        world.sources += 1
        thread = threading.Thread(target=world.microphone, args=(observer, gone))
        threads.append(thread)

        def leave() -> None:
            world.sources -= 1
            gone.set()
            world._wake()

        thread.start()
        return Disposable(leave)

    leave_now = threading.Event()

    def on_next(element: Any) -> None:
        with world.changed:
            world.after_end += world.ended is not None
            world.told.append(element)
            if any(world.is_time_to_leave(it, element) for it in leaving):
                leave_now.set()
            world.changed.notify_all()
        strike_subscriber(world, element)

    def end(error: Exception | None = None) -> None:
        with world.changed:
            world.after_end += world.ended is not None
            world.ended, world.error = "completed" if error is None else "failed", error
            world.changed.notify_all()

    heard = Observable(subscribe).pipe(vox.handoff(max_ms=10**9, overflow="fail"))
    lanes = (models.listening, models.text, models.speech)
    broken = ExitStack()
    broken.enter_context(disk_of(world))
    trace = broken.enter_context(trace_of(world))
    pipe: Any = world.pipe(heard, lanes)
    try:
        life = rxv.live(pipe, trace=trace).subscribe(on_next, end, end)
        hang = any(it.kind == "hangs" for it in talk.faults)
        if hang:
            world.until(lambda: world.hanging.is_set() or world.silent or waits(world))
            if any(is_a_model(it.stage) for it in world.moments.hit):
                world.until(lambda: any(isinstance(it, TurnFailed) for it in world.told))
            world.released.set()
        world.until(lambda: world.silent or leave_now.is_set())
        world.released.set()
        if world.ended is None:
            with world.changed:
                world.moments.disposing, world.ended = True, "disposed"
            try:
                life.dispose()
            except KeyboardInterrupt as error:
                world.escaped.append(error)
            world._wake()
        for thread in threading.enumerate():  # it may still tell the model what was heard
            if thread.name == "rxvoice-conversation":
                thread.join(WAIT)
        for lane in lanes:  # what is closed is closed by the next step
            idle = threading.Event()
            lane.schedule(lambda *_, idle=idle: idle.set() or None)
            assert idle.wait(WAIT)
    finally:
        world.released.set()
        world.ended = world.ended or "disposed"
        world._wake()
        for thread in threads:
            thread.join(WAIT)
        with world.changed:  # disposal waits for no thread
            world.changed.wait_for(lambda: world.sources == 0, WAIT)
        world.speaker.stop()
        for writer in threading.enumerate():
            if writer.name == "rxvoice-trace":
                writer.join(WAIT)
        broken.close()
    return world


def is_a_model(stage: str) -> bool:
    return stage.split(" ")[0] in ("transcribe", "respond", "synthesize")


def waits(world: Threaded) -> bool:
    """Whether an async answer, which holds up no thread, has been begun and hangs."""
    return any(it.kind == "hangs" for it in world.moments.hit)
