"""The type of what each command is added to."""

from __future__ import annotations

import argparse
from typing import Protocol


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
