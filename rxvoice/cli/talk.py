"""``rxvoice talk``: a spoken conversation with the machine in front of you."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler

from rxvoice import echo
from rxvoice.chunks import AudioChunk
from rxvoice.cli._also import also
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._hold import hold
from rxvoice.cli._keys import PushToTalk, SpaceBar
from rxvoice.cli._live_view import LiveView
from rxvoice.cli._options import add_options, settings, settings_path
from rxvoice.cli._parts import Chosen, choose, labelled
from rxvoice.cli._reply_progress import ReplyProgress
from rxvoice.cli._scene import Scene
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._stderr import stderr_held
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._traced import check_new, command_of, traced
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.cli._usage import check_distinct
from rxvoice.cli._view import PlainView, View, columns
from rxvoice.cli._warm_up import warm_up
from rxvoice.devices import find, refresh
from rxvoice.events import Event

if TYPE_CHECKING:
    from rxvoice.recorder import StereoRecorder

__all__ = ["add_talk", "talk"]

_EPILOG = """\
Speak, and end it with ctrl-c. Headphones work best; if they are wireless, choose another
microphone than theirs. Without headphones, the assistant recognises its own voice in the
microphone's signal and ignores it (--echo).

examples:
  rxvoice talk                                   with the models that need no download
  rxvoice talk --push-to-talk                    the space bar begins and ends a turn
  rxvoice talk --record talk.wav --transcript talk.jsonl
  rxvoice talk --trace monday                    keep all of it: rxvoice replay monday
  rxvoice talk --microphone USB --speaker 3      as `rxvoice devices` lists them
  rxvoice talk --llm mlx-community/Qwen3-4B-Instruct-2507-4bit --system-prompt "Be brief."
  rxvoice talk --llm qwen3 --llm-url http://127.0.0.1:8000/v1    a model behind a server
  rxvoice talk --stt mlx-community/parakeet-tdt-0.6b-v3 --tts mlx-community/Kokoro-82M-bf16

demonstration:
  The models of the demonstration need no download. Its language model knows 78 subjects, and says
  so when you ask about anything else. It tells the time and the date, sets timers, calculates,
  rolls a die and flips a coin. `rxvoice models` lists other models.

latencies:
  Under each reply stand its latencies, in milliseconds from the end of your speech: until the turn
  ended, the transcript, the first token of the reply, the first audio, and the moment when it was
  first heard.

files:
  A new file replaces an old one at the end. Until then, and after a crash, the new file is beside
  it, as talk.partial.wav for talk.wav.

settings:
  The command also reads $XDG_CONFIG_HOME/rxvoice/settings.toml, or
  ~/.config/rxvoice/settings.toml if that variable is not set. The file is TOML, and its keys are
  the names of the options. An option that you type wins:

    microphone = "USB"
    silence-ms = 600
    interruptions = false
