"""`Client`: one client's ends of the pipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reactivex import Observable

from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Event
from rxvoice.web._speaker import RemoteSpeaker

if TYPE_CHECKING:
    from starlette.websockets import WebSocket


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """One client's ends of the pipe, all on the thread of the server's event loop.

    Args:
        socket: its WebSocket, for what its request has: headers, path, user. Do not read from it.
        microphone: the client's audio at 16 kHz, as it comes; completes when the client ends it.
        speaker: the sink for its speech, for `play` and `converse`.
        interrupts: None when the client wants silence, a text when it typed one; for ``interrupts``
            of `converse`.
        user: what ``authenticate`` returned; None without one.
    """

    socket: WebSocket
    microphone: Observable[AudioChunk]
    speaker: RemoteSpeaker
    interrupts: Observable[str | None]
    user: object = None


Converse: TypeAlias = Callable[[Client], Observable[Speech | FinishedTurn | Event]]
"""Makes the pipe of one client."""
