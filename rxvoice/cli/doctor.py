"""``rxvoice doctor``: checks this machine, and says what to do about what it finds."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, replace

from rxvoice._version import __version__
from rxvoice.cli._commands import COMMANDS, Commands
from rxvoice.cli._doctor.checks import wanted
from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.private import without_homes
from rxvoice.cli._doctor.runner import findings
from rxvoice.cli._options import add_options, settings, typed
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._view import columns
from rxvoice.errors import ConfigError

__all__ = ["add_doctor", "doctor"]

_EPILOG = """\
It looks at Python, the system, the packages, MLX, the memory, the disk and the models, at PortAudio
and the devices. It listens to the microphone for a moment, and plays a moment of silence. It keeps
no sound, and uses no network.

Each line is ok, a warning (it works, and could work better) or a problem; "->" says what to do.
Begin a bug report with the output: it has no name of yours and none of this machine.

examples:
  rxvoice doctor
  rxvoice doctor --tone                    also plays a tone, and looks for it in the microphone
  rxvoice doctor --microphone USB --speaker 3
  rxvoice doctor --json

exit status:
  0 if there is no problem, else 1. Warnings are no problem.
"""

_WIDEST = 98
_MARGIN = 27


def add_doctor(commands: Commands) -> None:
    """Add the command, its options and its help."""
    parser = commands.add_parser(
        "doctor",
        help=COMMANDS["doctor"],
        description="Check in a minute what a conversation needs of this machine, and say what to "
        "do about what is missing or wrong.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tone",
        action="store_true",
        help="play a tone, and look for it in the microphone: its level, delay and echo",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser, only=("microphone", "speaker"))
    parser.set_defaults(settings=None)


def doctor(arguments: argparse.Namespace) -> int:
    """Run the checks, and print what each finds when it is done.

    Returns:
        0 if there is no problem, else 1.
    """
    chosen = _settings(arguments)
    asked = Asked(chosen.microphone, chosen.speaker, tone=arguments.tone)
    found: list[Finding] = []
    if not arguments.json:
        print(f"rxvoice {__version__} on this machine", flush=True)
    for several in findings(wanted(asked), asked):
        for it in map(_private, several):
            found.append(it)
            if not arguments.json:
                print(_lines(it), flush=True)
    is_well = all(it.state != "problem" for it in found)
    print(_json(found, is_well) if arguments.json else _sum(found))
    return 0 if is_well else 1


def _settings(arguments: argparse.Namespace) -> CommandSettings:
    try:
        return settings(arguments)
    except ConfigError:  # a finding of its own
        return typed(arguments)


def _private(finding: Finding) -> Finding:
    """The finding, with no home directory in it."""
    facts = json.loads(without_homes(json.dumps(dict(finding.facts), ensure_ascii=False)))
    told, remedy = without_homes(finding.told), without_homes(finding.remedy)
    return replace(finding, told=told, remedy=remedy, facts=facts)


def _lines(finding: Finding) -> str:
    width = min(columns(), _WIDEST)
    head = f"{finding.state:<11}  {finding.check:<12}  "
    lines = _wrapped(finding.told, head, width)
    if finding.remedy:
        lines += _wrapped(finding.remedy, " " * (_MARGIN - 3) + "-> ", width)
    return "\n".join(lines)


def _wrapped(text: str, head: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, _MARGIN + 30),
        initial_indent=head,
        subsequent_indent=" " * _MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sum(found: Sequence[Finding]) -> str:
    count = {state: sum(it.state == state for it in found) for state in ("problem", "warning")}
    if not count["problem"] and not count["warning"]:
        return "all is well"
    return " and ".join(
        f"{many} {what}{'' if many == 1 else 's'}"
        for what in ("problem", "warning")
        if (many := count[what])
    )


def _json(found: Sequence[Finding], is_well: bool) -> str:
    told = {"rxvoice": __version__, "ok": is_well, "findings": [asdict(it) for it in found]}
    return json.dumps(told, indent=2, ensure_ascii=False)
