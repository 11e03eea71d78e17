"""Whatever is said when: nothing is lost, nothing is stale, and all of it is remembered."""

from __future__ import annotations

import random
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from interruption_kit import Scene, Talk, Voice

import rxvoice as rxv
from rxvoice import events
from rxvoice.elements import TurnEvent
from rxvoice.testing import FakeStreamingTranscriber, FakeTranscriber

WORDS = ["stop", "what is it", "no", "", "go on please", "two", "hm"]
ENDS = (events.Finished, events.Interrupted, events.Dropped)


def scene(seed: int) -> Scene:
    dice = random.Random(seed)
    mic = "".join(
        "~" * dice.randint(1, 14) + "_" * dice.choice([1, 2, 4, 8, 20, 60, 90])
        for _ in range(dice.randint(3, 8))
    )
    texts = ["hi", *(dice.choice(WORDS) for _ in range(8))]
    slow = dice.choice([None, 5, 60, 200])
    stt = dice.choice(
        [
            FakeTranscriber(*texts, after_ms=slow),
            FakeStreamingTranscriber(*texts),
        ]
    )
    replies = [
        [f"{chr(65 + n)} one two. ", "Three four five. ", "The end!"][: dice.randint(1, 3)]
        for n in range(12)
    ]
    voice = Voice(pieces=dice.randint(1, 3), every_ms=dice.choice([None, None, 15]))
    preempt = dice.choice([None, None, 20])
    keys: dict[str, Any] = {"N": None, "T": "typed"}
    presses = "".join(dice.choice("-" * 40 + "NT") for _ in range(len(mic)))
    return Scene(
        mic + "_" * 10 + "|",
        stt=stt,
        llm=Talk(*replies, every_ms=dice.choice([None, 10, 40, 150])),
        tts=voice,
        silence_ms=dice.choice([20, 40, 80]),
        min_speech_ms=dice.choice([0, 20, 50, 100]),
        min_words=dice.choice([0, 0, 2]),
        resume_after_ms=dice.choice([0, 30, 100, 1500]),
        interruptions=dice.random() > 0.15,
        stop_words=dice.choice([(), ("stop",)]),
        echo_tail_ms=dice.choice([0, 50, 450]),
        warm_up_ms=dice.choice([0, 0, 40]),
        duck=dice.choice([None, None, 0.3]),
        preempt_after_ms=preempt,
        idle_ms=dice.choice([None, 70]),
        interrupts=(lambda m: m.cold(presses, keys)) if dice.random() < 0.4 else None,
    )


@pytest.mark.parametrize("seed", range(250))
def test_whatever_is_said_when(seed: int) -> None:
    it = scene(seed)
    assert it.recorded[-1].kind == "completed", it.lines
    _grammar(it)
    _audio(it)
    _playback(it)
    _memory(it)
    assert (it.llm.open, it.tts.open) == (0, 0)
    assert max(it.llm.most_open, it.tts.most_open) <= 1, "one is closed before the next begins"
    assert not it.speaker.paused
    assert it.speaker.gain == 1


def _grammar(it: Scene) -> None:
    """What is told of each turn is a story that makes sense."""
    told = [record.value for record in it.recorded if isinstance(record.value, events.Event)]
    turns = {id(event.turn): event.turn for event in told if getattr(event, "turn", None)}
    for turn in turns.values():
        story = [event for event in told if getattr(event, "turn", None) is turn]
        kinds = [type(event) for event in story]
        first = kinds[0]
        assert first in (events.TurnOpened, events.Candidate), it.lines
        assert kinds.count(events.TurnOpened) + kinds.count(events.Candidate) == 1, it.lines
        if first is events.Candidate:
            dropped = kinds.count(events.Dropped)
            assert kinds.count(events.Confirmed) + dropped in (1, 2), it.lines
        assert sum(kinds.count(end) for end in ENDS) == 1, it.lines
        assert kinds.count(events.Transcribed) <= 1, it.lines
        assert kinds.count(events.ReplyStarted) <= 1, it.lines
        assert kinds.count(events.Speaking) <= 1, it.lines
        if events.Speaking in kinds:
            assert kinds.index(events.ReplyStarted) < kinds.index(events.Speaking), it.lines
        end = next(n for n, kind in enumerate(kinds) if kind in ENDS)
        late = set(kinds[end + 1 :])
        assert late <= {events.Transcribed, events.Partial}, it.lines
        paused = [kind for kind in kinds if kind in (events.Paused, events.Resumed)]
        wanted = [events.Paused, events.Resumed] * len(paused)
        assert paused == wanted[: len(paused)], it.lines


def _audio(it: Scene) -> None:
    """Every turn that was not dropped was written down, once, from its first sample on."""
    if isinstance(it.stt, FakeStreamingTranscriber):
        given = [np.concatenate(session.heard) for session in it.stt.sessions if session.heard]
    else:
        given = it.stt.heard
    dropped = {
        id(record.value.turn)
        for record in it.recorded
        if isinstance(record.value, events.Dropped) and record.value.reason in ("short", "echo")
    }
    kept = [turn.audio for turn in it.turns if id(turn) not in dropped]
    for audio in kept:
        assert sum(np.array_equal(audio, heard) for heard in given) >= 1, it.lines
    assert len(given) <= len(it.turns)
    starts = [(turn.start, turn.start + len(turn.audio)) for turn in it.turns]
    assert all(a[1] <= b[0] for a, b in pairwise(starts))


def _playback(it: Scene) -> None:
    """What was heard is the beginnings of the replies, in order; of finished ones all."""
    finished = {
        id(record.value.turn) for record in it.recorded if isinstance(record.value, events.Finished)
    }
    heard = it.speaker.heard
    reached = {0}
    for turn, pieces in groupby(it.speech, key=lambda speech: id(speech.turn)):
        reply = np.concatenate([np.asarray(piece.samples) for piece in pieces])
        least = len(reply) if turn in finished else 0
        reached = {
            start + length
            for start in reached
            for length in range(least, _common(heard[start:], reply) + 1)
        }
    assert len(heard) in reached, it.lines


def _common(a: rxv.Samples, b: rxv.Samples) -> int:
    length = min(len(a), len(b))
    differ = np.flatnonzero(a[:length] != b[:length])
    return int(differ[0]) if len(differ) else length


def _memory(it: Scene) -> None:
    """The conversation that the model keeps is what was said and heard."""
    wanted: list[tuple[str, str]] = []
    for record in it.recorded:
        if isinstance(record.value, TurnEvent):
            wanted.append(("user", record.value.user_text))
            if record.value.assistant_text:
                wanted.append(("assistant", record.value.assistant_text))
    assert [(role, text.strip()) for role, text in it.llm.history] == [
        (role, text.strip()) for role, text in wanted
    ], it.lines
