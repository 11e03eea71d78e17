"""The command line: ``rxvoice talk``, ``demo``, ``run``, ``devices`` and ``models``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rxvoice.errors import RxvoiceError

__all__ = ["main", "parser"]

_EPILOG = """\
examples:
  rxvoice talk                             talk with this machine, offline
  rxvoice devices                          its microphones and loudspeakers
  rxvoice demo                             hold the recorded conversation, offline
  rxvoice demo --realtime                  the same, at the speed of speech
  rxvoice run question.wav -o reply.wav    answer any recording
  rxvoice run long.mp3 -o reply.wav --both both.wav --silence-ms 800
  rxvoice models --memory 16               models for MLX that fit a machine of 16 GB
"""

_RUN_EPILOG = """\
The recording may be WAV, FLAC or MP3, of any sample rate and number of channels. Each turn of its
speaker, ended by --silence-ms of silence, is written down and answered aloud. The embedded language
model is a demonstration: it knows about twenty subjects and says so when it is asked anything else.

examples:
  rxvoice run question.wav -o reply.wav
  rxvoice run question.wav -o reply.wav --phrases demo     listen only for what the model knows
  rxvoice run meeting.flac -o reply.wav --both both.wav    both sides, left and right
"""


def parser() -> argparse.ArgumentParser:
    """All commands and options, with their help."""
    from rxvoice import __version__
    from rxvoice.cli.demo import MODELS
    from rxvoice.cli.devices import add_devices
    from rxvoice.cli.models import add_models
    from rxvoice.cli.talk import add_talk

    top = argparse.ArgumentParser(
        prog="rxvoice",
        description="A spoken conversation as a pipe of operators.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"rxvoice {__version__}")
    commands = top.add_subparsers(title="commands", dest="command", required=True)

    add_talk(commands)
    demo = commands.add_parser(
        "demo",
        help="hold a recorded conversation on the embedded models, offline",
        description="Hold a recorded conversation on the embedded models, offline: print it as it "
        "happens, write the replies and both sides as sound. Exits 0 only if every turn was heard "
        "as it was said.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where to write (out)"
    )
    demo.add_argument(
        "--models",
        choices=MODELS,
        default=MODELS[0],
        help="hear with a small Moonshine on MLX, or offline with pocketsphinx (mlx)",
    )
    demo.add_argument("--realtime", action="store_true", help="play it at the speed of speech")

    run = commands.add_parser(
        "run",
        help="answer a recording",
        description="Answer a recording, turn by turn, on the embedded models, offline.",
        epilog=_RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("recording", type=Path, help="a WAV, FLAC or MP3 file")
    run.add_argument(
        "-o", "--output", type=Path, required=True, metavar="WAV", help="where to write the replies"
    )
    run.add_argument(
        "--both",
        type=Path,
        metavar="WAV",
        help="write both sides too: the speaker left, the replies right",
    )
    run.add_argument(
        "--phrases",
        metavar="FILE",
        help="listen only for these sentences, one a line; 'demo': those the demo's model knows",
    )
    run.add_argument("--voice", default="en-us", help="an espeak-ng voice (en-us)")
    run.add_argument(
        "--silence-ms",
        type=int,
        default=1600,
        metavar="MS",
        help="the silence that ends a turn, in milliseconds (1600)",
    )
    add_devices(commands)
    add_models(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what it should, 1 when not, 2 for wrong usage, 130 at Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "talk":
            from rxvoice.cli.talk import talk

            return talk(options)
        if options.command == "devices":
            from rxvoice.cli.devices import devices

            return devices(level=options.level, seconds=options.seconds)
        if options.command == "demo":
            from rxvoice.cli.demo import demo

            return demo(options.out, models=options.models, realtime=options.realtime)
        if options.command == "models":
            from rxvoice.cli.models import models

            return models(memory=options.memory, as_json=options.json)
        from rxvoice.cli.run import run

        return run(
            options.recording,
            options.output,
            both=options.both,
            phrases=options.phrases,
            voice=options.voice,
            silence_ms=options.silence_ms,
        )
    except (RxvoiceError, OSError) as error:
        print(f"rxvoice: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrxvoice: stopped; what was written so far is complete", file=sys.stderr)
        return 130
