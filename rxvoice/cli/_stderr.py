"""What libraries write to a terminal that is being drawn on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

_TOLD_OTHERWISE = b"ALSA lib "
"""How ALSA begins its lines: of what it reports there are events."""


@contextmanager
def stderr_held() -> Generator[None]:
    """Hold back what anybody in this process writes to stderr, and let it go at the end.

    Libraries in C write there behind Python's back, in the middle of the screen. Where stderr is
    no terminal, nothing is held back.
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
                if not line.startswith(_TOLD_OTHERWISE):
                    os.write(2, line)
