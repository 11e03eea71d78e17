import os
import signal
import sys
from collections.abc import Iterator

import pytest

from rxvoice._blas import load_openblas

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


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that a signal has ended ignores all others, to the end of what is its process."""
    before = {it: signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM)}
    yield
    for it, handler in before.items():
        if signal.getsignal(it) is not handler:
            signal.signal(it, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        longest = [_SECONDS[mark.name] for mark in item.iter_markers() if mark.name in _SECONDS]
        if longest and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(longest)))
