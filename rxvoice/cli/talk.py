"""``rxvoice talk``: a spoken conversation with the machine in front of you."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reactivex import Observable

from rxvoice import echo
from rxvoice._threads.live import live
from rxvoice.chunks import AudioChunk
from rxvoice.cli._commands import Commands
from rxvoice.cli._keys import PushToTalk, SpaceBar
from rxvoice.cli._main_loop import MainLoop
from rxvoice.cli._scene import Scene
from rxvoice.cli._settings import Settings, add_options, add_settings_file, settings, settings_path
from rxvoice.cli._signals import ending_signals
from rxvoice.cli._spoken import Spoken
from rxvoice.cli._stderr import stderr_held
from rxvoice.cli._talk_models import Chosen, choose
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.cli._usage import check_distinct
from rxvoice.cli._view import LiveView, PlainView, View
from rxvoice.cli._warm_up import warm_up
from rxvoice.devices import find, refresh
from rxvoice.events import Event, Notice
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

if TYPE_CHECKING:
    from rxvoice.recorder import StereoRecorder

__all__ = ["add_talk", "hold", "talk"]

T = TypeVar("T")
U = TypeVar("U")

_EPILOG = """\
Speak, and end it with ctrl-c. Headphones are best; on loudspeakers the assistant knows its
own voice in what the microphone hears (--echo). The demonstration's models need no download and
know about twenty subjects: the sentences that are listed at the start, and some like them. Under a
reply stand its latencies, in milliseconds from the end of your speech: until the turn was over, its
text was known, the first word was written, the first sound was made, and it was heard aloud. A file
that was there is replaced at the end; until then, and after a crash, the new one is beside it, as
talk.partial.wav for talk.wav.

examples:
  rxvoice talk
  rxvoice talk --push-to-talk                    the space bar begins a turn, and ends it
  rxvoice talk --record talk.wav --transcript talk.jsonl
  rxvoice talk --microphone USB --speaker 3      as `rxvoice devices` lists them
  rxvoice talk --llm mlx-community/Qwen3-4B-Instruct-2507-4bit --system-prompt "Be brief."
  rxvoice talk --stt mlx-community/parakeet-tdt-0.6b-v3 --tts mlx-community/Kokoro-82M-bf16

settings:
  $XDG_CONFIG_HOME/rxvoice/settings.toml is read too, or ~/.config/rxvoice/settings.toml where that
  variable is not set. It is TOML and has the names of the options; what is typed wins:

    microphone = "USB"
    silence-ms = 600
    interruptions = false
