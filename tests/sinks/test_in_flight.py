"""Which samples as written were played, against a list of them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from thorough import some

from rxvoice.sinks._in_flight import InFlight


class Naive:
    """A list of samples, each with the index at which the device has played it."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []
        self.run: list[int] | None = None
        self.device = 0
        self.position = 0

    def add(self, values: list[float], converted: int, rate: int, device_rate: int) -> None:
        if self.run is None:
            self.run = [self.device, len(self.samples)]
        at, first = self.run
        for value in values:
            nth = len(self.samples) - first + 1
            self.samples.append((value, at - (-nth * device_rate // rate)))
        self.device += converted

    def close(self, converted: int) -> None:
        if self.run is None:
            return
        self.device += converted
        self.samples = [(value, min(due, self.device)) for value, due in self.samples]
        self.run = None

    def heard(self, index: int) -> int:
        self.position = max(self.position, sum(due <= index for _, due in self.samples))
        return self.position

    def cut(self, index: int) -> list[float]:
        kept = max(self.position, sum(due <= index for _, due in self.samples))
        dropped = [value for value, _ in self.samples[kept:]]
        self.samples, self.device, self.run = self.samples[:kept], index, None
        return dropped


@pytest.mark.parametrize("seed", some(range(30), 10))
def test_it_knows_what_a_list_would(seed: int) -> None:
    rng = random.Random(seed)
    ledger, naive = InFlight(), Naive()
    value = 0.0
    index = rate = fed = given = 0
    device_rate = 480

    def close() -> None:
        nonlocal fed, given
        # soxr may give a sample less than there would be by the rates.
        rest = max(0, -(-fed * device_rate // rate) - given - rng.randrange(2)) if fed else 0
        ledger.close(rest)
        naive.close(rest)
        fed = given = 0

    for _ in range(300):
        match rng.choice("wwwwwhhhxcd"):
            case "w":
                if not fed:
                    rate = rng.choice((160, 240, 441, 480, 960))
                size = rng.choice((1, 2, 30, 100))
                values = [value + i for i in range(size)]
                value += size
                fed += size
                held = rng.randrange(20) if rate != device_rate else 0
                converted = max(0, -(-max(0, fed - held) * device_rate // rate) - given)
                given += converted
                ledger.add(np.asarray(values, np.float32), converted, rate, device_rate)
                naive.add(values, converted, rate, device_rate)
            case "x":
                close()
            case "h":
                index = min(naive.device, index + rng.randrange(200))
            case "c" if rng.random() < 0.4:
                index = min(naive.device, index + rng.randrange(3))
                dropped = [x for _, piece in ledger.cut(index) for x in piece.tolist()]
                assert dropped == naive.cut(index)
                fed = given = 0
            case "d":
                close()
                device_rate = rng.choice((441, 480))
            case _:
                pass
        told = max(0, index - rng.choice((0, 0, 30)))  # a clock may go back a little
        assert ledger.position(told) == naive.heard(told)
        assert ledger.position(index) == naive.heard(index)
        assert ledger.written == len(naive.samples)
        assert (ledger.left_ms(ledger.position(index)) == 0) == (naive.position == ledger.written)
    close()
    assert ledger.position(naive.device) == ledger.written
    assert not ledger._pieces


def test_what_is_left_is_told_in_milliseconds_of_each_rate() -> None:
    ledger = InFlight()
    ledger.add(np.zeros(160, np.float32), 480, 16_000, 48_000)
    ledger.close(0)
    ledger.add(np.zeros(480, np.float32), 480, 48_000, 48_000)
    assert ledger.left_ms(ledger.position(0)) == 20
    assert ledger.left_ms(ledger.position(240)) == 15
    assert ledger.left_ms(ledger.position(720)) == 5


def test_what_was_cut_comes_with_its_rates() -> None:
    ledger = InFlight()
    ledger.add(np.arange(4, dtype=np.float32), 12, 16_000, 48_000)
    ledger.close(0)
    ledger.add(np.arange(4, 8, dtype=np.float32), 4, 48_000, 48_000)
    pieces = ledger.cut(7)
    assert [(rate, piece.tolist()) for rate, piece in pieces] == [
        (16_000, [2, 3]),
        (48_000, [4, 5, 6, 7]),
    ]
    assert ledger.position(7) == 2 == ledger.written


def test_of_a_piece_that_was_heard_whole_nothing_is_given_back() -> None:
    ledger = InFlight()
    for first in (0, 4):
        ledger.add(np.arange(first, first + 4, dtype=np.float32), 4, 48_000, 48_000)
    assert [(rate, piece.tolist()) for rate, piece in ledger.cut(4)] == [(48_000, [4, 5, 6, 7])]


def test_a_signal_that_was_converted_to_a_sample_less_was_heard_whole_at_its_end() -> None:
    ledger = InFlight()
    ledger.add(np.zeros(160, np.float32), 470, 16_000, 48_000)
    ledger.close(9)
    assert ledger.position(478) == 159
    assert ledger.position(479) == 160


def test_a_sample_that_was_converted_to_nothing_was_heard_where_it_stood() -> None:
    ledger = InFlight()
    ledger.add(np.ones(1, np.float32), 0, 48_000, 16_000)
    ledger.close(0)
    assert ledger.cut(0) == []
    assert ledger.position(0) == 1 == ledger.written


def test_after_a_cut_in_what_a_signal_was_converted_to_beyond_its_end_the_next_begins_there() -> (
    None
):
    ledger = InFlight()
    ledger.add(np.zeros(4, np.float32), 12, 16_000, 48_000)
    ledger.close(2)
    ledger.add(np.ones(4, np.float32), 4, 48_000, 48_000)
    assert [len(piece) for _, piece in ledger.cut(12)] == [4]
    ledger.add(np.zeros(4, np.float32), 4, 48_000, 48_000)
    assert [ledger.position(index) for index in (12, 13, 16)] == [4, 5, 8]
