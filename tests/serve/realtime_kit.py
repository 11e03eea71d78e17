"""A session of the Realtime protocol in virtual time, for tests."""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import count
from typing import Any

import numpy as np

from rxvoice.conversation import Message
from rxvoice.serve import Models
from rxvoice.serve._observer import Observer
from rxvoice.serve.realtime._commands import WireCommands
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.realtime._server_events import ServerEvents
from rxvoice.serve.realtime._session_config import first_session
from rxvoice.serve.realtime._settings import dialogue_settings
from rxvoice.serve.session.dialogue import Dialogue
from rxvoice.serve.session.happenings import Happening
from rxvoice.testing import FakeResponder, FakeSynthesizer, FakeTranscriber
from rxvoice.testing._timeline import VirtualClock
from rxvoice.testing.fakes._script import later

RATE = 24_000
BLOCK_MS = 20


def loud(samples: Any) -> bool:
    return bool(np.abs(samples).max() > 0.1)


def fake_models(
    *replies: Any,
    words: tuple[str, ...] = ("hello",),
    llm: Any = None,
    stt: Any = None,
    tts: Any = None,
    **others: Any,
) -> Models:
    """Models that speak ten characters a second."""
    writer = llm or FakeResponder(*(replies or ("I am rxvoice.",)))
    return Models(
        stt=stt or FakeTranscriber(*words),
        llm=lambda: writer,
        tts=tts or FakeSynthesizer(samples_per_char=2_400),
        vad=lambda: loud,
        **others,
    )


class VirtualSession:
    """A session, its client, and the events that the client gets."""

    def __init__(
        self,
        models: Models | None = None,
        *,
        transcribes: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.events: list[dict[str, Any]] = []
        self.failures: list[Exception | None] = []
        numbers = count(1)

        def new_id(kind: str) -> str:
            return f"{kind}_{next(numbers)}"

        self._wire = ServerEvents("conv_1", new_id)
        config = first_session("local", "voice", transcribes=transcribes)
        self.dialogue = Dialogue(
            models or fake_models(),
            dialogue_settings(config),
            self._tell,
            scheduler=self.clock,
            on_failed=self.failures.append,
            new_id=new_id,
            observer=observer,
        )
        self.commands = WireCommands(self.dialogue, config, new_id, self._updated)
        self.dialogue.open()

    # The client

    def send(self, type: str, **fields: Any) -> None:
        """Send an event, and let follow what follows at once."""
        self.send_text(json.dumps({"type": type, **fields}))

    def send_text(self, text: str) -> None:
        try:
            for _ in self.commands.follow(text):
                pass
        except ClientError as error:
            self.events.append(self._wire.event("error", error=error.wire()))
        self.advance(0)

    def speak(self, ms: int, *, value: float = 0.5) -> None:
        """Send sound in real time."""
        for at in range(0, ms, BLOCK_MS):
            block = min(BLOCK_MS, ms - at)
            self.append(np.full(RATE * block // 1000, value * 32767, "<i2").tobytes())
            self.advance(block)

    def be_silent(self, ms: int) -> None:
        self.speak(ms, value=0)

    def append(self, data: bytes) -> None:
        self.send("input_audio_buffer.append", audio=b64encode(data).decode())

    def advance(self, ms: float) -> None:
        """Let time pass."""
        self.clock.advance_to(self.clock.clock + ms / 1000 + 2e-6)

    def configure(self, **session: Any) -> None:
        self.send("session.update", session={"type": "realtime", **session})

    # What it gets

    def named(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == type]

    def last(self, type: str) -> dict[str, Any]:
        return self.named(type)[-1]

    @property
    def types(self) -> list[str]:
        """The types of all events, each run of equal ones once."""
        types = [event["type"] for event in self.events]
        return [it for at, it in enumerate(types) if not at or types[at - 1] != it]

    def take(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def _tell(self, happening: Happening) -> None:
        self.events.extend(self._wire.of(happening))

    def _updated(self, config: dict[str, Any]) -> None:
        self.events.append(self._wire.event("session.updated", session={**config, "id": "sess_1"}))


class ToolCaller:
    """A model that writes what it is told, and remembers what it was given.

    Args:
        answers: each a list of pieces; a `WrittenCall` is a call of a tool.
        every_ms: milliseconds before each piece; None gives them at once.
    """

    def __init__(self, *answers: list[Any], every_ms: float | None = None) -> None:
        self._answers = list(answers)
        self._every_ms = every_ms
        self.given: list[list[Message]] = []
        self.tools: list[list[Any]] = []

    def write(self, messages: list[Message], *, tools: list[Any]) -> Any:
        self.given.append(messages)
        self.tools.append(tools)
        pieces = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return iter(pieces) if self._every_ms is None else later(pieces, self._every_ms)


def message(text: str, **others: Any) -> dict[str, Any]:
    """A message of the user."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content, **others}
