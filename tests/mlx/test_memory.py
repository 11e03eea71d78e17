"""The limits of MLX's memory, with a stand-in for Metal, and what it holds."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import mlx.core as mx
import pytest

from rxvoice.mlx import MlxScheduler, _memory, memory_use, scheduler

WAIT = 30


class Metal:
    """The calls of MLX that `limit_memory` makes, on a machine of this size."""

    def __init__(self, size: int | None, *, wired: int = 0, cache: int, available: bool) -> None:
        self.metal = SimpleNamespace(is_available=lambda: available)
        self._info = {} if size is None else {"max_recommended_working_set_size": size}
        self.wired, self.cache, self.calls = wired, cache, 0

    def device_info(self) -> dict[str, int]:
        return self._info

    def set_wired_limit(self, limit: int) -> int:
        self.calls += 1
        before, self.wired = self.wired, limit
        return before

    def set_cache_limit(self, limit: int) -> int:
        self.calls += 1
        before, self.cache = self.cache, limit
        return before


@pytest.mark.parametrize(
    ("wired", "cache", "wanted"),
    [
        (0, 1200, (800, 100)),  # what MLX begins with
        (500, 1200, (500, 100)),  # the app has wired less
        (0, 40, (800, 40)),  # the app wants less of a cache
        (0, 0, (800, 0)),
    ],
)
def test_the_limits_on_metal(
    monkeypatch: pytest.MonkeyPatch, wired: int, cache: int, wanted: tuple[int, int]
) -> None:
    metal = Metal(800, wired=wired, cache=cache, available=True)
    monkeypatch.setattr(_memory, "mx", metal)
    for _ in range(2):  # a second scheduler changes nothing
        _memory.limit_memory()
        assert (metal.wired, metal.cache) == wanted


@pytest.mark.parametrize(("size", "available"), [(800, False), (None, True)])
def test_elsewhere_nothing_is_set(
    monkeypatch: pytest.MonkeyPatch, size: int | None, available: bool
) -> None:
    metal = Metal(size, cache=1200, available=available)
    monkeypatch.setattr(_memory, "mx", metal)
    _memory.limit_memory()
    assert metal.calls == 0


def test_the_model_thread_sets_them_once_before_its_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    done = threading.Event()
    monkeypatch.setattr(
        scheduler, "limit_memory", lambda: seen.append(threading.current_thread().name)
    )
    with MlxScheduler("models") as worker:
        assert seen == []
        worker.schedule(lambda *_: seen.append("first"))
        worker.schedule(lambda *_: done.set())
        assert done.wait(WAIT)
    assert seen == ["models", "first"]


def test_what_mlx_holds() -> None:
    before = memory_use()
    kept = mx.ones(1_000_000)
    mx.eval(kept)
    after = memory_use()
    assert after.active - before.active >= 4_000_000
    assert after.peak >= after.active
    del kept
    for _ in range(1000):
        mx.clear_cache()
        last = memory_use()
        if last.active < after.active and last.cached == 0:
            break
        # On CUDA a thread of MLX lets go of it, some steps of the GPU later.
        mx.eval(mx.ones(1))
    assert last.active < after.active
    assert last.cached == 0
