"""Tests that run in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["on_loop"]

T = TypeVar("T")


def on_loop(make: Callable[[], T]) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Run a test in a loop, with an object that is made there."""

    def decorate(test: Callable[[T], None]) -> Callable[[], None]:
        async def main() -> None:
            test(make())

        def run() -> None:
            asyncio.run(main())

        run.__name__ = test.__name__
        return run

    return decorate
