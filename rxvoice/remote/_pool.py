"""`Pool`: several servers of one model. It says which one is asked next."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread

from rxvoice.remote._host import Host, ServerState

_log = logging.getLogger("rxvoice")

_STAYS = 4  # answers that a session's own server may have in progress beyond the least busy one
_FIRST_REST, _LONGEST_REST = 1.0, 30.0  # seconds
_PROBE_S = 3.0


@dataclass(slots=True, eq=False)
class Affinity:
    """Keeps a conversation at the server that has its beginning in the cache.

    Attributes:
        id: names the conversation to a router; random.
        last: the server that answered last.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    last: Host | None = None


def in_background(act: Callable[[], None]) -> None:
    """Call `act` on a thread of its own."""
    Thread(target=act, name="rxvoice-probe", daemon=True).start()


class Pool:
    """Chooses a server for each call, and leaves out one that has failed.

    A server that fails rests for a second, then longer each time, up to half a minute. After that
    a probe in the background asks for its list of models; only if it answers is the server asked
    again. While all of them rest, they are asked all the same.

    Args:
        clock: seconds.
        start: runs a probe elsewhere.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = in_background,
    ) -> None:
        self._hosts = tuple(hosts)
        self._clock = clock
        self._start = start
        self._lock = Lock()
        self._turn = 0

    @property
    def states(self) -> tuple[ServerState, ...]:
        """How the servers fare, in the order in which they were given."""
        return tuple(it.state for it in self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def load(self) -> None:
        """Make the clients; nothing is sent."""
        for it in self._hosts:
            it.client()

    def take(self, affinity: Affinity | None, tried: Collection[Host] = ()) -> Host:
        """Choose the server to ask, and count an answer of it in progress.

        It is the one that answered last in this conversation, or the least busy one if that has
        much less to do. Servers of which the same is true take turns.

        Args:
            tried: which servers have failed this time; not all of them.
        """
        with self._lock:
            left = [it for it in self._hosts if it not in tried]
            due = [it for it in left if self._is_due(it)]
            well = [it for it in left if not it.rests_until]
            if well:
                chosen = self._least_busy(well, affinity)
            else:
                chosen = min(left, key=lambda it: it.rests_until)
            chosen.in_progress += 1
            for it in due:
                it.is_probed = True
        for it in due:
            self._start(lambda it=it: self._probe(it))
        return chosen

    def leave(self, host: Host) -> None:
        """An answer is over."""
        with self._lock:
            host.in_progress -= 1

    def worked(self, host: Host, affinity: Affinity | None) -> None:
        """The server has begun an answer."""
        with self._lock:
            is_back = host.rests_until > 0
            host.failures, host.rests_until = 0, 0.0
            if affinity is not None:
                affinity.last = host
        if is_back:
            _log.info("%s answers again", host.base_url)

    def failed(self, host: Host, status: int | None) -> None:
        """The server has failed a call before its answer began."""
        if len(self) == 1:
            return  # there is no other
        with self._lock:
            host.failures += 1
            rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** min(host.failures - 1, 10))
            host.rests_until = self._clock() + rest
        why = "it gave no answer" if status is None else f"it refused with {status}"
        _log.warning("%s is left out for %g s: %s", host.base_url, rest, why)

    def _least_busy(self, well: list[Host], affinity: Affinity | None) -> Host:
        least = min(it.in_progress for it in well)
        own = affinity.last if affinity is not None else None
        if own in well and own.in_progress <= least + _STAYS:
            return own
        self._turn += 1
        idle = [it for it in well if it.in_progress == least]
        return idle[self._turn % len(idle)]

    def _is_due(self, host: Host) -> bool:
        rests = host.rests_until
        return 0 < rests <= self._clock() and not host.is_probed

    def _probe(self, host: Host) -> None:
        is_there = host.is_there(_PROBE_S)
        with self._lock:
            host.is_probed = False
            if is_there:
                # Its failures still count: if it fails at once, it rests for longer.
                host.rests_until = 0.0
            else:
                host.rests_until = self._clock() + _LONGEST_REST
        if is_there:
            _log.info("%s is asked again", host.base_url)
