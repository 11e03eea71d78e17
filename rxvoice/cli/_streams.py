"""The standard streams: for sound, and when they are closed or nobody reads them."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from rxvoice.cli._usage import UsageError

STDIO = Path("-")
"""Stands for the standard input or output, in the place of a file."""


def complete_streams() -> None:
    """Open ``/dev/null`` for each closed standard stream, so that no other file takes its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115


def is_gone(out: TextIO) -> bool:
    """Whether nobody reads this stream any more, as behind ``| head``."""
    try:
        poll = select.poll()
        poll.register(out.fileno(), 0)
    except (OSError, ValueError, AttributeError):
        return False
    gone = select.POLLERR | select.POLLHUP
    return any(event & gone for _, event in poll.poll(0))


def silence_stdout() -> None:
    """Discard the rest of stdout, with what is in its buffer."""
    with suppress(OSError, ValueError):
        _discard(sys.stdout.fileno())


def forget_terminal() -> None:
    """Discard the rest of stdout and stderr if their terminal is closed."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                _discard(number)


def _discard(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


@contextmanager
def stdout_taken() -> Generator[BinaryIO]:
    """Take the standard output for bytes, and print to stderr meanwhile.

    Raises:
        UsageError: the standard output is a terminal.
    """
    if os.isatty(1):
        raise UsageError(
            "'-' writes to the standard output, which is a terminal: send it to a file or a "
            "program, as in rxvoice run question.wav -o - > reply.wav"
        )
    sys.stdout.flush()
    taken = io.FileIO(os.dup(1), "w")
    taken.name = "the standard output"
    os.dup2(2, 1)
    try:
        yield cast("BinaryIO", taken)
    finally:
        sys.stdout.flush()
        os.dup2(taken.fileno(), 1)
        taken.close()


def sound_from_stdin() -> BinaryIO:
    """Open the standard input for bytes.

    Raises:
        UsageError: the standard input is a terminal.
    """
    if os.isatty(0):
        raise UsageError(
            "'-' reads the standard input, which is a terminal: give it a recording, as in "
            "rxvoice run - -o reply.wav < question.wav"
        )
    taken = io.FileIO(os.dup(0))
    taken.name = "the standard input"
    return cast("BinaryIO", taken)
