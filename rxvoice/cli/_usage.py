"""What is wrong with a command as it was typed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import NoReturn

from rxvoice._files.output import same_file
from rxvoice.errors import ConfigError


class UsageError(ConfigError):
    """Options that cannot be, or not together; the command ends with 2, before it does anything."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def check_distinct(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None]) -> None:
    """Raise unless every file that would be written is another one than all the rest.

    Args:
        outputs: by what they are, for people; None for those that are not there.
        inputs: the same.
    """
    written = [(what, path) for what, path in outputs.items() if path is not None]
    for (one, path), (other, again) in combinations(written, 2):
        if same_file(path, again):
            raise UsageError(f"{one} and {other} are both {path}: name two files")
    for what, path in written:
        for other, source in inputs.items():
            if source is not None and same_file(path, source):
                raise UsageError(f"{what} {path} is {other}: choose another file to write")
