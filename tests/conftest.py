import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from rxvoice._blas import load_openblas

# Beside other workers of pytest-xdist, threads of BLAS would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# It has an effect only before MLX is imported, as the tests themselves do.
load_openblas()

# MLX compiles kernels with g++ at a model's first call on a CPU: seconds, and nothing to test.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

# Where a GPU multiplies with fewer bits by default, tests would compare what was rounded.
os.environ.setdefault("MLX_ENABLE_TF32", "0")

# `make stress`: threads take turns after so many seconds, where Python's own are five thousandths.
if "RXVOICE_SWITCH_INTERVAL" in os.environ:
    sys.setswitchinterval(float(os.environ["RXVOICE_SWITCH_INTERVAL"]))

# A job in the background, as of `make test &`, ignores Ctrl-C, and so would the programs that the
# tests start and end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SECONDS = {"slow": 600, "models": 300, "devices": 300}
"""The longest that a test with such a mark may take; pyproject.toml has that of all others."""

_USUAL = {"devices": 5.0, "slow": 4.0, "browser": 2.0, "models": 1.0}
"""The seconds that a test with such a mark usually takes, roughly; a mark may say how many."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nearly all that is made while tests are collected stays: to look for garbage takes 1 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def seen_once() -> None:
    """What was made before these tests is not looked through by each collection in them.

    That is the libraries and all tests: 0.4 s for each time a model thread ends.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that a signal has ended ignores all others, to the end of what is its process."""
    before = {it: signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM)}
    yield
    for it, handler in before.items():
        if signal.getsignal(it) is not handler:
            signal.signal(it, handler)


def scope(nodeid: str) -> str:
    """What one worker runs in a go: a file, or all of tests/devices.

    The tests of devices wait for sound more than they compute. One worker runs them beside the
    others, which have the cores, and they never disturb each other.
    """
    path = nodeid.partition("::")[0]
    return "tests/devices" if path.startswith("tests/devices/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getoption("dist") != "load":
        return None  # the user's own choice
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope
    return scheduler


def longest_first(items: list[pytest.Item]) -> None:
    """Sort by scope, so that no worker is left with a long one when the others are done."""
    seconds: Counter[str] = Counter()
    for item in items:
        where = scope(item.nodeid)
        marks = {mark.name: mark.args for mark in item.iter_markers() if mark.name in _USUAL}
        usual = [it[0] if it else _USUAL[name] for name, it in marks.items()]
        seconds[where] += max(usual, default=0.03)  # type: ignore[assignment]
    place = {it: at for at, it in enumerate(sorted(seconds, key=lambda it: -seconds[it]))}
    items.sort(key=lambda item: place[scope(item.nodeid)])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of pytest-xdist
        longest_first(items)
    for item in items:
        longest = [_SECONDS[mark.name] for mark in item.iter_markers() if mark.name in _SECONDS]
        if longest and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(longest)))
