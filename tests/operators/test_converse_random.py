"""Whatever is said when: nothing is lost, nothing is stale, and all of it is remembered."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest
from interruption_kit import Scene, random_scene
from thorough import some

import rxvoice as rxv
from rxvoice import events
from rxvoice.elements import FinishedTurn
from rxvoice.testing import FakeStreamingTranscriber

ENDS = (events.Finished, events.Interrupted, events.Dropped)


@pytest.mark.parametrize("seed", some(range(250), 60))
def test_whatever_is_said_when(seed: int) -> None:
    it = random_scene(seed)
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
        opened = kinds.count(events.TurnOpened)
        if first is events.Candidate:
            confirmed = kinds.count(events.Confirmed)
            assert confirmed + kinds.count(events.Dropped) >= 1, it.lines
            assert opened == confirmed, it.lines
        else:  # one that was spoken over by what was typed became a candidate
            assert opened == 1 + kinds.count(events.Confirmed), it.lines
        ended = turn.id > 0 and events.Dropped not in kinds and events.Interrupted not in kinds
        assert kinds.count(events.TurnEnded) in ((1,) if ended else (0, 1)), it.lines
        assert sum(kinds.count(end) for end in ENDS) == 1, it.lines
        assert kinds.count(events.Transcribed) <= 1, it.lines
        assert kinds.count(events.ReplyStarted) <= 1, it.lines
        assert kinds.count(events.Speaking) <= 1, it.lines
        if events.Speaking in kinds:
            assert kinds.index(events.ReplyStarted) < kinds.index(events.Speaking), it.lines
        end = next(n for n, kind in enumerate(kinds) if kind in ENDS)
        assert not kinds[end + 1 :], it.lines
        paused = [kind for kind in kinds if kind in (events.Paused, events.Resumed)]
        wanted = [events.Paused, events.Resumed] * len(paused)
        assert paused == wanted[: len(paused)], it.lines


def _audio(it: Scene) -> None:
    """Every turn that was not dropped was written down, once, from its first sample on."""
    if isinstance(it.stt, FakeStreamingTranscriber):
        given = [np.concatenate(session.given) for session in it.stt.sessions if session.given]
    else:
        given = it.stt.given
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
        if isinstance(record.value, FinishedTurn):
            wanted.append(("user", record.value.user_text))
            if record.value.assistant_text:
                wanted.append(("assistant", record.value.assistant_text))
    assert [(role, text.strip()) for role, text in it.llm.history] == [
        (role, text.strip()) for role, text in wanted
    ], it.lines
