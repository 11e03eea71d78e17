"""The composed operators, and the session made of them, are the reference loop."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from oracle import Loop, hysteresis
from reactivex import Subject
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import operators as vox

CONVERSATIONS = 400 if THOROUGH else 150


def pcm(samples: Any) -> bytes:
    return np.asarray(samples, np.float32).tobytes()


def hear(samples: Any) -> str:
    """A recogniser of which every sample counts."""
    return f"{len(samples)} {zlib.crc32(pcm(samples)):08x}"


def loudness(samples: Any) -> float:
    return float(np.abs(np.asarray(samples, np.float32)).mean())


def speak(text: str) -> list[list[float]]:
    """A voice that gives each letter three samples; spaces are silent and short: none."""
    letters = [ord(c) / 256 for c in text if not c.isspace()]
    sound = [v for v in letters for _ in range(3)]
    return [sound[i : i + 7] for i in range(0, len(sound), 7)]


@dataclass
class Sink:
    """Takes a random part of what it is offered; the same one in every run of a seed."""

    seed: int
    taken: list[float] = field(default_factory=list)
    flushes: int = 0
    is_running: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def write_samples(self, samples: Any) -> int:
        n = self.random.randint(1, len(samples))
        self.taken += [float(v) for v in samples[:n]]
        return n

    def flush(self) -> None:
        self.flushes += 1

    def clear(self) -> Any:
        return np.empty(0, np.float32)

    def stop(self) -> None:
        pass


@dataclass
class Conversation:
    """A random microphone and random settings."""

    seed: int

    def __post_init__(self) -> None:
        r = random.Random(self.seed)
        self.rate, self.frame_ms = r.choice(
            [(1000, r.randint(1, 12)), (8000, r.randint(1, 3)), (11025, 3), (16000, 1)]
        )
        self.size = self.rate * self.frame_ms // 1000
        self.preroll_ms = r.choice([0, 5, r.randint(5, 40), 1000])
        self.silence_ms = r.choice([0, r.randint(5, 60)])
        self.max_turn_s = r.choice([30.0, r.randint(64, 200) / 1000])
        self.start, self.stop = r.choice([(0.35, 0.2), (0.3, 0.3), (0.5, 0.0)])
        self.start_chunks = r.choice([1, 1, 2, 3])
        self.barge_in = r.random() < 0.8
        self.play_audio = r.random() < 0.9
        self.pieces = r.choice([0, 1, 4])
        self.gate = r.choice(["bool", "probability"])
        self.policy = r.choice(["silence", "audio"])
        self.frames = self._microphone(r)
        self.playing = [r.random() < 0.5 for _ in self.frames]

    def _microphone(self, r: random.Random) -> list[Any]:
        noise = np.random.default_rng(self.seed)
        runs: list[Any] = []
        for _ in range(r.randint(0, 14)):
            level = r.choice([0.0, 0.05, 0.25, 0.4, 0.9])
            n = r.randint(0, 12 * self.size + self.rate // 30)
            runs.append(noise.uniform(-1, 1, n).astype(np.float32) * np.float32(level))
        audio = np.concatenate([np.empty(0, np.float32), *runs])
        frames: list[Any] = []
        longest = r.choice([1, self.size, 3 * self.size, 20 * self.size])
        while len(audio):
            n = r.randint(0, longest)
            frames.append(audio[:n])
            audio = audio[n:]
        return frames

    def probability(self, samples: Any) -> float:
        return min(1.0, 2 * loudness(samples))

    def is_speech(self, samples: Any) -> bool:
        return self.probability(samples) >= self.start

    def finished_by_audio(self, audio: Any, silence_ms: int) -> bool:
        return silence_ms >= self.silence_ms and zlib.crc32(pcm(audio)) % 3 == 0

    def interrupts(self, samples: Any, playing: bool) -> bool:
        x = np.asarray(samples, np.float32)
        return playing and float(np.sqrt(np.dot(x, x) / len(x))) > 0.3

    def answer(self, text: str) -> str:
        return f"You said {text}. Is that 3.5 right?"

    def detector(self) -> Callable[[Any], bool | float]:
        return self.is_speech if self.gate == "bool" else self.probability

    def turn_policy(self) -> Any:
        return rxv.silence(self.silence_ms) if self.policy == "silence" else self.finished_by_audio

    def config(self) -> rxv.SessionConfig:
        return rxv.SessionConfig(
            input_sample_rate=self.rate,
            frame_duration_ms=self.frame_ms,
            vad_start_threshold=self.start,
            vad_stop_threshold=self.stop,
            vad_start_frames=self.start_chunks,
            vad_max_turn_seconds=self.max_turn_s,
            preroll_ms=self.preroll_ms,
            barge_in=self.barge_in,
            play_audio=self.play_audio,
        )


@dataclass
class Outcome:
    """What a conversation came to, by whichever way it was run."""

    events: list[tuple[int, str, str, bool]]
    sound: list[float]
    flushes: int
    heard: list[bytes]
    asked: list[str]
    consumed: int
    finalized: list[int] | None = None


class Models:
    """Models that note what they are given."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.heard: list[bytes] = []
        self.asked: list[str] = []
        self.spoke = False

    def transcribe_turn(self, audio: Any) -> str:
        self.heard.append(pcm(audio))
        return hear(audio)

    def respond(self, text: str) -> Any:
        self.asked.append(text)
        answer = self.conversation.answer(text)
        if not self.conversation.pieces:
            return answer
        n = self.conversation.pieces
        return (answer[i : i + n] for i in range(0, len(answer), n))

    def synthesize_stream(self, text: str) -> Iterator[Any]:
        self.spoke = True
        return (np.asarray(piece, np.float32) for piece in speak(text))


