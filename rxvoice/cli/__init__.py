"""The command line: ``rxvoice demo``, ``talk``, ``run``, ``serve``, ``timeline`` and the others.

Each command has a public module. The private modules are their parts:

- settings: `_setting`, `_settings`, `_serve_settings`, `_options`
- models: `_parts`, `_serve_models`, `_warm_up`, `_catalog`, `_cached`
- conversations: `_talk_pipe` and `_run_pipe`
- traces: `_traced`, `_revision`, `_pipe_of_trace`
- what is shown: `_scene` follows the events; `_view`, `_live_view`, `_waited` and `_reply_progress`
  print
- what is written: `_both`, `_transcript`
- the process: `_hold`, `_server`, `_main_loop`, `_keys`, `_signals`, `_streams`, `_stderr`
- what is checked: `_doctor`
- the command line: `_usage`, `_commands`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib import import_module

from rxvoice.cli._commands import COMMANDS
from rxvoice.cli._signals import Ending, ended_by_signals
from rxvoice.cli._streams import complete_streams, is_gone, silence_stdout
from rxvoice.cli._usage import Parser, UsageError
from rxvoice.errors import RxvoiceError

__all__ = ["main", "parser"]

_EPILOG = """\
examples:
  rxvoice demo                             play a recorded conversation, offline
  rxvoice talk                             talk with this machine, offline
  rxvoice devices                          list its microphones and loudspeakers
  rxvoice doctor                           check this machine, and say what to do
  rxvoice run question.wav -o reply.wav    answer a recording
  rxvoice run long.mp3 -o reply.mp3 --both both.wav --silence-ms 800
  rxvoice replay monday                    run what `talk --trace monday` recorded again
  rxvoice serve                            serve a page to talk, and the Realtime protocol
  rxvoice timeline talk-1                  draw a recorded conversation
  rxvoice models --memory 16               list models that fit a machine with 16 GB

`rxvoice talk --help` explains the options of a command, with examples.
"""

_BROKEN_PIPE = 141
"""The status that shells give a program that SIGPIPE ended."""


def parser(commands: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of the command line, with its help.

    Args:
        commands: those whose options it knows; of the others it knows the name. Each takes the
            import of its module.
    """
    from rxvoice._version import __version__

    top = Parser(
        prog="rxvoice",
        description="A spoken conversation as a pipe of operators.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"rxvoice {__version__}")
    added = top.add_subparsers(title="commands", dest="command", required=True)
    for name, told in COMMANDS.items():
        if name in commands:
            module = import_module(f"rxvoice.cli.{name}")
            getattr(module, f"add_{name}")(added)
        else:
            added.add_parser(name, help=told)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 if the command succeeded; 1 if not; 2 for wrong usage; 141 if nobody reads its output; 128
        plus the number of the signal that stopped it, which is 130 for ctrl-c.
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
    """Nobody reads the standard output, as behind ``| head``."""


def _run(arguments: Sequence[str] | None, ending: Ending) -> int:
    try:
        typed = sys.argv[1:] if arguments is None else arguments
        # Before the command stand options without values only.
        top = parser([it for it in typed if not it.startswith("-")][:1])
        options, unknown = top.parse_known_args(typed)
        if unknown:
            # Name the help of the command, not the one of all commands.
            named = f"rxvoice {options.command}"
            what = f"unrecognized arguments: {' '.join(unknown)}"
            top.exit(2, f"{named}: error: {what}; see {named} --help\n")
        return _command(options, ending)
    finally:
        # Flush here, while an error can still be reported.
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
    if options.command == "serve":
        from rxvoice.cli.serve import serve

        return serve(options)
    if options.command == "timeline":
        from rxvoice.cli.timeline import timeline

        return timeline(
            *(options.trace, options.output),
            start=options.start,
            end=options.end,
            dark=options.dark,
        )
    if options.command == "trace":
        from rxvoice.cli.trace import export_trace

        return export_trace(options.trace, options.to, options.output)
    if options.command == "devices":
        from rxvoice.cli.devices import devices

        return devices(level=options.level, seconds=options.seconds)
    if options.command == "doctor":
        from rxvoice.cli.doctor import doctor

        return doctor(options)
    if options.command == "demo":
        from rxvoice.cli.demo import demo

        return demo(options.out, play=options.play)
    if options.command == "models":
        from rxvoice.cli.models import convert_model, models

        if options.action == "convert":
            return convert_model(options.source, options.directory, options.dtype)
        return models(memory=options.memory, as_json=options.json)
    if options.command == "replay":
        from rxvoice.cli.replay import replay

        return replay(options, ending)
    from rxvoice.cli.run import run

    return run(options, ending)


def _told(error: Exception) -> str:
    """The error in one line. An error of the system begins with the file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _is_broken_pipe(error: BaseException | None) -> bool:
    """Whether the error is a broken pipe or was caused by one."""
    return error is not None and (
        isinstance(error, BrokenPipeError) or _is_broken_pipe(error.__cause__)
    )


def _say(what: str) -> None:
    with suppress(OSError):  # the terminal is gone
        print(f"rxvoice: {what}", file=sys.stderr, flush=True)
