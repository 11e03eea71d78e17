"""The queue that `live`, `aio` and `handoff` share; what is special about each is tested there."""

from __future__ import annotations

import random
import threading
from queue import Empty
from typing import Any

import numpy as np
import pytest
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._threads.bounded import Bounded, Ended, Hole, Overflow, Room
from rxvoice.errors import QueueFull
from rxvoice.events import Notice
from rxvoice.turn import Turn, TurnWriter

WAIT_S = 60
BOOM = RuntimeError("boom")


def report(hole: Hole) -> list[Notice]:
    return [Notice(f"lost {hole.elements}")]


def bounded(
    overflow: Overflow, most: int = 3, life: CompositeDisposable | None = None, **options: Any
) -> Bounded[Any, Notice]:
    room = Room(most, f"{most} things")
    life = CompositeDisposable() if life is None else life
    return Bounded(overflow, lambda _: (room, 1), report, life=life, **options)


def taken(queue: Bounded[Any, Notice]) -> list[Any]:
    """All that waits; what was lost by its message."""
    seen: list[Any] = []
    while True:
        try:
            element = queue.take()
        except (Empty, Ended):
            return seen
        seen.append(element.message if isinstance(element, Notice) else element)


@pytest.mark.parametrize(
    ("overflow", "wanted"),
    [("drop_oldest", ["lost 2", 2, 3, 4]), ("drop_newest", [0, 1, 2, "lost 2"])],
)
def test_what_was_dropped_is_returned_counted_and_reported_in_its_place(
    overflow: Overflow, wanted: list[Any]
) -> None:
    queue = bounded(overflow)
    dropped = [each for n in range(5) for each in queue.put(n)]
    assert dropped == ([0, 1] if overflow == "drop_oldest" else [3, 4])
    assert queue.dropped == 2
    assert taken(queue) == wanted


def test_a_report_takes_no_room() -> None:
    queue = bounded("drop_newest", 2)
    for n in range(3):
        queue.put(n)
    assert queue.take() == 0
    assert queue.put(3) == []
    assert taken(queue) == [1, "lost 1", 3]


def test_a_full_queue_may_fail_and_keeps_what_it_has() -> None:
    queue = bounded("fail", full="no room for more than {}")
    for n in range(3):
        queue.put(n)
    with pytest.raises(QueueFull, match="no room for more than 3 things"):
        queue.put(3)
    assert queue.dropped == 0
    assert taken(queue) == [0, 1, 2]


def test_passing_elements_go_first_and_are_reported_at_the_front() -> None:
    queue = bounded("drop_oldest", passing=(str,))
    for element in (0, "a", 1, "b", 2, 3):
        queue.put(element)
    assert taken(queue) == ["lost 3", 1, 2, 3]
    for element in (0, "a", 1, "b"):
        queue.put(element)
    assert taken(queue) == ["lost 1", 0, 1, "b"]


class Checked(type):
    """Counts how often somebody asks whether a thing is of the type."""

    asked = 0

    def __instancecheck__(cls, instance: object) -> bool:
        Checked.asked += 1
        return type(instance) is float


class Passing(metaclass=Checked):
    """In these tests a float."""


def test_dropping_passing_elements_looks_at_each_element_once() -> None:
    queue = bounded("drop_oldest", 1000, passing=(Passing,))
    for n in range(1000):
        queue.put(n)
    Checked.asked = 0
    dropped = [each for n in range(500) for each in queue.put(float(n))]
    assert dropped == [0, *map(float, range(499))]
    assert Checked.asked < 1000 + 5 * 500


@pytest.mark.parametrize("seed", range(50))
def test_passing_elements_are_dropped_as_by_a_search_from_the_front(seed: int) -> None:
    rng = random.Random(seed)
    queue = bounded("drop_oldest", 5, passing=(float,))
    waiting: list[int | float] = []
    for n in range(300):
        if rng.random() < 0.35 and waiting:
            got = queue.take()
            while isinstance(got, Notice):
                got = queue.take()
            assert got == waiting.pop(0)
            continue
        element = float(n) if rng.random() < 0.5 else n
        wanted: list[int | float] = []
        if len(waiting) == 5:
            oldest = next((it for it in waiting if isinstance(it, float)), waiting[0])
            waiting.remove(oldest)
            wanted = [oldest]
        waiting.append(element)
        assert queue.put(element) == wanted
    assert [it for it in taken(queue) if not isinstance(it, str)] == waiting


def test_the_end_comes_after_what_waits_and_nothing_after_it() -> None:
    queue = bounded("fail")
    with pytest.raises(Empty):
        queue.take()
    queue.put(0)
    queue.end(BOOM)
    queue.end()
    assert queue.put(1) == []
    assert queue.take() == 0
    for _ in range(2):
        with pytest.raises(Ended) as ended:
            queue.take()
        assert ended.value.error is BOOM


def test_closed_it_holds_nothing() -> None:
    queue = bounded("drop_oldest", 1)
    queue.put(0)
    queue.put(1)
    queue.close()
    queue.put(2)
    with pytest.raises(Ended) as ended:
        queue.take()
    assert ended.value.error is None


class Listened:
    """A turn, and how many listen to it."""

    def __init__(self) -> None:
        self.count = 0
        self.turn = TurnWriter(1, 0, 16_000, keep=self.keep).turn

    def keep(self) -> Disposable:
        self.count += 1
        return Disposable(self.leave)

    def leave(self) -> None:
        self.count -= 1


def test_a_turn_is_listened_to_from_put_until_it_is_passed_on_or_dropped() -> None:
    life = CompositeDisposable()
    queue = bounded("drop_oldest", 1, life)
    one, two, three = Listened(), Listened(), Listened()
    queue.put(one.turn)
    assert one.count == 1
    queue.put(two.turn)
    assert (one.count, two.count) == (0, 1)
    assert isinstance(queue.take(), Notice)
    assert queue.take() is two.turn
    assert two.count == 1
    queue.passed_on(two.turn)
    assert two.count == 0
    queue.put(three.turn)
    life.dispose()
    assert three.count == 0
    queue.end()
    ended = Listened()
    queue.put(ended.turn)
    assert ended.count == 0


def test_a_turn_that_does_not_fit_is_not_listened_to() -> None:
    for overflow in ("drop_newest", "fail"):
        queue = bounded(overflow, 1)
        queue.put(Turn.of(np.zeros(1, np.float32)))
        late = Listened()
        try:
            queue.put(late.turn)
        except QueueFull:
            assert overflow == "fail"
        assert late.count == 0


def test_many_threads_put_while_one_takes() -> None:
    queue = bounded("drop_oldest", 50)
    dropped: list[list[int]] = [[] for _ in range(4)]

    def put(n: int) -> None:
        for each in range(2_000):
            dropped[n].extend(queue.put(each * 4 + n))

    threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    seen: list[Any] = []
    while any(thread.is_alive() for thread in threads):
        seen += taken(queue)
    for thread in threads:
        thread.join(WAIT_S)
    seen += taken(queue)
    came = [each for each in seen if isinstance(each, int)]
    lost = [each for each in seen if isinstance(each, str)]
    assert sorted([*came, *(each for some in dropped for each in some)]) == list(range(8_000))
    assert sum(int(each.removeprefix("lost ")) for each in lost) == queue.dropped
    for n in range(4):
        mine = [each for each in came if each % 4 == n]
        assert mine == sorted(mine)