@cache
def wanted_of(seed: int) -> Outcome:
    """What the reference loop makes of it, computed once for all ways."""
    return by_oracle(Conversation(seed))


def by_oracle(c: Conversation) -> Outcome:
    models, sink = Models(c), Sink(c.seed)
    gate = c.is_speech
    if c.gate == "probability":
        gate = hysteresis(c.probability, c.start, c.stop, c.start_chunks)
    loop = Loop(
        sample_rate=c.rate,
        chunk_size=c.size,
        preroll_ms=c.preroll_ms,
        max_turn_ms=c.max_turn_s * 1000,
        is_speech=gate,
        user_finished=(lambda _, ms: ms >= c.silence_ms)
        if c.policy == "silence"
        else c.finished_by_audio,
        interrupts=c.interrupts if c.barge_in else None,
        transcribe=models.transcribe_turn,
        respond=lambda text: "".join(models.respond(text)),
        synthesize=speak if c.play_audio else None,
        write=sink.write_samples,
    )
    frames = zip(c.frames, c.playing, strict=True)
    finalized = [loop.frame(frame.tolist(), playing) for frame, playing in frames]
    loop.end()
    sink.flush()
    return Outcome(
        loop.events, sink.taken, sink.flushes, models.heard, models.asked, loop.consumed, finalized
    )


def events_of(events: list[Any]) -> list[tuple[int, str, str, bool]]:
    return [
        (e.chunks_consumed, e.user_text, e.assistant_text, e.barge_in_observed)
        for e in events
        if isinstance(e, rxv.FinishedTurn)
    ]


def by_operators(c: Conversation) -> Outcome:
    models, sink = Models(c), Sink(c.seed)
    mic: Subject[Any] = Subject()
    playing = False
    consumed = 0
    events: list[Any] = []
    errors: list[Exception] = []

    def count(chunk: rxv.AudioChunk) -> None:
        nonlocal consumed
        consumed += not chunk.partial

    chunks = mic.pipe(
        vox.chunk(c.size, sample_rate=c.rate),
        vox.vad(c.detector(), start=c.start, stop=c.stop, start_chunks=c.start_chunks),
    )
    chunks.subscribe(count)
    if c.barge_in:
        chunks = chunks.pipe(vox.barge_in(c.interrupts, playing=lambda: playing))
    chunks.pipe(
        vox.preroll(c.preroll_ms),
        vox.turn_window(c.turn_policy(), max_duration_ms=c.max_turn_s * 1000),
        vox.transcribe(models),
        vox.respond(models),
        vox.synthesize(models if c.play_audio else lambda _: ()),
        vox.play(sink),
    ).subscribe(events.append, errors.append)
    for frame, now_playing in zip(c.frames, c.playing, strict=True):
        playing = now_playing
        mic.on_next(frame)
    mic.on_completed()
    assert errors == []
    return Outcome(
        events_of(events), sink.taken, sink.flushes, models.heard, models.asked, consumed
    )


def session_of(c: Conversation) -> tuple[rxv.VoiceSession, Models, Sink]:
    models = Models(c)
    session = rxv.VoiceSession(
        c.config(),
        vad=c.detector(),
        stt=models,
        llm=models,
        tts=models,
        barge_in=c.interrupts,
        turn_policy=c.turn_policy(),
    )
    return session, models, Sink(c.seed)


def by_step(c: Conversation) -> Outcome:
    session, models, sink = session_of(c)
    frames = zip(c.frames, c.playing, strict=True)
    finalized = [session.step(frame, sink, playing) for frame, playing in frames]
    before = len(session.turn_events)
    assert session.flush_in_progress_turn(sink) == (len(session.turn_events) > before)
    assert sink.flushes == 0
    sink.flush()
    assert models.spoke == (c.play_audio and bool(models.heard))
    return Outcome(
        events_of(session.turn_events),
        sink.taken,
        sink.flushes,
        models.heard,
        models.asked,
        session.total_chunks_consumed,
        finalized,
    )


def by_run(c: Conversation) -> Outcome:
    session, models, sink = session_of(c)

    def frames() -> Iterator[Any]:
        for frame, playing in zip(c.frames, c.playing, strict=True):
            sink.is_running = playing
            yield frame

    session.run(frames(), sink)
    return Outcome(
        events_of(session.turn_events),
        sink.taken,
        sink.flushes,
        models.heard,
        models.asked,
        session.total_chunks_consumed,
    )


@pytest.mark.parametrize("way", [by_operators, by_step, by_run])
def test_equals_the_reference_loop(way: Callable[[Conversation], Outcome]) -> None:
    turns = barged = 0
    for seed in range(CONVERSATIONS):
        conversation = Conversation(seed)
        wanted, got = wanted_of(seed), way(conversation)
        if got.finalized is None:
            wanted = replace(wanted, finalized=None)
        assert got == wanted, f"conversation {seed}"
        turns += len(wanted.events)
        barged += sum(event[3] for event in wanted.events)
    # The comparison says something only if the conversations do.
    assert turns > 2 * CONVERSATIONS
    assert CONVERSATIONS / 3 < barged < turns
