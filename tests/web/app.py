"""A Starlette app with conversations on stub models, and a client for them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import loopback_kit
import numpy as np
from reactivex import Observable
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice import web

RATE = 16_000


def speech(ms: int, *, value: float = 0.5) -> bytes:
    return np.full(RATE * ms // 1000, value * 32767, "<i2").tobytes()


def a_turn() -> list[bytes]:
    """Loud for 0.4 s, quiet for 0.4 s, in frames of 20 ms."""
    return [speech(20)] * 20 + [speech(20, value=0)] * 20


def loud(samples: rxv.Samples) -> bool:
    return bool(np.abs(samples).max() > 0.1)


def say(text: str) -> rxv.Samples:
    """A tenth of a second at 24 kHz."""
    return np.full(2400, 0.25, np.float32)


def echoing(client: web.Client) -> Observable[rxv.FinishedTurn | rxv.Event]:
    """Replies with how much was said."""
    return client.microphone.pipe(
        vox.chunk(512),
        vox.vad(loud),
        vox.turn_window(rxv.silence(320)),
        vox.transcribe(lambda audio: f"{len(audio)} samples"),
        vox.respond(lambda text: f"You said {text}."),
        vox.synthesize(say),
        vox.play(client.speaker),
    )


Serve = Callable[[WebSocket], Awaitable[None]]


def app(serve: Serve) -> Starlette:
    return Starlette(routes=[WebSocketRoute("/talk", serve)])


@contextmanager
def serving(talk: Serve, **options: Any) -> Iterator[str]:
    """Run a real server in a thread; gives its address."""
    with loopback_kit.serving(app(talk), lifespan="off", **options) as where:
        yield f"ws://{where}/talk"


def received(messages: list[bytes | str], event: str) -> list[dict[str, Any]]:
    """The JSON messages of this event."""
    loaded = [json.loads(message) for message in messages if isinstance(message, str)]
    return [message for message in loaded if message["event"] == event]


def until(
    receive: Callable[[], bytes | str], event: str, messages: list[bytes | str]
) -> dict[str, Any]:
    """Receive until this event comes."""
    while True:
        message = receive()
        messages.append(message)
        if isinstance(message, str) and json.loads(message)["event"] == event:
            return json.loads(message)
