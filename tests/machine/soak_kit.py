"""A conversation of many hours in virtual time, in which much goes wrong, and its bookkeeping.

The user speaks at random, over the assistant too; the app types, interrupts and says something by
itself; models raise, give nothing and hang; the loudspeaker refuses; the process stands still, so
that sound is dropped. Each sample of the microphone says its own index.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
from machine.soak_books import CHUNK, MOST_MS, PREROLL_MS, RATE, SILENCE_MS, Memory, Oracle, Soak
from machine.soak_models import TIMEOUT_MS, VOICE_RATE, Ear, Lane, Mouth, Refusing, Writer
from reactivex import Subject
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice.chunks import AudioChunk
from rxvoice.recorder import RecordedSink, StereoRecorder
from rxvoice.sinks._clocked import ClockedSink
from rxvoice.testing._timeline import VirtualClock

__all__ = ["World", "world"]

ENDS = (events.Finished, events.Interrupted, events.Dropped, events.TurnFailed)
QUEUE_MS = 2_000
PERIOD = 2**22
SAMPLES = ((np.arange(PERIOD + RATE) % PERIOD) / 2**23).astype(np.float32)
"""Of the microphone: index divided by 2**23, again and again."""


class World:
    """The conversation.

    Args:
        seed: of all that is random.
        directory: for recordings: the first minutes of each hour.
        stalls: the chance, in each second, that the process stands still.
    """

    def __init__(self, seed: int, directory: Path, stalls: float) -> None:
        self._stalls = stalls
        self._dice = dice = random.Random(seed)
        self._directory = directory
        self.clock = clock = VirtualClock()
        self.soak = Soak()
        self._oracle = Oracle()
        self._writer, self._mouth = Writer(dice), Mouth(dice)
        self._speech = bytearray(PERIOD // CHUNK)
        self._speaks = False
        self._microphone: Subject[Any] = Subject()
        self._app: Subject[Any] = Subject()
        self._says: Subject[Any] = Subject()
        self._alive: dict[int, rxv.Turn] = {}
        self._lanes = [Lane(clock, dice, ms) for ms in (4, 60, 30)]
        self._recorder: StereoRecorder | None = None
        self._recorded_from = 0
        speaker = ClockedSink(
            "soak", clock, sample_rate=VOICE_RATE, max_buffer_ms=4_000, told_ms=100
        )
        self._recorded = RecordedSink(Refusing(speaker, dice), self._record)
        self._sink = rxv.echo.tap(self._recorded, sample_rate=VOICE_RATE, clock=self._now)
        self._over = False
        self.tell: Callable[[Memory], object] = lambda _: None

    def _now(self) -> float:
        return float(self.clock.clock)

    def run(self, hours: float, look_every: float = 1.0, record_minutes: float = 10) -> Soak:
        """Hold the conversation.

        Args:
            hours: how long.
            look_every: hours between two looks at the memory.
            record_minutes: how much of each such stretch is recorded.
        """
        life = self._pipe().subscribe(self._take, self._fail, self._completed, scheduler=self.clock)
        looked = 0
        for second in range(round(hours * 3600)):
            if second >= looked * look_every * 3600:
                self._stop_recording()
                self._look(second / 3600)
                looked += 1
                self._start_recording(looked)
            if second == round(((looked - 1) * look_every + record_minutes / 60) * 3600):
                self._stop_recording()
            self._second()
        self._stop_recording()
        self._look(hours)
        self._microphone.on_completed()
        self.clock.run(self._now() + 600)
        self._finish()
        life.dispose()
        return self.soak

    def _look(self, hour: float) -> None:
        self.soak.memory.append(Memory.now(hour))
        self.tell(self.soak.memory[-1])

    def _pipe(self) -> Any:
        ear, writer, voice = self._lanes
        limit: Any = {"timeout_ms": TIMEOUT_MS}
        return self._microphone.pipe(
            vox.handoff(max_ms=QUEUE_MS, overflow="drop_oldest", on_drop=self._drop),
            vox.chunk(CHUNK),
            vox.vad(self._is_speech),
            ops.do_action(self._oracle.hear),
            vox.preroll(PREROLL_MS),
            vox.turn_window(rxv.silence(SILENCE_MS), max_duration_ms=MOST_MS),
            ops.do_action(self._opened),
        ).pipe(
            vox.converse(
                vox.transcribe(Ear(self._dice), worker=ear, **limit),
                vox.respond(self._writer, worker=writer, **limit),
                vox.speakable(),
                vox.synthesize(self._mouth, worker=voice, **limit),
                sink=self._sink,
                echo=rxv.echo.correlation(self._sink, clock=self._now),
                interrupts=self._app,
                says=self._says,
                backchannels=("mhm",),
                idle_ms=4_000,
                preempt_after_ms=200,
            ),
            vox.metrics(sink=self._sink),
        )

    # The microphone, and the app

    def _second(self) -> None:
        """A second passes. Its blocks come one by one, or late and together."""
        dice = self._dice
        stalled = dice.choice([0, 0.5, 3]) if dice.random() < self._stalls else 0
        until = self._now() + 1 + stalled
        late: list[AudioChunk] = []
        while self._now() < until - 0.001:
            count = dice.choice([640, 800, 1024, 1600, 2048])
            begin = self.soak.given
            self.soak.given += count
            self._decide(begin, count)
            at = begin % PERIOD
            block = AudioChunk(SAMPLES[at : at + count], RATE, begin, time=self._now())
            self.clock.advance_to(self._now() + count / RATE)
            if self._recorder is not None:
                self._recorder.mic(block)
            self._recorded.catch_up()
            late.append(block)
            if stalled <= 0:
                for it in late:
                    self._microphone.on_next(it)
                late.clear()
            stalled -= count / RATE
        for it in late:
            self._microphone.on_next(it)
        chance = dice.random()
        if chance < 0.004:
            self._app.on_next(dice.choice([None, "typed words"]))
        elif chance < 0.006:
            self._says.on_next("By the way.")

    def _decide(self, begin: int, count: int) -> None:
        """Whether the user speaks."""
        for cell in range(-(-begin // CHUNK), -(-(begin + count) // CHUNK)):
            if self._dice.random() < (0.06 if self._speaks else 0.01):
                self._speaks = not self._speaks
            self._speech[cell % len(self._speech)] = self._speaks

    def _is_speech(self, samples: Any) -> bool:
        return bool(self._speech[round(float(samples[0]) * 2**23) // CHUNK])

    def _drop(self, element: object) -> None:
        if isinstance(element, AudioChunk):
            self.soak.dropped += len(element.samples)

    # What comes out

    def _opened(self, turn: object) -> None:
        if isinstance(turn, rxv.Turn):
            self._alive[id(turn)] = turn
            self.soak.most_alive = max(self.soak.most_alive, len(self._alive))
            turn.subscribe(on_completed=lambda: self._compare(turn))

    def _compare(self, turn: rxv.Turn) -> None:
        """A turn has ended: it has the samples that it should have."""
        if turn.ended_by == "source":
            self._oracle.end()
        self.soak.in_turns += len(turn.audio)
        wanted = self._oracle.turns.popleft() if self._oracle.turns else None
        if wanted is None or not np.array_equal(turn.audio, wanted):
            got = None if wanted is None else len(wanted)
            self.soak.wrong.append(f"turn {turn.id} has {len(turn.audio)} samples, not {got}")

    def _take(self, element: object) -> None:
        name = type(element).__name__
        if isinstance(element, events.Dropped):
            name += f" {element.reason}"
        self.soak.told[name] += 1
        if isinstance(element, ENDS):
            self._alive.pop(id(element.turn), None)

    def _fail(self, error: Exception) -> None:
        self.soak.wrong.append(f"it ended with {error!r}")

    def _completed(self) -> None:
        self._over = True

    def _finish(self) -> None:
        soak = self.soak
        soak.idle = self._oracle.idle
        soak.most_words = self._writer.most_words
        soak.hung = sum(it.hung for it in self._lanes)
        counts = {
            "turns without an end": len(self._alive),
            "turns that nobody got": len(self._oracle.turns),
            "text models open": self._writer.open,
            "voices open": self._mouth.open,
            "samples that are nowhere": soak.given - soak.in_turns - soak.idle - soak.dropped,
        }
        soak.wrong += [f"{many} {what}" for what, many in counts.items() if many]
        if not self._over:
            soak.wrong.append("it did not complete")

    # The recordings

    def _start_recording(self, number: int) -> None:
        self._recorder = StereoRecorder(self._directory / f"{number}.wav", RATE)
        self._recorded_from = self.soak.given

    def _record(self, samples: Any, rate: int, time: float) -> None:
        if self._recorder is not None:
            self._recorder.assistant(samples, rate, time)

    def _stop_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.close()
        first, count = self._recorded_from, self.soak.given - self._recorded_from
        if not count:
            return
        sound, _ = soundfile.read(recorder.path, dtype="int16")
        given = to_pcm16(SAMPLES[np.arange(first, first + count) % PERIOD])
        if not np.array_equal(sound[:count, 0], given) or sound[count:, 0].any():
            self.soak.wrong.append(f"{recorder.path.name} has other samples")
        recorder.path.unlink()
        self.soak.recordings += 1


@contextmanager
def world(seed: int, directory: Path, stalls: float = 0.003) -> Iterator[World]:
    """A conversation whose recorder lives in virtual time, too."""
    made = World(seed, directory, stalls)
    clock = SimpleNamespace(monotonic=made._now)
    parts = ("_stereo_recorder", "_recorded_sink")
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(patch(f"rxvoice.recorder.{part}.time", clock))
        yield made