"""

_WIDEST = 98
"""Columns of the lines at the start, on a terminal that has more."""


def add_talk(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "talk",
        help=COMMANDS["talk"],
        description="Hold a spoken conversation through a microphone and a loudspeaker of this "
        "machine, offline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="read this settings file, not the usual one"
    )


def talk(arguments: argparse.Namespace) -> int:
    """Hold a conversation until ctrl-c ends it.

    Returns:
        0: ctrl-c is the normal end.

    Raises:
        ConfigError: a setting is wrong, or a device does not exist.
        MissingDependency: a part is not installed. The message says how to install it.
        Exception: the error that ended the conversation.
    """
    chosen = settings(arguments)
    check_distinct(
        {"--record": chosen.record, "--transcript": chosen.transcript, "--trace": chosen.trace},
        {"the settings file": arguments.settings or settings_path()},
    )
    check_new(chosen.trace)
    with ExitStack() as stack:
        # A missing device shows before the models are loaded.
        refresh()
        names = find(chosen.microphone, "microphone").name, find(chosen.speaker, "speaker").name
        models = choose(chosen)
        _talk(chosen, models, names, stack)
    return 0


def _talk(
    chosen: CommandSettings, models: Chosen, names: tuple[str, str], stack: ExitStack
) -> None:
    from rxvoice.mlx import MlxScheduler
    from rxvoice.recorder import StereoRecorder
    from rxvoice.sinks.speaker import speaker
    from rxvoice.sources.microphone import microphone

    controls = Controls(PushToTalk() if chosen.push_to_talk else None)
    keys = SpaceBar(controls.press) if controls.button else None
    command = command_of(chosen, "talk", models.parts)
    transcript = chosen.transcript and stack.enter_context(
        TranscriptFile(chosen.transcript, command)
    )
    recorder = chosen.record and stack.enter_context(StereoRecorder(chosen.record))
    worker = stack.enter_context(MlxScheduler())
    waiting = stack.enter_context(_thread()) if chosen.llm_url else None

    width = min(columns(), _WIDEST)
    through = f"microphone {names[0]!r} and loudspeaker {names[1]!r}"
    print(*models.told(width), *labelled("through", through, width), sep="\n", flush=True)
    live_view = _is_live(chosen)
    if live_view:
        stack.enter_context(stderr_held())
    loudspeaker = stack.enter_context(speaker(chosen.speaker))
    sink = echo.tap(recorder.tap(loudspeaker) if recorder else loudspeaker)
    progress = ReplyProgress(sink)
    view = _live_view(progress, controls) if live_view else PlainView(sys.stdout)
    source = microphone(chosen.microphone)
    if recorder:
        source = source.pipe(also(AudioChunk, recorder.mic, "the recording"))
    if transcript:
        source = source.pipe(ops.do_action(transcript.hear))
    pipe = conversation(
        source,
        models.parts,
        sink,
        chosen,
        models=worker,
        waiting=waiting,
        controls=controls,
        on_reply=progress.on_reply,
        on_speech=progress.on_speech,
    )
    if transcript:
        pipe = pipe.pipe(also(Event, transcript.write, "the transcript"))
    warm_up(models.parts, worker=worker, plain=not live_view)
    began = time.monotonic()
    with keys or nullcontext():
        outputs = [it for it in (recorder, transcript) if it]
        hold(
            pipe,
            view,
            controls,
            abort=lambda number: _abort(number, view, keys, outputs),
            traced=traced(chosen, "talk", models.parts),
        )
    sink.clear()
    with suppress(OSError):  # the terminal was closed, or nobody reads the output
        _sum_up(view.scene, time.monotonic() - began, chosen)


@contextmanager
def _thread() -> Generator[EventLoopScheduler]:
    """A thread that waits for a server, so that the model thread does not."""
    scheduler = EventLoopScheduler()
    try:
        yield scheduler
    finally:
        scheduler.dispose()


def _is_live(chosen: CommandSettings) -> bool:
    return not chosen.plain and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _live_view(progress: ReplyProgress, controls: Controls) -> LiveView:
    from rich.console import Console

    button = controls.button
    if button is None:
        return LiveView(Console(), heard=progress.characters)
    return LiveView(
        Console(),
        heard=progress.characters,
        hint="space begins and ends your turn · ctrl-c quits",
        idle=lambda: "listening" if button.down else "waiting",
    )


def _sum_up(scene: Scene, seconds: float, chosen: CommandSettings) -> None:
    minutes, rest = divmod(round(seconds), 60)
    replies = f"{scene.answered} {'reply' if scene.answered == 1 else 'replies'}"
    told = f"{replies} in {minutes}:{rest:02}"
    if scene.interrupted:
        told += f", {scene.interrupted} interrupted"
    if scene.failed:
        told += f", {scene.failed} failed"
    written = [str(it) for it in (chosen.record, chosen.transcript, chosen.trace) if it]
    print(f"{told}; wrote {' and '.join(written)}" if written else told, flush=True)


def _abort(
    number: int,
    view: View,
    keys: SpaceBar | None,
    outputs: Sequence[StereoRecorder | TranscriptFile],
) -> None:
    with suppress(OSError):
        view.__exit__(None, None, None)
        if keys:
            keys.restore()
        # Printed to stdout, since stderr may be held back.
        print(
            "rxvoice: stopped at once; what was written so far is complete",
            *(f"in {it.where}" for it in outputs),
            flush=True,
        )
    os._exit(128 + number)
