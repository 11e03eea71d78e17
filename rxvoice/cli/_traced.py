"""A conversation of a command that is recorded: `live`'s options, and the header of the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from reactivex import Observable, abc

from rxvoice.cli._parts import Parts
from rxvoice.cli._revision import revision
from rxvoice.cli._settings import CommandSettings, table
from rxvoice.cli._usage import UsageError
from rxvoice.errors import ConfigError

T = TypeVar("T")

_MEMORY = ("heard", "said", "forget")
"""The methods by which a language model remembers, which `converse` looks for."""
_TEXTS = ("system-prompt",)
_KEPT_OUT = ("model-key", "trace", "content", "record", "transcript", "plain")
"""Settings that change nothing of what is said and when; a key is nobody's business."""


def check_new(directory: Path | None) -> None:
    """Check, before models are loaded, that a trace can be written there.

    Raises:
        UsageError: something is there.
    """
    if directory is None:
        return
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"--trace wants a new directory, and {directory} is a file: name another")
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(
            f"--trace wants a new directory, and {directory} has something in it: name another"
        )


def traced(settings: CommandSettings, name: str, parts: Parts) -> Mapping[str, Any] | None:
    """The options of `live` that record the conversation; None if it is not to be recorded."""
    if settings.trace is None:
        return None
    return {
        "trace": settings.trace,
        "trace_content": settings.content,
        "trace_command": command_of(settings, name, parts),
    }


def command_of(settings: CommandSettings, name: str, parts: Parts) -> dict[str, object]:
    """The command, for the header of its trace: enough to build its pipe again.

    ``"models"`` is what the pipe's own behaviour depends on: whether the recogniser streams, what
    the language model can be told, and the sample rate of the voice; and which weights they have.
    """
    known = {
        option: getattr(settings, option.replace("-", "_"))
        for option in table()
        if option not in _KEPT_OUT and (settings.content or option not in _TEXTS)
    }
    return {
        "name": name,
        "settings": {
            option: list(cast("tuple[str, ...]", it)) if isinstance(it, tuple) else it
            for option, it in known.items()
        },
        "models": {
            "streams": callable(getattr(parts.stt, "session", None)),
            "remembers": [it for it in _MEMORY if callable(getattr(parts.llm, it, None))],
            "sample_rate": parts.sample_rate,
            "revisions": _revisions(parts),
        },
    }


def _revisions(parts: Parts) -> dict[str, str | None]:
    """Which weights the models have that were named; packages have those of the others."""
    named = {slot: getattr(getattr(parts, slot), "model", None) for slot in ("stt", "llm", "tts")}
    return {slot: revision(it) for slot, it in named.items() if isinstance(it, str)}


def settings_of_trace(command: Mapping[str, Any]) -> CommandSettings:
    """The settings that `command_of` wrote.

    Raises:
        ConfigError: there is no such setting, or a value is wrong.
    """
    known, given = table(), command.get("settings")
    if not isinstance(given, dict):
        raise ConfigError("the header of the trace has no settings of the command")
    values: dict[str, Any] = {}
    for name, value in cast("dict[str, object]", given).items():
        if name not in known:
            raise ConfigError(
                f"the trace was recorded with a setting {name!r}, which this rxvoice does not have"
            )
        setting, default = known[name]
        if value is None or value in ([], ()):
            values[name.replace("-", "_")] = default
            continue
        try:
            values[name.replace("-", "_")] = setting.check(value)
        except ValueError as error:
            raise ConfigError(f"the header of the trace: {name} = {value!r}: {error}") from error
    return CommandSettings(**values)


def live_here(
    pipe: Observable[T],
    on_next: Callable[[T], None],
    on_error: Callable[[Exception], None],
    scheduler: abc.SchedulerBase,
    *,
    trace: Path,
    trace_content: bool,
    trace_command: Mapping[str, object],
) -> None:
    """Subscribe on this thread, with a scheduler that comes back when all is done, and record."""
    from rxvoice.trace._recording import Recording

    recording = Recording(trace, scheduler, command=trace_command, content=trace_content)

    def subscribe(*_: object) -> None:
        recording.follow(pipe, on_next, on_error, lambda: None)

    try:
        scheduler.schedule(subscribe)
    finally:
        recording.end("disposed")
        recording.join(_WRITTEN_S)


_WRITTEN_S = 30.0
"""How long a recording may take to be written to its end."""
