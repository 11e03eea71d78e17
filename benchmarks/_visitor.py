"""A client of a soak: it talks, interrupts, breaks off, and comes again."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from dataclasses import dataclass
from random import Random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks._realtime_talk import CLEAR
from benchmarks._sessions import Talk

_FULL = 1013
_CLEARED_S = 60.0


@dataclass
class Counts:
    """What all visitors have seen.

    Args:
        visits: connections.
        replies: that were complete.
        broken_off: visits that ended in the middle of something.
        refused: visits that the server did not take.
        errors: events that say so, and connections that ended otherwise.
        sent_s: seconds of sound that were sent.
    """

    visits: int = 0
    replies: int = 0
    broken_off: int = 0
    refused: int = 0
    errors: int = 0
    sent_s: float = 0.0


class Visitor:
    """One client.

    Args:
        url: of the server's WebSocket.
        said: what it says, and the silence after it.
        counts: where it counts.
        random: chooses what it does.
        until: when it stops, in the loop's time.
    """

    def __init__(self, url: str, said: Talk, counts: Counts, random: Random, until: float) -> None:
        self._url = url
        self._said = said
        self._counts = counts
        self._random = random
        self._until = until
        self._now = asyncio.get_running_loop().time
        spoken = len(said.turn) * 2 // 5
        # It speaks again while the reply is heard, which begins half a second after its words.
        self._interrupting = [*said.turn[: spoken + 9], *said.turn]

    async def run(self) -> None:
        """Visit again and again."""
        await asyncio.sleep(self._random.random() * 4)
        while self._now() < self._until:
            try:
                async with connect(
                    self._url, compression=None, ping_interval=None, max_queue=None, proxy=None
                ) as client:
                    self._counts.visits += 1
                    await self._visit(client)
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == _FULL:
                    self._counts.refused += 1
                else:
                    self._counts.errors += 1
            except InvalidStatus:
                self._counts.refused += 1
            except (OSError, TimeoutError):
                self._counts.errors += 1
            await asyncio.sleep(self._random.random() * 2)

    async def _visit(self, client: ClientConnection) -> None:
        cleared = asyncio.Event()
        reading = asyncio.create_task(self._read(client, cleared))
        try:
            for _ in range(self._random.randint(1, 5)):
                if self._now() >= self._until:
                    break
                turn = self._interrupting if self._random.random() < 0.3 else self._said.turn
                breaks_off = self._random.random() < 0.1
                end = self._random.randrange(len(turn)) if breaks_off else len(turn)
                await self._say(client, turn[:end])
                if breaks_off:
                    self._counts.broken_off += 1
                    client.transport.abort()
                    return
            await client.send(CLEAR)
            async with asyncio.timeout(_CLEARED_S):
                await cleared.wait()
        finally:
            reading.cancel()

    async def _say(self, client: ClientConnection, messages: list[str]) -> None:
        frame_s = self._said.frame_ms / 1000
        began = self._now()
        for n, message in enumerate(messages):
            await asyncio.sleep(max(0.0, began + n * frame_s - self._now()))
            await client.send(message)
            self._counts.sent_s += frame_s

    async def _read(self, client: ClientConnection, cleared: asyncio.Event) -> None:
        try:
            async for message in client:
                event = json.loads(message)
                match event["type"]:
                    case "response.done":
                        self._counts.replies += event["response"]["status"] == "completed"
                    case "input_audio_buffer.cleared":
                        cleared.set()
                    case "response.output_audio.delta":
                        b64decode(event["delta"], validate=True)
                    case "error":
                        self._counts.errors += 1
        except ConnectionClosed:
            pass  # whoever sends sees it
