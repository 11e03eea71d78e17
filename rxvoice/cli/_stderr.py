"""Keeps what libraries write to stderr off a terminal that is being drawn on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

_ALSA = b"ALSA lib "
"""The start of a line from ALSA. Events report the same."""


@contextmanager
def stderr_held() -> Generator[None]:
    """Hold back everything that this process writes to stderr, and write it at the end.

    Libraries in C write to stderr directly, which would land in the middle of the screen. If stderr
    is not a terminal, nothing is held back.
    """
    if not os.isatty(2):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file:
                if not line.startswith(_ALSA):
                    os.write(2, line)
