"""The standard streams, and what becomes of them."""

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
"""The standard input or output, in a file's place."""


def complete_streams() -> None:
    """Put ``/dev/null`` where a standard stream was closed: what is opened next would get there."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115


def is_gone(out: TextIO) -> bool:
    """Whether nobody reads any more what is written there, as behind ``| head``."""
    try:
        poll = select.poll()
        poll.register(out.fileno(), 0)
    except (OSError, ValueError, AttributeError):
        return False
    gone = select.POLLERR | select.POLLHUP
    return any(event & gone for _, event in poll.poll(0))


def silence_stdout() -> None:
    """Let what is still printed, and the rest in the buffer, go nowhere."""
    with suppress(OSError, ValueError):
        _to_nowhere(sys.stdout.fileno())


def forget_terminal() -> None:
    """Let what is printed go nowhere, where it went to a terminal that is closed."""
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode) and not os.isatty(number):
                _to_nowhere(number)


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


@contextmanager
def stdout_taken() -> Generator[BinaryIO]:
    """The standard output for bytes; what is printed goes to stderr meanwhile.

    Raises:
        UsageError: it is a terminal.
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
    """The standard input for bytes.

    Raises:
        UsageError: it is a terminal.
    """
    if os.isatty(0):
        raise UsageError(
            "'-' reads the standard input, which is a terminal: give it a recording, as in "
            "rxvoice run - -o reply.wav < question.wav"
        )
    taken = io.FileIO(os.dup(0))
    taken.name = "the standard input"
    return cast("BinaryIO", taken)
