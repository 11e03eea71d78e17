from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """What is logged is not shown."""
    log = logging.getLogger("rxvoice")
    before, log.disabled = log.disabled, True
    yield
    log.disabled = before
