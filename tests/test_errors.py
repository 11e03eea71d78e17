from __future__ import annotations

import numpy as np
import pytest

from rxvoice import errors
from rxvoice.errors import (
    AudioFormatError,
    ConfigError,
    MissingDependency,
    RxvoiceError,
    SinkStalled,
)
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (AudioFormatError, ValueError),
        (ConfigError, ValueError),
        (MissingDependency, ImportError),
        (SinkStalled, Exception),
        (StageError, Exception),
    ],
)
def test_each_is_an_rxvoice_error_and_what_python_would_call_it(
    kind: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(kind, RxvoiceError)
    assert issubclass(kind, builtin)


def test_all_are_exported() -> None:
    defined = {
        name
        for name, it in vars(errors).items()
        if isinstance(it, type) and it.__module__ == errors.__name__
    }
    assert set(errors.__all__) == defined


def test_a_stage_error_says_where_for_which_turn_and_why() -> None:
    cause = ValueError("bad prompt")
    turn = Turn.of(np.zeros(1, np.float32), id=7)
    error = StageError("respond", turn, cause)
    assert str(error) == "respond (turn 7) failed: ValueError: bad prompt"
    assert (error.stage, error.turn, error.cause) == ("respond", turn, cause)
    assert error.__cause__ is cause


def test_a_stage_error_without_a_turn() -> None:
    assert str(StageError("vad", None, KeyError("w"))) == "vad failed: KeyError: 'w'"
