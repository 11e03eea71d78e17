"""What servers of models answer, and what models write: streams, sound, transcripts, tool calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fuzz.taker import Taker

import rxvoice as rxv
from rxvoice._language.calls import WrittenCall, read_call, told
from rxvoice._language.thoughts import Said
from rxvoice.elements import Recognised
from rxvoice.remote import RemoteError
from rxvoice.remote._chat import ChatReader, events
from rxvoice.remote._limits import Allowance
from rxvoice.remote._server import _Attempt
from rxvoice.remote.stt import _recognised
from rxvoice.tools import Toolbox, ToolCall

KEY = "sk-fuzz-0123456789abcdef"
"""The secret that a server is asked with. No error shows it, even if the server does."""
URL = "http://127.0.0.1:9/v1"
_MOST_PIECES = 20_000


class _Response:
    """What the client has of a server's answer."""

    def __init__(self, headers: dict[str, str], parts: list[bytes]) -> None:
        self.headers = headers
        self._parts = parts

    def iter_bytes(self) -> Iterator[bytes]:
        yield from self._parts


def _answer(data: bytes) -> tuple[str, list[bytes]]:
    """The media type in the first line, and the rest in parts; a server may send it in any."""
    media, _, body = data.partition(b"\n")
    size = 1 + body[-1] % 7 if body and media.endswith(b" cut") else 1 << 16
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return media.removesuffix(b" cut").decode("latin-1").strip(), parts


def _attempted(model: Any, ask: Any) -> None:
    """Take the answer as a model takes it: what fails is a `RemoteError` that hides the key."""
    host = model._server._pool._hosts[0]
    pieces = _Attempt(host, ask, Allowance(60)).pieces()
    try:
        for n, piece in enumerate(pieces):
            assert n < _MOST_PIECES
            if isinstance(piece, np.ndarray):
                assert piece.dtype == np.float32
            elif not isinstance(piece, (str, Recognised)):
                raise AssertionError(piece)
    except RemoteError as error:
        _is_fit_to_show(error)


def _is_fit_to_show(error: RemoteError) -> None:
    assert KEY not in str(error), "the key is in the error"
    assert KEY not in str(error.__cause__)
    assert len(str(error)) < 2_000


@cache
def _llm() -> Any:
    model = rxv.remote.llm("m", base_url=URL, api_key=KEY, tools=[weather])
    model.load()
    return model


@cache
def _voice(form: Any) -> Any:
    model = rxv.remote.tts("m", base_url=URL, api_key=KEY, voice="v", response_format=form)
    model.load()
    return model


def remote_chat(data: bytes, folder: Path) -> None:
    """The stream of a reply, in any form and in any parts."""
    media, parts = _answer(data)
    reader = ChatReader()

    @contextmanager
    def ask(call: Any) -> Generator[Iterator[str]]:
        reader.restart()
        yield _llm()._read(_Response({"content-type": media}, parts), reader, call)

    _attempted(_llm(), ask)
    said = Said()
    with suppress(Exception):
        for event in events(parts, media):
            "".join((said.feed(reader.read(event) or ""), said.end())).encode()
    for call in reader.calls():
        _made(call)


def remote_speech(data: bytes, folder: Path) -> None:
    """The sound of a voice, as samples or as WAVs in a row."""
    media, parts = _answer(data)
    voice = _voice("wav" if "wav" in media else "pcm")

    @contextmanager
    def ask(call: Any) -> Generator[Iterator[Any]]:
        yield voice._pieces(call, iter(parts), "Hello.")

    _attempted(voice, ask)


def remote_transcript(data: bytes, folder: Path) -> None:
    """What a recogniser says of a turn."""
    _, parts = _answer(data)
    model = _llm()

    @contextmanager
    def ask(call: Any) -> Generator[Iterator[Any]]:
        yield map(_recognised, events(iter(parts), "json"))

    _attempted(model, ask)


# Tools


class Unit(Enum):
    """A unit of temperature."""

    CELSIUS = "c"
    FAHRENHEIT = "f"


def weather(
    city: str,
    days: int = 1,
    unit: Unit = Unit.CELSIUS,
    hours: list[tuple[int, float]] | None = None,
    how: Literal["short", "long"] = "short",
    more: dict[str, list[bool]] | None = None,
) -> str:
    """The weather.

    Args:
        city: where
        days: how many
        unit: of temperatures
        hours: when
        how: how long
        more: of anything
    """
    assert isinstance(city, str)
    assert type(days) is int
    assert isinstance(unit, Unit)
    assert hours is None or all(type(a) is int and type(b) is float for a, b in hours)
    assert how in ("short", "long")
    return f"sunny in {city} for {days} days"


@cache
def _tools() -> Toolbox:
    return Toolbox([weather])


def _made(call: WrittenCall) -> None:
    made = (
        ToolCall(call.name, call.arguments, "Error", call.error)
        if call.error is not None
        else _tools().call(call.name, call.arguments)
    )
    assert not isinstance(made.error, AssertionError), made.error
    told(made)


def tool_calls(data: bytes, folder: Path) -> None:
    """A call of a tool in the words of a model, in the format of each family that mlx-lm reads."""
    family, _, body = data.partition(b"\n")
    text = body.decode("utf-8", "surrogateescape")
    parse = _parsers().get(family.decode("latin-1").strip())
    try:
        if parse is None:
            calls = [read_call("weather", text)]
        else:
            found = parse(text, _tools().schemas)
            calls = [
                read_call(it.get("name"), it.get("arguments", {}))
                for it in (found if isinstance(found, list) else [found])
                if isinstance(it, dict)
            ]
    except Exception:  # a parser of mlx-lm may stumble in any way, as `ChatFormat.calls_in` says
        return
    for call in calls:
        _made(call)


@cache
def _parsers() -> dict[str, Callable[[str, Any], Any]]:
    from importlib import import_module
    from pkgutil import iter_modules

    package = import_module("mlx_lm.tool_parsers")
    modules = [
        import_module(f"{package.__name__}.{it.name}") for it in iter_modules(package.__path__)
    ]
    return {
        it.__name__.rpartition(".")[2]: it.parse_tool_call
        for it in modules
        if hasattr(it, "parse_tool_call")
    }


def channels(data: bytes, folder: Path) -> None:
    """What gpt-oss writes, in pieces of any size: the same comes of it as of the whole."""
    from rxvoice.mlx._channels import ChannelSplitter, channel_call

    text = data.decode("utf-8", "replace")
    whole = ChannelSplitter()
    said = whole.feed(text) + whole.end()
    cut = ChannelSplitter()
    pieces = Taker(data[::-1]).parts(text.encode("utf-32-le"))
    again, held = "", b""
    for piece in pieces:
        held += piece
        some = len(held) // 4 * 4
        again += cut.feed(held[:some].decode("utf-32-le"))
        held = held[some:]
    assert again + cut.end() == said
    assert cut.calls == whole.calls
    for call in whole.calls:
        with suppress(ValueError):
            _made(channel_call(call))
    json.dumps(said).encode()
