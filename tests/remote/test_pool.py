"""Which of several servers is asked: logic, with a clock that stands still."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from rxvoice.remote._host import Host
from rxvoice.remote._pool import Affinity, Pool


class _FakeHost(Host):
    """A server that is there or not, as it is told."""

    def __init__(self, number: int) -> None:
        url = f"http://127.0.0.1:{number}/v1"
        super().__init__("m", url, None, 30, None, connect_s=3, has_context=False)
        self.there = True
        self.probes = 0

    def is_there(self, within_s: float) -> bool:
        self.probes += 1
        return self.there


class World:
    def __init__(self, servers: int) -> None:
        self.now = 100.0
        self.servers = [_FakeHost(number + 1) for number in range(servers)]
        self.probes: list[Callable[[], None]] = []
        self.pool = Pool(self.servers, clock=lambda: self.now, start=self.probes.append)

    def asked(self, times: int = 1, affinity: Affinity | None = None) -> list[int]:
        """Which servers are asked, where no answer ends meanwhile."""
        return [self.index(affinity) for _ in range(times)]

    def index(self, affinity: Affinity | None = None) -> int:
        chosen = self.pool.take(affinity)
        assert isinstance(chosen, _FakeHost)
        self.pool.worked(chosen, affinity)
        return self.servers.index(chosen)

    def probe(self) -> None:
        while self.probes:
            self.probes.pop()()


def test_the_least_busy_server_is_asked() -> None:
    world = World(3)
    assert sorted(world.asked(3)) == [0, 1, 2]
    world.pool.leave(world.servers[1])
    assert world.asked() == [1]
    assert [it.in_progress for it in world.pool.states] == [1, 1, 1]


def test_idle_servers_take_turns() -> None:
    world = World(2)
    asked: list[int] = []
    for _ in range(4):
        asked += world.asked()
        world.pool.leave(world.servers[asked[-1]])
    assert asked in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_a_conversation_stays_at_its_server_until_that_has_much_more_to_do() -> None:
    world = World(2)
    own = Affinity()
    (home,) = world.asked(affinity=own)
    world.pool.leave(world.servers[home])
    # The other one stays idle: the conversation's own server may be four answers busier.
    assert world.asked(5, own) == [home] * 5
    assert world.asked(affinity=own) == [1 - home]
    # It moved there, and now stays there.
    assert world.asked(affinity=own) == [1 - home]


def test_a_server_that_failed_is_left_out_until_a_probe_finds_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "rxvoice")
    world = World(2)
    down = world.servers[0]
    world.pool.failed(down, 503)
    assert "http://127.0.0.1:1/v1 is left out for 1 s: it refused with 503" in caplog.text
    assert [it.is_available for it in world.pool.states] == [False, True]
    assert world.asked(3) == [1, 1, 1]
    world.now += 0.9
    assert world.asked() == [1]
    assert not world.probes
    world.now += 0.1
    assert world.asked(3) == [1, 1, 1]
    assert len(world.probes) == 1
    down.there = False
    world.probe()
    world.now += 29
    assert world.asked() == [1]
    assert not world.probes
    world.now += 1
    world.asked()
    down.there = True
    world.probe()
    assert down.probes == 2
    assert world.asked() == [0]
    assert "http://127.0.0.1:1/v1 is asked again" in caplog.text


def test_it_rests_longer_each_time_it_fails_until_it_answers() -> None:
    world = World(2)
    down = world.servers[0]
    rests: list[float] = []
    for _ in range(7):
        world.pool.failed(down, None)
        rests.append(down.rests_until - world.now)
        world.now = down.rests_until
        world.asked()
        world.probe()  # it lists its models, and then fails again
    assert rests == [1, 2, 4, 8, 16, 30, 30]
    world.pool.worked(down, None)
    world.pool.failed(down, None)
    assert down.rests_until - world.now == 1


def test_while_all_rest_the_one_that_may_come_back_first_is_asked() -> None:
    world = World(2)
    world.pool.failed(world.servers[1], None)
    world.now += 0.5
    world.pool.failed(world.servers[0], None)
    chosen = world.pool.take(None)
    assert chosen is world.servers[1]
    assert world.pool.take(None, [chosen]) is world.servers[0]


def test_a_single_server_is_never_left_out() -> None:
    world = World(1)
    world.pool.failed(world.servers[0], None)
    assert world.pool.states[0].is_available
