from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from reactivex import Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import Notice
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import FakeBargeIn, failing

BOOM = RuntimeError("deaf")


def chunk(*, speech: bool | None = True, level: float = 0.5) -> AudioChunk:
    return AudioChunk(np.full(4, level, np.float32), speech=speech, partial=speech is None)


def run(elements: list[AudioChunk], *args: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    source: Subject[AudioChunk] = Subject()
    seen: list[Any] = []
    end: list[Any] = []
    source.pipe(vox.barge_in(*args, **options)).subscribe(
        seen.append, end.append, lambda: end.append("completed")
    )
    for element in elements:
        source.on_next(element)
    source.on_completed()
    return seen, end


def yes() -> bool:
    return True


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.barge_in(FakeBargeIn(), playing=yes),
        elements=[chunk(), chunk(speech=False), chunk()],
        failing=lambda error: vox.barge_in(
            failing(FakeBargeIn(), "detect", error=error), playing=yes, max_failures=1
        ),
        name="barge_in",
    )


def test_playing_raises() -> None:
    check_operator(
        lambda: vox.barge_in(playing=yes),
        elements=[chunk(), chunk()],
        failing=lambda error: vox.barge_in(playing=failing(yes, error=error), max_failures=1),
        name="barge_in",
    )


def test_only_speech_is_asked_about() -> None:
    detector = FakeBargeIn([True])
    asked: list[bool] = []

    def playing() -> bool:
        asked.append(True)
        return True

    quiet = [chunk(speech=False), chunk(speech=None)]
    seen, _ = run([*quiet, chunk()], detector, playing=playing)
    assert [given is came for given, came in zip(quiet, seen, strict=False)] == [True, True]
    assert seen[2] == replace(chunk(), barge_in=True)
    assert len(asked) == len(detector.asked) == 1


def test_the_detector_is_told_whether_the_assistant_plays() -> None:
    now = iter([True, False, True])
    detector = FakeBargeIn()
    seen, _ = run([chunk()] * 3, detector, playing=lambda: next(now))
    assert [playing for _, playing in detector.asked] == [True, False, True]
    assert [c.barge_in for c in seen] == [True, False, True]


def test_a_no_leaves_the_chunk_as_it_came() -> None:
    given = chunk()
    (came,), _ = run([given], FakeBargeIn([False]), playing=yes)
    assert came is given


@pytest.mark.parametrize(("level", "wanted"), [(0.02, False), (0.0201, True), (0.0, False)])
def test_by_default_above_the_energy_of_a_quiet_room(level: float, wanted: bool) -> None:
    (came,), _ = run([chunk(level=level)], playing=yes)
    assert came.barge_in is wanted
    (came,), _ = run([chunk(level=level)], playing=lambda: False)
    assert came.barge_in is False


def test_numpy_answers_become_bools() -> None:
    (came,), _ = run([chunk()], lambda samples, playing: np.True_, playing=yes)
    assert came.barge_in is True


def test_a_detector_that_raises() -> None:
    boom = RuntimeError("deaf")
    seen, (error,) = run(
        [chunk()] * 3,
        failing(FakeBargeIn(), "detect", at=2, error=boom),
        playing=yes,
        max_failures=1,
    )
    assert len(seen) == 1
    assert isinstance(error, StageError)
    assert str(error) == "barge_in failed: RuntimeError: deaf"
    assert error.cause is boom


def test_a_chunk_that_no_vad_has_judged_is_refused() -> None:
    tail = chunk(speech=None)
    seen, (error,) = run([tail, replace(tail, partial=False), tail], playing=yes)
    assert seen == [tail]
    assert isinstance(error, AudioFormatError)
    assert str(error) == (
        "wanted chunks judged by vad(), got one with speech=None: put vad() before barge_in()"
    )


@pytest.mark.parametrize("answer", [None, 0.7, 1, float("nan"), "no", [], BOOM], ids=repr)
@pytest.mark.parametrize("who", ["detect", "playing"])
def test_a_bad_answer_costs_its_chunk_and_is_told(answer: Any, who: str) -> None:
    answers = [True, answer, True, answer, True]

    def ask(*_: Any) -> Any:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    detector: Any = ask if who == "detect" else FakeBargeIn()
    playing = ask if who == "playing" else yes
    seen, end = run([chunk()] * 5, detector, playing=playing, max_failures=2)
    assert "".join("!" if isinstance(it, Notice) else "_~"[it.barge_in] for it in seen) == (
        "~!_~!_~"
    )
    assert seen[1].detail.stage == seen[1].stage == "barge_in"
    assert seen[1].message.endswith(
        "the chunk counts as no barge-in (failure 1; 1 in a row, at 2 the conversation ends)"
    )
    assert end == ["completed"]


def test_too_many_in_a_row_are_an_error() -> None:
    seen, (error,) = run([chunk()] * 20, lambda samples, playing: None, playing=yes)
    assert len(seen) == 2 * 9
    assert str(error) == "barge_in failed: TypeError: detect() must give a bool, got None"


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError) as raised:
        vox.barge_in(playing=True)  # type: ignore[arg-type]
    assert str(raised.value) == ("barge_in playing must be a callable that gives a bool, got True")
    with pytest.raises(ConfigError, match=r"wanted an object with detect\(\.\.\.\) or a callable"):
        vox.barge_in(0.02, playing=yes)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"energy threshold must be from 0\.0 to 1\.0 \(RMS\), "):
        vox.barge_in(rxv.energy(2), playing=yes)
