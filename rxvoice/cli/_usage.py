"""Mistakes in a command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import NoReturn

from rxvoice._files.output import same_file
from rxvoice.errors import ConfigError


class UsageError(ConfigError):
    """An option is wrong, or does not go with another. The command does nothing and ends with 2."""


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message, and end with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def check_distinct(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None]) -> None:
    """Check that every output is a different file from all other outputs and inputs.

    Args:
        outputs: the files to write, by their names for people; None for those not asked for.
        inputs: the files to read, likewise.

    Raises:
        UsageError: two of them are the same file.
    """
    written = [(what, path) for what, path in outputs.items() if path is not None]
    for (one, path), (other, again) in combinations(written, 2):
        if same_file(path, again):
            raise UsageError(f"{one} and {other} are both {path}: name two files")
    for what, path in written:
        for other, source in inputs.items():
            if source is not None and same_file(path, source):
                raise UsageError(f"{what} {path} is {other}: choose another file to write")
