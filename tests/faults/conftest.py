from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """What was there before is not looked through each time; what is logged is not shown."""
    gc.collect()
    gc.freeze()
    log = logging.getLogger("rxvoice")
    before, log.disabled = log.disabled, True
    yield
    log.disabled = before
    gc.unfreeze()