"""

_REDRAW_S = 0.06
_CLOSING_S = 3.0
"""How long ctrl-c waits for the text of what is being said."""


def add_talk(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "talk",
        help="talk with the machine in front of you",
        description="A spoken conversation through a microphone and a loudspeaker of this machine, "
        "offline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    add_settings_file(parser)


def talk(arguments: argparse.Namespace) -> int:
    """Hold a conversation until it is ended by ctrl-c.

    Returns:
        0: ctrl-c is how a conversation ends.

    Raises:
        ConfigError: a setting, or a device that there is not.
        MissingDependency: what a part needs is not installed.
        Exception: what the conversation failed with.
    """
    chosen = settings(arguments)
    check_distinct(
        {"--record": chosen.record, "--transcript": chosen.transcript},
        {"the settings file": arguments.settings or settings_path()}
        | {"the file of phrases": Path(chosen.phrases).expanduser()},
    )
    with ExitStack() as stack:
        # What is wrong should show before models are loaded.
        refresh()
        names = find(chosen.microphone, "microphone").name, find(chosen.speaker, "speaker").name
        models = choose(chosen, stack)
        _talk(chosen, models, names, stack)
    return 0


def _talk(chosen: Settings, models: Chosen, names: tuple[str, str], stack: ExitStack) -> None:
    from rxvoice.mlx import MlxScheduler
    from rxvoice.recorder import StereoRecorder
    from rxvoice.sinks.speaker import speaker
    from rxvoice.sources.microphone import microphone

    controls = Controls(PushToTalk() if chosen.push_to_talk else None)
    keys = SpaceBar(controls.press) if controls.button else None
    transcript = chosen.transcript and stack.enter_context(TranscriptFile(chosen.transcript))
    recorder = chosen.record and stack.enter_context(StereoRecorder(chosen.record))
    worker = stack.enter_context(MlxScheduler())

    print(*models.told(), sep="\n")
    through = f"microphone {names[0]!r} and loudspeaker {names[1]!r}"
    print(f"  {'through':<8} {through}", flush=True)
    live_view = _is_live(chosen)
    if live_view:
        stack.enter_context(stderr_held())
    loudspeaker = stack.enter_context(speaker(chosen.speaker))
    sink = echo.tap(recorder.tap(loudspeaker) if recorder else loudspeaker)
    spoken = Spoken(sink)
    view = _live_view(spoken, controls) if live_view else PlainView(sys.stdout)
    source = microphone(chosen.microphone)
    if recorder:
        source = source.pipe(_also(AudioChunk, recorder.mic, "the recording"))
    pipe = conversation(
        source,
        models.parts,
        sink,
        chosen,
        models=worker,
        controls=controls,
        on_reply=spoken.on_reply,
        on_speech=spoken.on_speech,
    )
    if transcript:
        pipe = pipe.pipe(_also(Event, transcript.write, "the transcript"))
    warm_up(models.parts, worker=worker, plain=not live_view)
    began = time.monotonic()
    with keys or nullcontext():
        outputs = [it for it in (recorder, transcript) if it]
        hold(pipe, view, controls, abort=lambda number: _abort(number, view, keys, outputs))
    sink.clear()
    with suppress(OSError):  # a terminal that was closed, or a reader that is gone
        _sum_up(view.scene, time.monotonic() - began, chosen)


def _is_live(chosen: Settings) -> bool:
    return not chosen.plain and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _live_view(spoken: Spoken, controls: Controls) -> LiveView:
    from rich.console import Console

    button = controls.button
    if button is None:
        return LiveView(Console(), heard=spoken.characters)
    return LiveView(
        Console(),
        heard=spoken.characters,
        hint="space begins and ends your turn · ctrl-c quits",
        idle=lambda: "listening" if button.down else "waiting",
    )


def _also(kind: type[U], write: Callable[[U], None], what: str) -> Operator[T, T | Event]:
    """Write elements of a kind as they pass; when that fails, say so and write no more."""

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        failed = False

        def step(element: T) -> None:
            nonlocal failed
            written: object = element
            if not failed and isinstance(written, kind):
                try:
                    write(written)
                except Exception as error:
                    failed = True
                    out.emit(Notice(f"{what} has stopped, and the conversation goes on: {error}"))
            out.emit(element)

        return step, None, None

    return stateful_on_events(start)


def _sum_up(scene: Scene, seconds: float, chosen: Settings) -> None:
    minutes, rest = divmod(round(seconds), 60)
    replies = f"{scene.answered} {'reply' if scene.answered == 1 else 'replies'}"
    told = f"{replies} in {minutes}:{rest:02}"
    if scene.interrupted:
        told += f", {scene.interrupted} interrupted"
    if scene.failed:
        told += f", {scene.failed} failed"
    written = [str(it) for it in (chosen.record, chosen.transcript) if it]
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
        # What goes to stderr may be held back.
        print(
            "rxvoice: stopped at once; what was written so far is complete",
            *(f"in {it.where}" for it in outputs),
            flush=True,
        )
    os._exit(128 + number)


def hold(
    pipe: Observable[T], view: View, controls: Controls, *, abort: Callable[[int], None]
) -> None:
    """Run the conversation on a thread of its own, and show its events, until it ends.

    Ctrl-C closes the turn that is open, waits for its text, 3 s at the most, and returns. A second
    one calls `abort` with the signal's number, between any two instructions of this thread.

    Runs on: this thread, for what is shown.

    Raises:
        Exception: what the conversation failed with.
    """
    loop = MainLoop()
    errors: list[Exception] = []
    completed = False
    asked: float | None = None
    deadline = math.inf

    def show(element: object) -> None:
        if isinstance(element, Event) and not errors:
            try:
                view.show(element)
            except OSError as error:  # nobody can see it any more
                errors.append(error)

    def fail(error: Exception) -> None:
        errors.append(error)

    def complete() -> None:
        nonlocal completed
        completed = True

    def ask(_: int) -> None:
        # Called between any two instructions of this thread: no lock may be taken here.
        nonlocal asked
        asked = time.monotonic()
        loop.wake()

    def over() -> bool:
        nonlocal deadline
        if asked is not None and deadline == math.inf:
            deadline = asked + _CLOSING_S
            controls.close(silence=view.scene.state in ("speaking", "paused"))
        closed = asked is not None and (view.scene.is_quiet or time.monotonic() > deadline)
        return completed or bool(errors) or closed

    with ending_signals(ask, abort), view:
        life = live(pipe, deliver_on=loop).subscribe(show, fail, complete)
        try:
            loop.run(over, view.draw, every=_REDRAW_S)
        finally:
            life.dispose()
    if errors:
        raise errors[0]
