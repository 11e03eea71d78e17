"""A conversation of a day, in virtual time: nothing grows, and every sample is accounted for.

The ordinary suite holds some minutes of it. ``RXVOICE_THOROUGH=1``, and so `make soak`, holds all.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from machine.soak_books import Memory
from machine.soak_kit import world
from machine.soak_models import CONTEXT
from thorough import THOROUGH

HOURS = 24.0
MINUTES = 1.5


@pytest.mark.skipif(THOROUGH, reason="all of it is held")
def test_some_minutes_of_it(tmp_path: Path) -> None:
    with world(2, tmp_path, stalls=0.05) as it:
        soak = it.run(MINUTES / 60, look_every=MINUTES / 120, record_minutes=0.5)
    assert soak.wrong == []
    assert soak.given == soak.in_turns + soak.idle + soak.dropped
    assert soak.dropped > 0
    assert soak.in_turns > 10 * 16_000
    assert soak.recordings == 2
    assert soak.told["TurnOpened"] + soak.told["Candidate"] > 5
    assert soak.told["Finished"] > 1
    assert soak.most_alive <= 4


@pytest.mark.slow
@pytest.mark.timeout(5_400)
@pytest.mark.skipif(not THOROUGH, reason="takes a quarter of an hour: make soak")
def test_a_day_of_it(tmp_path: Path) -> None:
    def tell(look: Memory) -> None:
        print(f"hour {look.hour:4.1f}: {look.mb:6.1f} MB, {sum(look.objects.values())} objects")

    with world(1, tmp_path) as it:
        it.tell = tell
        soak = it.run(HOURS, record_minutes=5)
    print(f"{soak.given} samples = {soak.in_turns} in turns + {soak.idle} idle", end=" ")
    print(f"+ {soak.dropped} dropped; {soak.hung} calls that hung; {dict(soak.told)}")
    assert soak.wrong == []
    assert soak.given == soak.in_turns + soak.idle + soak.dropped
    assert soak.dropped > 0
    assert soak.hung > 10
    assert soak.recordings == HOURS
    # The history is bounded by the context, and turns do not pile up.
    assert CONTEXT // 2 < soak.most_words <= CONTEXT
    assert soak.most_alive <= 6
    # Each kind of event came, those of faults too.
    kinds = "Finished", "Interrupted", "TurnFailed", "AudioLost", "Confirmed", "Resumed", "Saying"
    assert [it for it in kinds if not soak.told[it]] == []
    second, last = soak.memory[2], soak.memory[-1]
    assert last.grown(second, least=400) == {}
    assert max(it.mb for it in soak.memory[-12:]) < 1.1 * max(it.mb for it in soak.memory[1:12])
