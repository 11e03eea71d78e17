"""How late a server's event loop is: what is ready to run waits so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY_S = 0.05
_MOST = 200  # values told at once: ten seconds


async def watch_lag(tell: Callable[[float], None], *, every_s: float = EVERY_S) -> None:
    """Tell how late the loop is, in seconds, many times a second, until cancelled.

    A loop that was busy for long tells so for each time that passed meanwhile, so that a percentile
    of the values is one of the time.

    Args:
        tell: takes each value.
        every_s: seconds between two values.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_s
        await asyncio.sleep(every_s)
        late = max(0.0, loop.time() - due)
        for missed in range(min(_MOST, 1 + int(late / every_s))):
            tell(late - missed * every_s)
