from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

from rxvoice._value import same
from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn, Recognised, Reply, Speech, Transcript
from rxvoice.events import TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


def samples(*values: float) -> Any:
    return np.array(values, np.float32)


TURN = Turn.of(samples(0, 0), id=3)
TRANSCRIPT = Transcript(TURN, "hi")
REPLY = Reply(TRANSCRIPT, "yes")
ELEMENTS: list[Any] = [
    AudioChunk(samples(0, 1)),
    TRANSCRIPT,
    REPLY,
    Speech(REPLY, samples(0, 1), 24_000, "yes"),
    FinishedTurn(10, "hi", "yes"),
    TurnFailed(TURN, StageError("respond", TURN, RuntimeError("x"))),
    Recognised("hi", words=[("hi", 0.0, 0.4)], language="en"),
]
NAMES = [type(element).__name__ for element in ELEMENTS]


@pytest.mark.parametrize("element", ELEMENTS, ids=NAMES)
def test_frozen_and_slotted(element: Any) -> None:
    name = dataclasses.fields(element)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(element, name, None)
    assert not hasattr(element, "__dict__")


@pytest.mark.parametrize("element", ELEMENTS, ids=NAMES)
def test_equal_to_a_copy_and_to_nothing_else(element: Any) -> None:
    copy = dataclasses.replace(element)
    assert copy == element
    assert hash(copy) == hash(element)
    assert [other == element for other in ELEMENTS].count(True) == 1
    assert element != "something else"


@pytest.mark.parametrize("element", ELEMENTS, ids=NAMES)
def test_repr_fits_a_line(element: Any) -> None:
    assert repr(element).startswith(type(element).__name__ + "(")
    assert "\n" not in repr(element)


@pytest.mark.parametrize(
    "change",
    [
        {"samples": samples(0, 0.5)},
        {"samples": samples(0)},
        {"samples": np.array([0.0, 1.0])},
        {"sample_rate": 8000},
        {"start": 4},
        {"speech": True},
        {"probability": 0.5},
        {"barge_in": True},
        {"lead_in": samples()},
        {"partial": True},
    ],
)
def test_chunks_differ_by_any_field(change: dict[str, Any]) -> None:
    chunk = AudioChunk(samples(0, 1))
    assert dataclasses.replace(chunk, **change) != chunk


def test_chunks_with_equal_arrays_are_equal() -> None:
    assert AudioChunk(samples(0, 1), lead_in=samples(2)) == AudioChunk(
        samples(0, 1), lead_in=samples(2)
    )


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (samples(1), samples(1), True),
        (samples(), samples(), True),
        (samples(1), samples(1, 1), False),
        (samples(1), np.array([1.0]), False),
        (samples(1), samples(1).reshape(1, 1), False),
        (samples(1), None, False),
        (None, samples(1), False),
        (samples(1), 1.0, False),
        (None, None, True),
        ("a", "a", True),
    ],
)
def test_same(a: Any, b: Any, wanted: bool) -> None:
    assert same(a, b) is wanted


def test_repr_tells_arrays_by_type_and_shape_and_leaves_defaults_out() -> None:
    assert repr(AudioChunk(samples(0, 1))) == "AudioChunk(samples=float32[2])"
    assert repr(AudioChunk(samples(0), start=4, lead_in=samples())) == (
        "AudioChunk(samples=float32[1], start=4, lead_in=float32[0])"
    )
    assert repr(TRANSCRIPT) == "Transcript(turn=Turn(3, 0 ms, source), text='hi')"
    assert repr(FinishedTurn(1, "a", "b")) == (
        "FinishedTurn(chunks_consumed=1, user_text='a', assistant_text='b')"
    )


@pytest.mark.parametrize(
    ("n", "rate", "ms"),
    [(0, 16_000, 0), (15, 16_000, 0), (16, 16_000, 1), (512, 16_000, 32), (512, 11_025, 46)],
)
def test_whole_milliseconds(n: int, rate: int, ms: int) -> None:
    assert AudioChunk(np.zeros(n, np.float32), rate).ms == ms


def test_each_knows_its_turn() -> None:
    assert all(element.turn is TURN for element in ELEMENTS[1:4])
    assert ELEMENTS[5].turn is TURN


def test_a_chunk_is_built_quickly_and_yet_as_any_frozen_dataclass() -> None:
    chunk = AudioChunk(samples(0, 1), start=4, speech=True)
    assert type(chunk) is AudioChunk
    for same_again in (copy.copy(chunk), copy.deepcopy(chunk), pickle.loads(pickle.dumps(chunk))):
        assert type(same_again) is AudioChunk
        assert same_again == chunk
    match chunk:
        case AudioChunk(_, rate, 4, speech=True):
            assert rate == 16_000
        case _:
            pytest.fail("no match")
    with pytest.raises(dataclasses.FrozenInstanceError):
        chunk.start = 5  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del chunk.start  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'samples'"):
        AudioChunk()  # pyright: ignore[reportCallIssue]
    parameters = list(inspect.signature(AudioChunk).parameters.values())
    assert [it.name for it in parameters] == [it.name for it in dataclasses.fields(AudioChunk)]
    defaults = [inspect.Parameter.empty, *(it.default for it in dataclasses.fields(AudioChunk))][2:]
    assert [it.default for it in parameters[1:]] == defaults


def test_a_class_derived_from_a_chunk_is_itself() -> None:
    class Tagged(AudioChunk):
        """With a ``__dict__`` of its own."""

    @dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
    class Named(AudioChunk):
        name: str = ""

    assert type(Tagged(samples(0), start=2)) is Tagged
    assert Tagged(samples(0), start=2).start == 2
    assert Named(samples(0), name="x") == Named(samples(0), name="x")
    assert Named(samples(0), name="x") != Named(samples(0), name="y")
