from __future__ import annotations

from typing import Any

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeResponder, check_operator, failing, turn

ASKED = [rxv.Transcript(turn("~_", id=n), f"question {n}") for n in (1, 2)]


def test_choose_passes_the_battery() -> None:
    def broken(error: Exception) -> Any:
        return vox.choose(
            lambda _: vox.respond(failing(FakeResponder("x"), "respond", error=error))
        )

    check_operator(
        lambda: vox.choose(lambda _: vox.respond(FakeResponder("Yes."))),
        elements=ASKED,
        failing=broken,
        name="choose",
    )
