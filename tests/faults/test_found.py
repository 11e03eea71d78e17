"""What these tests have found in rxvoice, one conversation each."""

from __future__ import annotations

import pytest
from faults.grammar import Fault, Talk, Utterance, fitting
from faults.run import hold

TWICE = (Utterance(), Utterance())


def test_a_session_whose_close_raises_is_closed_once() -> None:
    hold(fitting(("transcribe session", "close", "raises")))


@pytest.mark.parametrize("kind", ["Ctrl-C", "exits", "GeneratorExit"])
def test_a_session_may_raise_anything_when_it_is_closed_early(kind: str) -> None:
    hold(fitting(("transcribe session", "disposal", kind)))


@pytest.mark.parametrize("kind", ["Ctrl-C", "exits", "GeneratorExit"])
@pytest.mark.parametrize("moment", ["first", "piece", "turn end", "close"])
def test_whatever_a_sink_raises_in_a_plain_pipe(moment: str, kind: str) -> None:
    hold(fitting(("sink", moment, kind), pipe="plain"))


@pytest.mark.parametrize("stage", ["respond observable", "synthesize observable"])
@pytest.mark.parametrize("kind", ["raises", "exits", "GeneratorExit"])
def test_an_observable_that_raises_at_its_disposal(stage: str, kind: str) -> None:
    """The sink is cleared, and the model is told what was heard."""
    hold(fitting((stage, "disposal", kind)))


@pytest.mark.parametrize("kind", ["gives nonsense", "gives nothing"])
def test_a_sink_that_does_not_say_what_it_cleared_does_not_keep_the_conversation_open(
    kind: str,
) -> None:
    hold(fitting(("sink", "interruption", kind)))


@pytest.mark.parametrize("kind", ["Ctrl-C", "exits", "GeneratorExit"])
@pytest.mark.parametrize("moment", ["first", "piece", "interruption", "pause", "disposal"])
def test_whatever_a_sink_raises_fails_its_turn_and_no_more(moment: str, kind: str) -> None:
    hold(fitting(("sink", moment, kind)))


@pytest.mark.parametrize("kind", ["Ctrl-C", "exits", "GeneratorExit"])
def test_whatever_flush_raises_ends_the_conversation(kind: str) -> None:
    hold(fitting(("sink", "close", kind)))


@pytest.mark.parametrize("stage", ["respond observable", "synthesize observable", "sink"])
def test_a_ctrl_c_at_the_disposal_leaves_nothing_open(stage: str) -> None:
    hold(fitting((stage, "disposal", "Ctrl-C")))


def test_a_ctrl_c_in_a_tool_spares_the_history_of_the_turn_before() -> None:
    """The model has taken the question back: the reply that is left is another one's."""
    hold(Talk(TWICE, (Fault("tool", "first", "Ctrl-C", 1),), writes="tool"))


@pytest.mark.parametrize("stage", ["barge_in", "wake_word"])
def test_a_ctrl_c_in_a_detector_loses_no_sound(stage: str) -> None:
    hold(fitting((stage, "piece", "Ctrl-C")))


def test_a_turn_is_finished_once_though_the_app_raises_at_its_end() -> None:
    app = Fault("subscriber", "piece", "raises")
    hold(Talk(TWICE, (app,), "plain", "session", lanes=(1, 90, 90)))


def test_a_turn_that_the_sink_has_failed_does_not_fail_once_more_when_its_model_does() -> None:
    endless = Fault("respond observable", "piece", "never ends")
    sink = Fault("sink", "first", "GeneratorExit")
    hold(Talk(TWICE, (endless, sink), "plain", writes="observable", lanes=(None, 150, None)))


def test_a_ctrl_c_that_ends_all_work_for_a_turn_is_told() -> None:
    fault = Fault("respond generator", "close", "Ctrl-C")
    hold(Talk(TWICE, (fault,), speaks="observable"))
    hold(Talk(TWICE, (fault,), lanes=(None, None, 1)))
