"""Whose turn it is, and when: two microphones in one room, told apart to the end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn
from rxvoice.errors import ConfigError
from rxvoice.events import TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.testing import FakeSpeaker, FakeSynthesizer, marbles
from rxvoice.turn import Turn

AUDIO = np.zeros(4, np.float32)


def chunks(pattern: str, *, time: float | None = None, lead: int = 0) -> list[AudioChunk]:
    """Of 100 samples at 1 kHz; the first one that is speech brings what came before."""
    made = [
        AudioChunk(
            *(np.zeros(100, np.float32), 1000, 100 * n),
            speech=char == "~",
            time=None if time is None else time + n / 10,
        )
        for n, char in enumerate(pattern)
    ]
    if lead:
        first = pattern.index("~")
        made[first] = AudioChunk(
            *(made[first].samples, 1000, 100 * first),
            speech=True,
            lead_in=np.zeros(lead, np.float32),
            time=made[first].time,
        )
    return made


def turns(given: list[AudioChunk], **options: Any) -> list[Turn]:
    """Each as it opens."""
    seen: list[Turn] = []
    rx.from_iterable(given).pipe(vox.turn_window(rxv.silence(100), **options)).subscribe(
        seen.append
    )
    return seen


def test_a_turn_says_whose_it_is_and_when_it_began() -> None:
    (turn,) = turns(chunks("_~~_", time=5.0), source="ann")
    assert (turn.source, turn.id, turn.time) == ("ann", 1, 5.1)
    (turn,) = turns(chunks("_~~_"))
    assert (turn.source, turn.time) == (None, None)


def test_its_time_is_that_of_the_first_sample_of_its_audio() -> None:
    (turn,) = turns(chunks("_~~_", time=5.0, lead=50))
    assert turn.time == pytest.approx(5.05)
    seen: list[AudioChunk] = []
    turn.subscribe(seen.append)
    assert turn.time == seen[0].time


def test_both_are_known_as_it_opens() -> None:
    known: list[Any] = []
    rx.from_iterable(chunks("~_", time=5.0)).pipe(
        vox.turn_window(source="ann"), ops.do_action(lambda it: known.append((it.source, it.time)))
    ).subscribe()
    assert known == [("ann", 5.0)]


def test_turns_of_two_sources_are_two() -> None:
    ann, ben = Turn.of(AUDIO, source="ann", time=1.0), Turn.of(AUDIO, source="ben", time=1.0)
    assert ann != ben
    assert len({ann, ben, Turn.of(AUDIO)}) == 3
    assert ann == Turn.of(AUDIO, source="ann")
    assert (ann.time, repr(ann), repr(ben)) == (
        *(1.0, "Turn(1 of ann, 0 ms, source)"),
        "Turn(1 of ben, 0 ms, source)",
    )
    assert repr(Turn.of(AUDIO)) == "Turn(1, 0 ms, source)"


def test_a_log_tells_them_apart_and_is_as_ever_without() -> None:
    failed = StageError("respond", Turn.of(AUDIO, source="ann"), ValueError("no"))
    assert str(failed) == "respond (turn 1 of ann) failed: ValueError: no"
    dropped = events.Dropped(Turn.of(AUDIO, source="ann"), "echo")
    assert json.dumps(dropped.as_json()) == (
        '{"event": "dropped", "turn": 1, "reason": "echo", "source": "ann"}'
    )
    assert events.Dropped(Turn.of(AUDIO), "echo").as_json() == {
        "event": "dropped",
        "turn": 1,
        "reason": "echo",
    }
    assert events.Notice("x").as_json() == {
        "event": "notice",
        "message": "x",
        "detail": None,
        "turn": None,
        "stage": None,
    }


@pytest.mark.parametrize("source", ["", " ", 3, b"ann"])
def test_a_bad_name_is_refused(source: Any) -> None:
    with pytest.raises(ConfigError, match='source must be a name such as "ann", got'):
        vox.turn_window(source=source)


def test_two_microphones_in_a_plain_pipe() -> None:
    seen: list[Any] = []
    sources = [
        rx.from_iterable(chunks("~~_")).pipe(vox.turn_window(rxv.silence(100), source=name))
        for name in ("ann", "ben")
    ]
    rx.merge(*sources).pipe(
        vox.transcribe(lambda audio: "hi"),
        vox.respond(lambda text: "Hello."),
        vox.synthesize(lambda text: np.ones(4, np.float32)),
        vox.play(rxv.sinks.memory()),
    ).subscribe(seen.append)
    assert seen == [
        FinishedTurn(3, "hi", "Hello.", source="ann"),
        FinishedTurn(3, "hi", "Hello.", source="ben"),
    ]


def room(ann: str, ben: str) -> list[Any]:
    """Two microphones in one conversation: what comes of it."""
    with marbles() as m:
        speaker = FakeSpeaker(m.scheduler)
        mics = [
            m.cold(diagram).pipe(vox.turn_window(rxv.silence(64), source=name))
            for name, diagram in (("ann", ann), ("ben", ben))
        ]
        seen: list[Any] = []
        rx.merge(*mics).pipe(
            vox.converse(
                vox.transcribe(lambda audio: "hello there"),
                ops.map(_signed),
                vox.respond(lambda text: f"You said: {text}"),
                vox.synthesize(FakeSynthesizer(samples_per_char=96)),
                sink=speaker,
                own_words=False,  # what the assistant repeats is no echo here
            ),
            vox.metrics(sink=speaker),
        ).subscribe(seen.append, scheduler=m.scheduler)
        m.scheduler.start()
    return seen


def _signed(element: Any) -> Any:
    if not isinstance(element, rxv.Transcript):
        return element
    return rxv.Transcript(element.turn, f"{element.turn.source}: {element.text}", element.final)


def test_two_microphones_in_a_conversation() -> None:
    seen = room("~~~_______________________|", "___________~~~~___________|")
    finished = [it for it in seen if isinstance(it, events.Finished)]
    assert [(it.turn.source, it.turn.id, it.text) for it in finished] == [
        ("ann", 1, "You said: ann: hello there"),
        ("ben", 1, "You said: ben: hello there"),
    ]
    metrics = [it for it in seen if isinstance(it, events.TurnMetrics)]
    assert [it.turn.source for it in metrics] == ["ann", "ben"]


def test_who_speaks_over_the_other_is_the_next_to_be_answered() -> None:
    """At the worst moment: both began with the same sample, so all but the source is the same."""
    seen = room("~~~~~_____________________|", "~~~~~~~~~_________________|")
    metrics = [it for it in seen if isinstance(it, events.TurnMetrics)]
    assert [it.turn.source for it in metrics] == ["ann", "ben"]
    assert [it.turn.id for it in metrics] == [1, 1]
    assert [it.turn.start for it in metrics] == [0, 0]


def test_a_failure_says_whose_turn_it_was() -> None:
    def stt(audio: Any) -> str:
        raise ValueError("no")

    seen: list[Any] = []
    rx.of(Turn.of(AUDIO, source="ann")).pipe(vox.transcribe(stt)).subscribe(seen.append)
    (failed,) = seen
    assert isinstance(failed, TurnFailed)
    assert failed.as_json() == {
        "event": "turn_failed",
        "turn": 1,
        "error": "transcribe (turn 1 of ann) failed: ValueError: no",
        "source": "ann",
    }


def test_the_source_is_let_go_of_once_the_only_wanted_turn_has_failed() -> None:
    def failing(audio: rxv.Samples, silence_ms: int) -> bool:
        raise ValueError("no")

    source: rx.Subject[Any] = rx.Subject()
    errors: list[Exception] = []
    source.pipe(vox.turn_window(failing), ops.take(1)).subscribe(
        lambda turn: turn.subscribe(on_error=errors.append)
    )
    first, second = chunks("~_")
    source.on_next(first)
    assert source.observers
    source.on_next(second)
    assert [str(it) for it in errors] == ["turn_window (turn 1) failed: ValueError: no"]
    assert not source.observers


def test_a_policy_is_asked_about_audio_at_its_rate_only() -> None:
    class Rated:
        sample_rate = 8000

        def user_finished(self, audio: rxv.Samples, silence_ms: int) -> bool:
            return False

    errors: list[Exception] = []
    rx.from_iterable(chunks("~")).pipe(vox.turn_window(Rated())).subscribe(on_error=errors.append)
    assert [str(it) for it in errors] == [
        "this policy wants audio at 8000 Hz, got 1000 Hz: use chunk(sample_rate=8000)"
    ]
