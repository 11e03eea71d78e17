"""A `VoiceSession` of the grammar: the app's loop drives it, and each step raises what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faults.grammar import WORDS, Fault, Talk
from faults.oracle import all_of, explained, squeezed
from faults.parts import CHUNK, RATE, Moments, said_of, sentences, turn_of, word_of, written
from faults.world import Judge, World

import rxvoice as rxv
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSink

__all__ = ["Stepped", "check_steps", "play_in_steps"]


@dataclass
class Stepped(World):
    """The same parts, in a session that a loop drives."""

    raised: list[tuple[int, BaseException]] = field(default_factory=list[tuple[int, BaseException]])
    """What the steps have raised, each with the utterance that it came in."""
    logged: list[rxv.FinishedTurn] = field(default_factory=list[rxv.FinishedTurn])
    chunks_given: int = 0
    consumed: int = 0

    def make_speaker(self) -> Any:
        speaker = FakeSink()
        speaker.paused = False  # type: ignore[attr-defined]
        return speaker


def play_in_steps(talk: Talk) -> Stepped:
    """Drive it to its end. The app catches what a step raises, and goes on."""
    world = Stepped(talk, Moments(list(talk.faults)), None)
    config = rxv.SessionConfig(
        input_sample_rate=RATE,
        frame_duration_ms=CHUNK,
        preroll_ms=40,
        vad_max_turn_seconds=2,
        barge_in="barge_in" in talk.parts,
    )
    session = rxv.VoiceSession(
        config,
        vad=Judge(world.moments, "vad", lambda it: word_of(it) >= 0),
        stt=world.ear,
        llm=world.writer,
        tts=world.mouth,
        barge_in=Judge(world.moments, "barge_in", lambda it, playing: playing),
        turn_policy=world._policy,
    )
    for _, chunk, number, _ in world.chunks():
        world.utterance = number
        world.chunks_given += 1
        try:
            session.step(chunk.samples, world.sink, tts_playing=False)
        except BaseException as error:
            world.raised.append((number, error))
    world.logged = session.turn_events
    world.consumed = session.total_chunks_consumed
    return world


def check_steps(world: Stepped) -> None:
    """All that must hold of it."""
    with explained(
        lambda: (
            f"{world.talk}\nhit: {world.moments.hit}\nraised: {world.raised}\n"
            f"logged: {world.logged}"
        )
    ):
        _check_steps(world)


def _check_steps(world: Stepped) -> None:
    hit = world.moments.hit
    assert world.consumed == world.chunks_given, "a chunk was not counted"
    for number, error in world.raised:
        _check_raised(number, error, hit)
    for fault in hit:
        came = [error for _, error in world.raised if said_of(fault) in _all_of(error)]
        assert len(came) <= 1, f"{fault} was raised {len(came)} times"
        alone = sum(it.turn == fault.turn for it in hit) == 1  # a step raises one error
        if alone and is_raised(fault):
            assert came, f"{fault} was not raised, but {world.raised}"
    logged = Counter(turn_of(it.user_text) for it in world.logged)
    failed = {it.turn for it in hit}
    sound: list[str] = []
    for which, it in enumerate(world.talk.utterances):
        if it.said != "words":  # a session answers what has no words, too
            sound += sentences(WORDS[turn_of("")])
            continue
        assert logged[which] == 1 or (which in failed and not logged[which]), f"turn {which}"
        if which not in failed:
            entry = next(it for it in world.logged if turn_of(it.user_text) == which)
            wanted = written(WORDS[which])
            assert squeezed(entry.assistant_text) == squeezed(wanted), f"turn {which}: {entry}"
            sound += sentences(WORDS[which])
    if not failed:
        assert np.array_equal(world.speaker.samples, all_of(sound)), "it sounds wrong"
    assert world.moments.open == 0, "an answer was never closed"


def _check_raised(number: int, error: BaseException, hit: list[Fault]) -> None:
    """It is of a fault of that turn, and says the stage and the turn."""
    mine = [it for it in hit if it.turn == number]
    assert mine, f"{error!r} came in utterance {number}, where nothing was to fail"
    ctrl_c = isinstance(error, KeyboardInterrupt) and any(it.kind == "Ctrl-C" for it in mine)
    stalled = isinstance(error, rxv.SinkStalled) and any(it.stage == "sink" for it in mine)
    assert isinstance(error, StageError) or ctrl_c or stalled, f"{error!r} is not for an app"
    if isinstance(error, StageError):
        stages = {STAGES.get(it.stage.split(" ")[0], it.stage.split(" ")[0]) for it in mine}
        assert error.stage in stages, f"{error!r} blames {error.stage}, not {stages}"
        if error.turn is None:
            assert error.stage in ("vad", "barge_in"), f"{error!r} does not say its turn"
        else:
            assert word_of(error.turn.audio) == number, f"{error!r} names another turn"


STAGES = {"sink": "play", "policy": "turn_window", "tool": "respond"}


def is_raised(fault: Fault) -> bool:
    """Whether a step must raise it with its own message."""
    return fault.kind in ("raises", "Ctrl-C", "exits", "MemoryError", "GeneratorExit") and (
        fault.moment in ("first", "piece", "turn end") and fault.stage != "tool"
    )


def _all_of(error: BaseException | None) -> str:
    found: list[str] = []
    while error is not None:
        found.append(str(error))
        error = error.__cause__
    return "\n".join(found)
