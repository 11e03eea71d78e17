"""The commands, and the type of what each is added to."""

from __future__ import annotations

import argparse
from typing import Protocol

COMMANDS = {
    "demo": "hold a conversation with a recorded user and the embedded models, offline",
    "talk": "talk with the machine in front of you",
    "run": "answer a recording",
    "replay": "run a recorded conversation again",
    "serve": "serve conversations to browsers and to clients of the OpenAI Realtime protocol",
    "timeline": "draw a recorded conversation",
    "trace": "export a recorded conversation to other tools",
    "devices": "list microphones and loudspeakers",
    "models": "list models for each slot, and those on this machine",
    "doctor": "check this machine, and say what to do",
}
"""What each command does, in the order of the help. A start imports the module of one of them."""


class Commands(Protocol):
    """What ``add_subparsers`` returns."""

    def add_parser(
        self,
        name: str,
        *,
        help: str,
        description: str,
        epilog: str,
        formatter_class: type[argparse.HelpFormatter],
    ) -> argparse.ArgumentParser: ...
