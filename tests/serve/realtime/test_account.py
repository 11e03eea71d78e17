"""What becomes of a client's sound: all that came was judged, or is counted as dropped."""

from __future__ import annotations

import pytest
from serve.realtime_kit import VirtualSession

from rxvoice.serve._observer import Unobserved


class Account(Unobserved):
    def __init__(self) -> None:
        self.told: list[tuple[int, int, int]] = []

    def audio_heard(self, received: int, judged: int, dropped: int) -> None:
        self.told.append((received, judged, dropped))


@pytest.mark.parametrize("manual", [False, True])
def test_what_came_was_judged_or_dropped(manual: bool) -> None:
    account = Account()
    session = VirtualSession(observer=account)
    if manual:
        session.configure(audio={"input": {"turn_detection": None}})
    session.speak(700)
    session.send("input_audio_buffer.commit")  # a tail that is no chunk belongs to the turn
    session.speak(510)
    session.send("input_audio_buffer.clear")
    session.be_silent(1_330)
    session.dialogue.close()
    session.dialogue.close()
    ((received, judged, dropped),) = account.told
    assert 2.4 * 16_000 < received <= 2.54 * 16_000  # the resampler holds some back
    assert 0 < dropped < 2 * 512
    assert received == judged + dropped
