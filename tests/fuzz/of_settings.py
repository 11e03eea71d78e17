"""What people write: settings, command lines, `SessionConfig`, marbles, saved conversations."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import rxvoice as rxv
from rxvoice.cli import parser
from rxvoice.cli._options import from_file, settings_of
from rxvoice.cli._serve_settings import ServeSettings
from rxvoice.cli._settings import CommandSettings
from rxvoice.conversation import Conversation
from rxvoice.errors import ConfigError
from rxvoice.testing import notation


def settings_file(data: bytes, folder: Path) -> None:
    """The file of settings, for each command that reads it."""
    path = folder / "settings.toml"
    path.write_bytes(data)
    for of, section in ((CommandSettings, None), (ServeSettings, "serve")):
        try:
            found = from_file(path, of, section)
        except ConfigError:
            continue
        of(**found)  # type: ignore[arg-type]


def command_line(data: bytes, folder: Path) -> None:
    """What is typed: parsed as every command parses it, and not run."""
    words = [it.decode("utf-8", "surrogateescape") for it in data.split(b"\n")]
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
        try:
            options, _ = parser().parse_known_args(words)
        except SystemExit as ended:
            _is_usage(ended.code)
            return
    if options.command == "talk":
        options.settings = folder / "none.toml"
        with contextlib.suppress(ConfigError):
            settings_of(options, CommandSettings)


def _is_usage(code: object) -> None:
    assert code in (0, 2)


def session_config(data: bytes, folder: Path) -> None:
    """The fields of `SessionConfig`, with any values; and what is made of a good one."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(given, dict):
        return
    names = {it.name for it in dataclasses.fields(rxv.SessionConfig)}
    try:
        config = rxv.SessionConfig(**{name: it for name, it in given.items() if name in names})
    except ConfigError:
        return
    assert config.chunk_size >= 1
    assert config.queue_ms >= 0
    config.conversation_options()
    config.echo_options()
    with contextlib.suppress(ConfigError):
        config.turn_policy()


def marbles(data: bytes, folder: Path) -> None:
    """A marble diagram: parsed and written back, or refused with the place."""
    text = data.decode("utf-8", "surrogateescape")
    for hot in (False, True):
        try:
            read = notation.parse(text, hot=hot)
        except ValueError as error:
            if not str(error).startswith("bad marble diagram"):
                raise
            continue
        if not read.lead and all(it.tick >= 0 for it in read.marks):
            again = notation.parse(notation.write(read.marks, read.ticks))
            assert [(it.tick, it.char) for it in again.marks] == [
                (it.tick, it.char) for it in read.marks
            ]
            assert again.ticks == read.ticks
    with contextlib.suppress(ValueError):
        start, end = notation.parse_subscription(text)
        assert 0 <= start <= (start if end is None else end)
    _run_marbles(text)


def _run_marbles(text: str) -> None:
    from rxvoice.testing import marbles as bench

    with contextlib.suppress(ValueError, AssertionError, ConfigError), bench() as m:
        m.expect(m.cold(text[:60]).pipe(), text[:60])


def conversation(data: bytes, folder: Path) -> None:
    """A saved conversation: loaded, saved and loaded again it is the same."""
    path = folder / "talk.json"
    path.write_bytes(data)
    try:
        loaded = Conversation.load(path)
    except ConfigError:
        return
    loaded.save(path)
    assert _plain(Conversation.load(path)) == _plain(loaded)
    with contextlib.suppress(ConfigError):
        Conversation.from_json(data.decode("utf-8", "replace"))
    loaded.heard("One two")
    loaded.compact(lambda messages: "They talked.", keep_turns=1)
    loaded.clear()


def _plain(it: Conversation) -> Any:
    """What can be compared: a number that is none is not equal to itself."""
    return repr(it.messages)
