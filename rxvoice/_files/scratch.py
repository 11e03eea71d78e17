"""A directory to make something in, and those that processes left which were killed."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_beside(target: Path, tell: Callable[[str], None]) -> Generator[Path]:
    """Make a hidden directory beside `target`, and delete it in the end, with all that is in it.

    A killed process leaves its directory. The next one for the same target deletes it. Each holds a
    lock on its directory, which the system releases when the process ends, so that of a process
    that is at work stays.

    Args:
        target: what is made. Its own directory exists.
        tell: called with a sentence for each directory that was left.
    """
    prefix = f".{target.name}.rxvoice-"
    for left in target.parent.glob(f"{glob.escape(prefix)}*"):
        _delete_left(left, tell)
    scratch, lock = _made(target.parent, prefix)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new directory and the descriptor that has its lock."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Another process may take it for one that was left, until it is locked.
        with suppress(FileNotFoundError):
            lock = os.open(made, os.O_RDONLY)
            if _locked(lock) is not False and made.exists():
                return made, lock
            os.close(lock)


def _delete_left(found: Path, tell: Callable[[str], None]) -> None:
    """Delete a directory whose process has ended. What cannot be deleted stays."""
    with suppress(OSError):
        lock = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if _locked(lock):
                tell(f"deleting {found.name}, which a process has left that was cut off")
                shutil.rmtree(found)
        finally:
            os.close(lock)


def _locked(directory: int) -> bool | None:
    """Whether the lock is ours now; None if the file system has none, so that nobody knows."""
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
