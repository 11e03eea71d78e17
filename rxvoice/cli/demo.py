"""``rxvoice demo``: a conversation of a recorded user with the embedded models."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reactivex import operators as ops

from rxvoice import echo, events, sinks
from rxvoice._text.words import words
from rxvoice.chunks import AudioChunk
from rxvoice.cli._actor import Actor, UserPart
from rxvoice.cli._also import also
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._hold import hold
from rxvoice.cli._parts import choose
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._talk_pipe import Controls, conversation
from rxvoice.cli._view import PlainView, columns
from rxvoice.cli._warm_up import warm_up
from rxvoice.errors import ConfigError

if TYPE_CHECKING:
    from rxvoice.sinks.null import NullSpeaker
    from rxvoice.sinks.speaker import Speaker

__all__ = ["add_demo", "demo"]

_USER = Path(__file__).parent.parent / "data" / "user.wav"
_SILENCE_MS = 700
"""The silence that ends a turn: nobody in the recording pauses for longer."""

_EPILOG = """\
A recorded user talks to the pipe of `rxvoice talk`, with the models that need no download, at the
speed of speech. The user coughs over a reply, asks something that the assistant does not know, and
interrupts.

Under each reply stand its latencies, in milliseconds from the end of the user's speech, in the
order in which they pass: until the turn ended, the transcript, the first token of the reply, the
first audio, and the moment when it was first heard.

The conversation is written to conversation.wav: the user on the left, the assistant on the right.

examples:
  rxvoice demo                  writes out/conversation.wav
  rxvoice demo --play           plays the assistant on this machine's loudspeaker, too
  rxvoice demo --out /tmp/demo
"""


def add_demo(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "demo",
        help=COMMANDS["demo"],
        description="Let a recorded user talk to the embedded models, offline. Print the "
        "conversation as it happens, and write both sides as sound. The exit status is 0 only if "
        "every turn was transcribed as it was said, the cough stopped nothing, and the "
        "interruption did.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where to write (out)"
    )
    parser.add_argument(
        "--play", action="store_true", help="play the assistant on a loudspeaker, too"
    )


@dataclass
class _Outcome:
    """What came of the conversation."""

    texts: list[str] = field(default_factory=list[str])
    interrupted: int = 0
    latencies_ms: list[float] = field(default_factory=list[float])

    def on_event(self, event: object) -> None:
        """Note an event."""
        match event:
            case events.Transcribed(_, text) if text:
                self.texts.append(text)
            case events.Interrupted():
                self.interrupted += 1
            case events.TurnMetrics(first_heard_ms=float(latency)):
                self.latencies_ms.append(latency)
            case _:
                pass

    def told(self, parts: Sequence[UserPart]) -> tuple[str, bool]:
        """Describe the outcome in lines, and say whether it is what the recording asks for."""
        said = [it.text for it in parts if it.text]
        right = sum(words(a) == words(b) for a, b in zip(said, self.texts, strict=False))
        wanted = sum(it.interrupts for it in parts)
        lines = [
            f"{right} of {len(said)} turns transcribed as they were said",
            f"{self.interrupted} of {wanted} interruptions stopped a reply, and no cough did",
        ]
        if self.interrupted > wanted:
            lines[1] = f"{self.interrupted} replies were stopped, wanted {wanted}"
        if self.latencies_ms:
            median = statistics.median(self.latencies_ms) / 1000
            lines.append(
                f"{median:.2f} s from the user's last sound to the assistant's first, the median; "
                f"{_SILENCE_MS / 1000:.1f} s of it is the silence that ends a turn"
            )
        return "\n".join(lines), right == len(said) and self.interrupted == wanted


def demo(out: Path, *, play: bool = False) -> int:
    """Hold the conversation, print it, and write ``conversation.wav``.

    Args:
        out: the directory to write to; it is made if it does not exist.
        play: play the assistant on the default loudspeaker, too.

    Returns:
        0 if it went as the recording asks for; 1 if not; 130 if ctrl-c ended it.

    Raises:
        ConfigError: `out` is not a directory and cannot be made, or there is no loudspeaker.
        MissingDependency: a part is not installed. The message says how to install it.
    """
    from rxvoice.mlx import MlxScheduler
    from rxvoice.recorder import StereoRecorder

    _make(out)
    written = out / "conversation.wav"
    settings = CommandSettings(silence_ms=_SILENCE_MS, echo="off")
    actor, outcome, controls = Actor(_USER), _Outcome(), Controls()
    with ExitStack() as stack:
        chosen = choose(settings)
        print("A recorded user talks to the embedded models, offline.")
        print(*chosen.told(columns()), sep="\n", flush=True)
        loudspeaker = stack.enter_context(_loudspeaker(play))
        worker = stack.enter_context(MlxScheduler())
        warm_up(chosen.parts, worker=worker)
        print(flush=True)
        recorder = stack.enter_context(StereoRecorder(written))
        sink = echo.tap(recorder.tap(loudspeaker))
        pipe = conversation(
            actor.microphone.pipe(also(AudioChunk, recorder.mic, "the recording")),
            chosen.parts,
            sink,
            settings,
            models=worker,
            controls=controls,
        ).pipe(ops.do_action(actor.on_event), ops.do_action(outcome.on_event))
        hold(pipe, PlainView(sys.stdout), controls, abort=lambda number: os._exit(128 + number))
    if controls.closing:
        return 130
    told, went_well = outcome.told(actor.parts)
    print(f"\nwrote {written}: listen to it", told, "talk with it yourself: rxvoice talk", sep="\n")
    return 0 if went_well else 1


def _loudspeaker(play: bool) -> NullSpeaker | Speaker:
    if not play:
        return sinks.null(realtime=True)
    from rxvoice.sinks.speaker import speaker

    return speaker()


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = "a file" if out.is_file() else "not a directory and cannot be made"
        raise ConfigError(
            f"--out must be a directory to write to, {str(out)!r} is {what} ({error.strerror}): "
            "name another"
        ) from error
