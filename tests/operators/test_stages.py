from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.operators._stage_operator import Memory, asked, take_apart
from rxvoice.testing import FakeResponder, FakeSynthesizer, check_operator, failing, turn

ASKED = [rxv.Transcript(turn("~_", id=n), f"question {n}") for n in (1, 2)]


def test_stages_pass_the_battery() -> None:
    def broken(error: Exception) -> Any:
        llm = failing(FakeResponder("x"), "respond", error=error)
        return vox.stages(vox.respond(llm), vox.synthesize(FakeSynthesizer()))

    check_operator(
        lambda: vox.stages(vox.respond(FakeResponder("Yes.")), vox.synthesize(FakeSynthesizer())),
        elements=ASKED,
        failing=broken,
        name="stages",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([len], "stages wants two or more operators, got 1"),
        ([len, "speak"], "stages takes operators, such as vox.respond(llm), got 'speak'"),
    ],
)
def test_what_is_no_row_of_operators_is_refused(given: list[Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.stages(*given)
    assert str(raised.value) == message


def test_they_are_looked_into_however_deep() -> None:
    a, b, c = (vox.respond(len) for _ in range(3))
    assert list(take_apart([vox.stages(vox.stages(a, b), c)])) == [a, b, c]
    chosen = vox.choose(lambda it: vox.stages(a, b) if it.text == "x" else c)
    assert list(take_apart([chosen, c], rxv.Transcript(turn("~"), "x"))) == [a, b, c]
    assert list(take_apart([chosen, c], rxv.Transcript(turn("~"), "y"))) == [c, c]
    assert list(take_apart([chosen, c])) == [chosen, c]


@pytest.mark.parametrize(
    ("methods", "can"), [((), True), (("heard",), False), (("heard", "forget"), True)]
)
def test_a_question_can_be_forgotten_where_the_model_can_or_remembers_nothing(
    methods: tuple[str, ...], can: bool
) -> None:
    model = SimpleNamespace(**dict.fromkeys(methods, print))
    assert Memory(model).can_forget is can


def test_an_operator_of_the_app_says_what_it_does_by_attributes() -> None:
    told: list[str] = []

    class Mine:
        speaks = False

        def __call__(self, source: Any) -> Any:
            return source

        def heard(self, text: str) -> None:
            told.append(text)

    it = asked(Mine())
    assert (it.speaks, it.worker) == (False, None)
    assert it.memory is not None
    assert not it.memory.can_forget
    assert not it.memory.withdraw(ASKED[0]), "it takes each question at once"
    it.memory.heard("Yes.")
    it.memory.said("Hello.")  # it has no such method
    assert told == ["Yes."]
    assert asked(lambda source: source).memory is None
