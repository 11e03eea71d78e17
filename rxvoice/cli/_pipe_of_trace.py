"""The pipe of a command again, from the header of its trace, without models and devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from rxvoice import echo, sinks
from rxvoice._audio.samples import Samples
from rxvoice._boundary import recorded
from rxvoice.cli import _run_pipe, _talk_pipe
from rxvoice.cli._keys import PushToTalk
from rxvoice.cli._parts import Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._traced import settings_of_trace
from rxvoice.cli._view import PlainView
from rxvoice.errors import ConfigError
from rxvoice.slots import AudioSink
from rxvoice.trace import Trace

_RATE = 24_000
_SMART_TURN_MS = 1600
"""The default of `mlx.smart_turn` for the longest silence."""


def pipe_of(
    trace: Trace,
    *,
    settings: CommandSettings | None = None,
    sink: AudioSink | None = None,
    parts: Parts | None = None,
    check: Callable[[], None] = lambda: None,
) -> Observable[Any]:
    """The pipe of the command that recorded the trace. Nothing in it can be heard or called.

    Args:
        settings: others than the trace's; None for the trace's own.
        sink: a sink with a position; None for one that plays nothing.
        parts: models; None for some that are never called.
        check: called with each block; may raise, to end it.

    Raises:
        ConfigError: no command recorded the trace, or one that this rxvoice does not know.
    """
    command = command_of_trace(trace)
    chosen = settings_of_trace(command) if settings is None else settings
    models = parts or _silent_parts(command, smart_turn=chosen.smart_turn is not None)
    name = command["name"]
    playing = sink or sinks.null(realtime=True, sample_rate=_RATE)
    if name == "talk":
        source = recorded("microphone", rx.never()).pipe(ops.do_action(lambda _: check()))
        return _talk_pipe.conversation(
            source,
            models,
            echo.tap(playing),
            chosen,
            models=None,
            controls=_talk_pipe.Controls(PushToTalk() if chosen.push_to_talk else None),
        )
    story = _run_pipe.Story(PlainView(cast("Any", None)), check=check)
    source = recorded("recording", rx.never())
    return _run_pipe.conversation(source, models, playing, story, settings=chosen)


def command_of_trace(trace: Trace) -> Mapping[str, Any]:
    """The command that recorded the trace.

    Raises:
        ConfigError: none did, or one that this rxvoice does not know.
    """
    found = trace.header.get("command")
    command = cast("dict[str, Any]", found if isinstance(found, dict) else {})
    if command.get("name") not in ("talk", "run"):
        raise ConfigError(
            f"the trace {_name(trace.path)} was not recorded by `rxvoice talk` or `rxvoice run`, "
            "so that its pipe is not known: give the pipe to rxv.replay(DIR, pipe) in your program"
        )
    return command


def _name(path: Path) -> str:
    return repr(str(path))


class _SilentSmartTurn:
    """A policy whose verdicts come from the trace: only the longest silence is its own."""

    sample_rate = 16_000

    def fresh(self, *, worker: object = None) -> _SilentSmartTurn:
        """It keeps nothing."""
        return self

    def user_finished(self, audio: Samples, silence_ms: int) -> bool:
        """True from the longest silence on."""
        return silence_ms >= _SMART_TURN_MS


def _silent_parts(command: Mapping[str, Any], *, smart_turn: bool) -> Parts:
    """Models of the same kind as those that were recorded. None of them is ever called."""
    found = command.get("models")
    known = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    remembers: Any = known.get("remembers")
    names: list[Any] = cast("list[Any]", remembers) if isinstance(remembers, list) else []
    memory = {it: _never for it in names if it in ("heard", "said", "forget")}
    rate: Any = known.get("sample_rate", _RATE)
    ears = {"session": _never} if known.get("streams") else {"transcribe_turn": _never}
    return Parts(
        vad=_never,
        stt=cast("Any", SimpleNamespace(**ears)),
        llm=cast("Any", SimpleNamespace(respond=_never, **memory)),
        tts=cast("Any", SimpleNamespace(synthesize_stream=_never, sample_rate=rate)),
        smart_turn=cast("Any", _SilentSmartTurn()) if smart_turn else None,
    )


def _never(*_: object) -> NoReturn:
    raise AssertionError("a replay calls no model")
