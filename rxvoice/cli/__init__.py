"""The command line: ``rxvoice talk``, ``demo``, ``run``, ``devices`` and ``models``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rxvoice.cli._signals import Ending, ended_by_signals
from rxvoice.cli._streams import complete_streams, is_gone, silence_stdout
from rxvoice.cli._usage import Parser, UsageError
from rxvoice.errors import RxvoiceError

__all__ = ["main", "parser"]

_EPILOG = """\
examples:
  rxvoice talk                             talk with this machine, offline
  rxvoice devices                          its microphones and loudspeakers
  rxvoice demo                             hold the recorded conversation, offline
  rxvoice demo --realtime                  the same, at the speed of speech
  rxvoice run question.wav -o reply.wav    answer any recording
  rxvoice run long.mp3 -o reply.mp3 --both both.wav --silence-ms 800
  rxvoice models --memory 16               models for MLX that fit a machine of 16 GB
"""

_DEMO_EPILOG = """\
The embedded models know about twenty subjects. These are the sentences that both of them know, for
`rxvoice talk` too:

{known}

examples:
  rxvoice demo                          writes out/reply.wav and out/conversation.wav
  rxvoice demo --realtime               at the speed of speech
  rxvoice demo --out /tmp/demo --models offline
"""


_BROKEN_PIPE = 141
"""As shells tell of what SIGPIPE ended."""


def parser() -> argparse.ArgumentParser:
    """All commands and options, with their help."""
    from rxvoice import __version__
    from rxvoice.cli.demo import MODELS
    from rxvoice.cli.devices import add_devices
    from rxvoice.cli.models import add_models
    from rxvoice.cli.run import add_run
    from rxvoice.cli.talk import add_talk
    from rxvoice.offline.demo_stt import demo_phrases

    top = Parser(
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
        epilog=_DEMO_EPILOG.format(known="\n".join(f"  {it}" for it in demo_phrases())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
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

    add_run(commands)
    add_devices(commands)
    add_models(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 when it did what it should, 1 when not, 2 for wrong usage, 141 when nobody reads what it
        prints, and 128 and the number of the signal that stopped it, such as 130 for ctrl-c.
    """
    complete_streams()
    with ended_by_signals() as ending:
        try:
            return _run(arguments, ending)
        except _NobodyReads:
            return _BROKEN_PIPE
        except (RxvoiceError, OSError) as error:
            if is_gone(sys.stdout) and _is_broken_pipe(error):
                return _BROKEN_PIPE
            _say(f"error: {_told(error)}")
            return 2 if isinstance(error, UsageError) else 1
        except KeyboardInterrupt:
            _say("stopped; what was written so far is complete")
            return ending.status


class _NobodyReads(Exception):
    """What was printed could not be, as behind ``| head``."""


def _run(arguments: Sequence[str] | None, ending: Ending) -> int:
    try:
        top = parser()
        options, unknown = top.parse_known_args(arguments)
        if unknown:
            # The command's own help is of more use than the one of all.
            named = f"rxvoice {options.command}"
            what = f"unrecognized arguments: {' '.join(unknown)}"
            top.exit(2, f"{named}: error: {what}; see {named} --help\n")
        return _command(options, ending)
    finally:
        # Here, where what goes wrong can still be told.
        try:
            sys.stdout.flush()
        except OSError as error:
            silence_stdout()
            if isinstance(error, BrokenPipeError):
                raise _NobodyReads from None
            raise


def _command(options: argparse.Namespace, ending: Ending) -> int:
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

    return run(options, ending)


def _told(error: Exception) -> str:
    """An error in one line; of one from the system, the file first."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _is_broken_pipe(error: BaseException | None) -> bool:
    """Whether that is what went wrong, or what it came from."""
    return error is not None and (
        isinstance(error, BrokenPipeError) or _is_broken_pipe(error.__cause__)
    )


def _say(what: str) -> None:
    with suppress(OSError):  # a terminal that is gone
        print(f"rxvoice: {what}", file=sys.stderr, flush=True)
